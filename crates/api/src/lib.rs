//! The issuer: the API through which tokens are issued, and keys and videos are managed.
//!
//! It is compatible with the Cloudflare Stream API. One file per operation is below `ops`; every answer is wrapped in
//! `envelope`; every failure gets its status in `error`. It knows nothing of gates, and no SQL.

mod body;
mod caller;
mod config;
mod envelope;
mod error;
mod exchange;
mod gate_feed;
mod inspect_request;
mod issuing;
mod key_request;
mod managed_key;
mod metrics;
mod offline;
mod openapi;
mod ops;
mod path;
mod problem;
mod rate_limit;
mod recent;
mod revocation_request;
mod rotation;
mod rotation_request;
mod routes;
mod service;
mod signer;
mod state;
mod time;
mod token_batch;
mod token_request;
mod turns;

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use vidpass_store::Store;
use vidpass_token::Clock;

pub use caller::CallerAddress;
pub use config::{ApiConfig, Batching, CountryLookup, PublicUrl, PublicUrlError, RateLimits, Readiness};
pub use gate_feed::gate_line;
pub use offline::{OfflineRequest, OfflineRequests};
pub use openapi::openapi_json;
pub use rate_limit::{Rate, RateError};
pub use rotation::{NextKey, Rotation, RotationError, rotate};
pub use service::ApiService;
pub use signer::{Signer, SigningError, SigningPath, WhyAlone};

/// How many gates get everything at once: all of it is in memory while it is sent.
const SNAPSHOTS_AT_ONCE: usize = 2;

/// The API of one process.
pub struct Issuer(state::Api);

impl Issuer {
    /// Issues from `store`, and starts the threads that sign. Registers its metrics, `vidpass_api_*`.
    pub fn new(store: Store, clock: Clock, config: ApiConfig, registry: &mut Registry, ready: Readiness) -> Self {
        let signer = Signer::start(config.batching, registry);
        Self(state::Api(Arc::new(state::Parts {
            store,
            callers: Arc::new(recent::Recent::new()),
            videos: Arc::new(recent::Recent::new()),
            limits: Arc::new(rate_limit::CallerLimits::new(&config.rate_limits)),
            config: Arc::new(config),
            keys: Arc::new(managed_key::KeyRing::new()),
            key_sets: Arc::new(ops::keys::jwks::KeySets::new()),
            metrics: metrics::Metrics::register(registry),
            ready,
            clock,
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS_AT_ONCE)),
            turns: turns::Turns::new(signer::cores()),
            signer,
        })))
    }

    /// Heeds `config` in services that are made from now on. What callers have asked for is forgotten only where the limits
    /// changed.
    pub fn configure(&mut self, config: ApiConfig) {
        let parts = Arc::make_mut(&mut self.0.0);
        if parts.config.rate_limits != config.rate_limits {
            parts.limits = Arc::new(rate_limit::CallerLimits::new(&config.rate_limits));
        }
        parts.config = Arc::new(config);
    }

    /// The API as a service, as it is configured now.
    pub fn service(&self) -> ApiService {
        ApiService::new(self.0.clone())
    }
}
