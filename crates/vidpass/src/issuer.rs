//! The issuer's half of a server: the API, and what must happen to the store at its time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tracing::{error, info};
use vidpass_api::{ApiConfig, CountryLookup, Issuer, PublicUrl, Readiness};
use vidpass_gate::CountrySource;
use vidpass_store::Store;
use vidpass_token::{Chain, Clock};

use crate::config::Config;
use crate::front::Api;
use crate::{key_life, viewers};

/// How often old lines of the audit log are cleared.
const AUDIT_CHECK: Duration = Duration::from_secs(3600);

/// How often revocations that are over are cleared.
const REVOCATIONS_CHECK: Duration = Duration::from_secs(600);

/// How often videos whose time has come are deleted.
const DELETION_CHECK: Duration = Duration::from_secs(10);

/// What an issuer has for as long as it runs, whatever its configuration says next.
pub(crate) struct IssuerParts {
    store: Store,
    issuer: Issuer,
    /// How clients reach it where the configuration does not say.
    own_url: PublicUrl,
    countries: Arc<CountrySource>,
}

impl IssuerParts {
    /// `readiness` says what the gate of this process lacks, if it has one.
    pub(crate) fn new(
        store: Store,
        config: &Config,
        own_url: PublicUrl,
        countries: &Arc<CountrySource>,
        readiness: Readiness,
        clock: &Clock,
        metrics: &mut Registry,
    ) -> Self {
        let api_config = api_config(config, &own_url, countries);
        let issuer = Issuer::new(store.clone(), clock.clone(), api_config, metrics, readiness);
        Self { store, issuer, own_url, countries: Arc::clone(countries) }
    }

    /// Does among `tasks` what an issuer does unasked, as `config` says at that time.
    pub(crate) fn start(&self, config: &Arc<ArcSwap<Config>>, clock: &Clock, tasks: &mut JoinSet<()>) {
        let (store, clock, config) = (|| self.store.clone(), || clock.clone(), || Arc::clone(config));
        tasks.spawn(delete_scheduled_videos(store(), clock()));
        tasks.spawn(clear_audit_log(store(), clock(), config()));
        tasks.spawn(clear_revocations(store(), clock()));
        tasks.spawn(key_life::write_uses(store()));
        tasks.spawn(key_life::rotate_and_delete(store(), clock(), config()));
    }

    /// The API as `config` says.
    pub(crate) fn api(&mut self, config: &Config) -> Api {
        self.issuer.configure(api_config(config, &self.own_url, &self.countries));
        Api { service: self.issuer.service(), callers: Arc::new(viewers::resolver(config)) }
    }
}

fn api_config(config: &Config, own_url: &PublicUrl, countries: &Arc<CountrySource>) -> ApiConfig {
    let (tokens, countries) = (&config.tokens, Arc::clone(countries));
    ApiConfig {
        accepted: config.gate().limits,
        countries: CountryLookup::new(move |address| countries.country(address)),
        default_token_lifetime: tokens.default_lifetime,
        max_token_lifetime: tokens.max_lifetime,
        learnt_after: tokens.learnt_after(),
        rate_limits: config.rate_limits.clone(),
        max_access_rules: tokens.max_access_rules,
        batching: config.batching,
        ..ApiConfig::new(config.public_url.as_ref().unwrap_or(own_url).clone())
    }
}

async fn delete_scheduled_videos(store: Store, clock: Clock) {
    let mut checks = tokio::time::interval(DELETION_CHECK);
    loop {
        checks.tick().await;
        match store.delete_scheduled_videos(clock()).await {
            Ok(0) => {}
            Ok(videos) => info!(videos, "videos whose scheduled deletion has come are deleted"),
            Err(problem) => error!(error = %Chain(&problem), "scheduled deletions wait: the store does not answer"),
        }
    }
}

async fn clear_audit_log(store: Store, clock: Clock, config: Arc<ArcSwap<Config>>) {
    let mut checks = tokio::time::interval(AUDIT_CHECK);
    loop {
        checks.tick().await;
        let keep = config.load().audit_keep;
        match store.clear_audit_log(clock().minus(keep)).await {
            Ok(0) => {}
            Ok(lines) => info!(lines, "old lines of the audit log are cleared"),
            Err(problem) => {
                error!(error = %Chain(&problem), "old lines of the audit log stay: the store does not answer");
            }
        }
    }
}

async fn clear_revocations(store: Store, clock: Clock) {
    let mut checks = tokio::time::interval(REVOCATIONS_CHECK);
    // Not at once: a machine that has just started may not have set its clock yet.
    checks.reset();
    loop {
        checks.tick().await;
        match store.clear_revocations(clock()).await {
            Ok(0) => {}
            Ok(revocations) => info!(revocations, "revocations that were over are cleared"),
            Err(problem) => error!(error = %Chain(&problem), "old revocations stay: the store does not answer"),
        }
    }
}
