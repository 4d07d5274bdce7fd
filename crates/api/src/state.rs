//! What every handler has at hand.

use std::sync::Arc;

use axum::Json;
use vidpass_api_types::Envelope;
use vidpass_store::Store;
use vidpass_token::{Clock, UnixTime};

use crate::config::{ApiConfig, Readiness};
use crate::envelope;
use crate::managed_key::KeyRing;
use crate::metrics::Metrics;
use crate::problem::Note;

/// What every handler has at hand. A clone is another handle on the same.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) metrics: Metrics,
    pub(crate) ready: Readiness,
    pub(crate) clock: Clock,
}

impl Api {
    pub(crate) fn now(&self) -> UnixTime {
        (self.clock)()
    }

    /// The answer to a request that was done.
    pub(crate) fn done<T>(&self, result: T) -> Json<Envelope<T>> {
        self.done_with(result, &[])
    }

    /// The answer to a request that was done, with what is worth noting about it.
    pub(crate) fn done_with<T>(&self, result: T, notes: &[Note]) -> Json<Envelope<T>> {
        envelope::done(&self.config.public_url, result, notes)
    }
}
