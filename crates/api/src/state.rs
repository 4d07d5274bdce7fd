//! What every handler has at hand.

use std::ops::Deref;
use std::sync::Arc;

use axum::Json;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use vidpass_api_types::Envelope;
use vidpass_store::{Caller, PresentedHash, Store};
use vidpass_token::{AccountId, Clock, UnixTime, VideoId};

use crate::config::{ApiConfig, Readiness};
use crate::envelope;
use crate::error::ApiError;
use crate::managed_key::KeyRing;
use crate::metrics::Metrics;
use crate::ops::keys::jwks::KeySets;
use crate::problem::Note;
use crate::rate_limit::CallerLimits;
use crate::recent::Recent;
use crate::signer::Signer;
use crate::turns::{NoTurn, Turns};

/// A handle on what every handler has at hand: one pointer, as every request gets one.
#[derive(Clone)]
pub(crate) struct Api(pub(crate) Arc<Parts>);

impl Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What every handler has at hand.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) store: Store,
    /// By the hash of what they presented.
    pub(crate) callers: Arc<Recent<PresentedHash, Caller>>,
    /// Whether an account has a video.
    pub(crate) videos: Arc<Recent<(AccountId, VideoId), ()>>,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) limits: Arc<CallerLimits>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) key_sets: Arc<KeySets>,
    pub(crate) metrics: Metrics,
    pub(crate) ready: Readiness,
    pub(crate) clock: Clock,
    /// Turns for gates that take everything anew.
    pub(crate) snapshots: Arc<Semaphore>,
    /// A turn for each core: what callers can make expensive must not take the threads that the gate reads files with.
    pub(crate) turns: Turns,
    pub(crate) signer: Signer,
}

impl Api {
    /// Does work that keeps a core busy, on a thread where that harms nobody, when it is its turn. What would have to wait for
    /// too long is refused.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.turns.take().await.map_err(|NoTurn| ApiError::Overloaded)?;
        let done = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(ApiError::Task)
    }

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
