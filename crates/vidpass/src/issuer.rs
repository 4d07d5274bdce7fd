//! The issuer's half of a server: the API, and what must happen to the store at its time.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tracing::{error, info};
use vidpass_api::{ApiConfig, CountryLookup, PublicUrl, Readiness};
use vidpass_gate::CountrySource;
use vidpass_store::Store;
use vidpass_token::{Chain, Clock};

use crate::config::Config;
use crate::key_life;

/// How often old lines of the audit log are cleared.
const AUDIT_CHECK: Duration = Duration::from_secs(3600);

/// How often videos whose time has come are deleted.
const DELETION_CHECK: Duration = Duration::from_secs(10);

/// What an issuer is made of.
pub(crate) struct IssuerParts<'a> {
    pub(crate) store: &'a Store,
    pub(crate) config: &'a Config,
    pub(crate) public_url: &'a PublicUrl,
    pub(crate) countries: &'a Arc<CountrySource>,
    /// What the gate of this process lacks, if it has one.
    pub(crate) readiness: Readiness,
    pub(crate) clock: &'a Clock,
}

impl IssuerParts<'_> {
    /// The API; what it does besides runs among `tasks`.
    pub(crate) fn start(self, metrics: &mut Registry, tasks: &mut JoinSet<()>) -> axum::Router {
        let (store, clock) = (|| self.store.clone(), || self.clock.clone());
        tasks.spawn(delete_scheduled_videos(store(), clock()));
        tasks.spawn(clear_audit_log(store(), clock(), self.config.audit_keep));
        tasks.spawn(key_life::write_uses(store()));
        tasks.spawn(key_life::rotate_and_delete(store(), clock(), self.config.tokens.learnt_after()));
        let config = self.api_config();
        vidpass_api::router(self.store.clone(), self.clock.clone(), config, metrics, self.readiness)
    }

    fn api_config(&self) -> ApiConfig {
        let (tokens, countries) = (&self.config.tokens, Arc::clone(self.countries));
        ApiConfig {
            accepted: self.config.gate().limits,
            countries: CountryLookup::new(move |address| countries.country(address)),
            default_token_lifetime: tokens.default_lifetime,
            max_token_lifetime: tokens.max_lifetime,
            learnt_after: tokens.learnt_after(),
            rate_limits: self.config.rate_limits.clone(),
            max_access_rules: tokens.max_access_rules,
            ..ApiConfig::new(self.public_url.clone())
        }
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

async fn clear_audit_log(store: Store, clock: Clock, keep: Duration) {
    let mut checks = tokio::time::interval(AUDIT_CHECK);
    loop {
        checks.tick().await;
        match store.clear_audit_log(clock().minus(keep)).await {
            Ok(0) => {}
            Ok(lines) => info!(lines, "old lines of the audit log are cleared"),
            Err(problem) => {
                error!(error = %Chain(&problem), "old lines of the audit log stay: the store does not answer");
            }
        }
    }
}
