//! The gate's half of a server: whatever viewers, and proxies on their behalf, ask.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use vidpass_gate::{CountrySource, ForwardedHeader, Gate, GateParts, GateService, Judge, ViewerResolver};
use vidpass_token::Clock;

use crate::config::Config;
use crate::forward_auth::ForwardAuthListener;
use crate::origins;

/// Whoever answers viewers. Nothing fills the gate yet.
pub(crate) struct Viewers {
    pub(crate) gate: Arc<Gate>,
    pub(crate) service: GateService,
    pub(crate) forward_auth: Vec<ForwardAuthListener>,
}

impl Viewers {
    /// Opens the origins and binds the listeners of proxies that ask.
    ///
    /// # Errors
    /// An address that is taken, an origin that cannot be used.
    pub(crate) async fn bind(
        config: &Config,
        countries: &Arc<CountrySource>,
        clock: &Clock,
        metrics: &mut Registry,
    ) -> anyhow::Result<Self> {
        let origins = origins::open(config, metrics)?;
        let gate = Arc::new(Gate::new(config.gate(), metrics));
        let judge = Arc::new(Judge {
            gate: Arc::clone(&gate),
            countries: Arc::clone(countries),
            credential_place: config.viewer.token_in.clone(),
            address_in_log: config.log.viewer_address.clone(),
            clock: clock.clone(),
        });
        // Whatever the gate's own viewers come through: each proxy that asks appends to this header, and to no other.
        let asked_for = ViewerResolver::new(config.viewer.trusted_proxies.clone(), ForwardedHeader::XForwardedFor);
        let mut forward_auth = Vec::new();
        for config in &config.forward_auth {
            forward_auth.push(ForwardAuthListener::bind(config, &judge, &asked_for).await?);
        }
        let viewers = resolver(config);
        let service = GateService::new(GateParts { judge, viewers, origins });
        Ok(Self { gate, service, forward_auth })
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
