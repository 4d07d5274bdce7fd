//! The gate's half of a server: whatever viewers, and proxies on their behalf, ask.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use vidpass_gate::{CountrySource, ForwardedHeader, Gate, GateParts, GateService, Judge, Origins, ViewerResolver};
use vidpass_token::Clock;

use crate::config::{Config, ForwardAuthConfig};
use crate::forward_auth::ProxyAnswers;
use crate::origins;

/// What a gate has for as long as it runs, whatever its configuration says next.
pub(crate) struct Viewers {
    pub(crate) gate: Arc<Gate>,
    origins: Arc<Origins>,
    countries: Arc<CountrySource>,
    clock: Clock,
}

impl Viewers {
    /// Opens the origins. Nothing fills the gate yet.
    ///
    /// # Errors
    /// An origin that cannot be used.
    pub(crate) fn open(
        config: &Config,
        countries: &Arc<CountrySource>,
        clock: &Clock,
        metrics: &mut Registry,
    ) -> anyhow::Result<Self> {
        let origins = Arc::new(origins::open(config, metrics)?);
        let gate = Arc::new(Gate::new(config.gate(), metrics));
        Ok(Self { gate, origins, countries: Arc::clone(countries), clock: clock.clone() })
    }

    /// Whoever answers viewers, and the proxies of `tables` on their behalf, as `config` says. The gate heeds it at once.
    pub(crate) fn answers(&self, config: &Config, tables: &[ForwardAuthConfig]) -> (GateService, Vec<ProxyAnswers>) {
        self.gate.configure(config.gate());
        let judge = Arc::new(Judge {
            gate: Arc::clone(&self.gate),
            countries: Arc::clone(&self.countries),
            credential_place: config.viewer.token_in.clone(),
            address_in_log: config.log.viewer_address.clone(),
            clock: self.clock.clone(),
        });
        // Whatever the gate's own viewers come through: each proxy that asks appends to this header, and to no other.
        let asked_for = ViewerResolver::new(config.viewer.trusted_proxies.clone(), ForwardedHeader::XForwardedFor);
        let proxies = tables.iter().map(|table| ProxyAnswers::new(table, &judge, &asked_for)).collect();
        let parts = GateParts { judge, viewers: resolver(config), origins: Arc::clone(&self.origins) };
        (GateService::new(parts), proxies)
    }
}

/// Finds who asks this server itself.
pub(crate) fn resolver(config: &Config) -> ViewerResolver {
    ViewerResolver::new(config.viewer.trusted_proxies.clone(), config.viewer.forwarded_header)
}

/// What a gate lacks to do its work, in a sentence. While its source is away it is ready for as long as its lease: whoever
/// balances requests would otherwise take all gates away at once, and all of them decide.
pub(crate) fn lack(gate: &Gate) -> Option<&'static str> {
    if !gate.is_loaded() {
        Some("the gate has no catalogue yet; the log says why")
    } else if gate.is_cut_off() {
        Some("the gate has not heard from its source for longer than tokens.lease; the log says why")
    } else {
        None
    }
}
