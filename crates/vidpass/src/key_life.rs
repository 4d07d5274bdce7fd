//! What becomes of signing keys by themselves. Several servers may do it at once on one database.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::{error, info, warn};
use vidpass_api::Rotation;
use vidpass_store::{Occasion, Store};
use vidpass_token::{Chain, Clock, UnixTime};

use crate::config::Config;

/// How often the uses of keys are written down.
const USES: Duration = Duration::from_secs(5);

/// How often keys are looked at.
const CHECK: Duration = Duration::from_secs(10);

/// Writes down how often each key signed.
pub(crate) async fn write_uses(store: Store) {
    let mut times = tokio::time::interval(USES);
    loop {
        times.tick().await;
        if let Err(problem) = store.write_key_uses().await {
            warn!(error = %Chain(&problem), "the uses of keys are not written down yet");
        }
    }
}

/// Rotates managed keys when their schedule says so, and deletes those whose last token is over.
pub(crate) async fn rotate_and_delete(store: Store, clock: Clock, config: Arc<ArcSwap<Config>>) {
    let mut checks = tokio::time::interval(CHECK);
    loop {
        checks.tick().await;
        let learnt_after = config.load().tokens.learnt_after();
        rotate_due(&store, clock(), learnt_after).await;
        match store.delete_retired_keys(clock()).await {
            Ok(deleted) => {
                for key in deleted {
                    info!(key.id = %key, "a retired key was deleted: its tokens are over");
                }
            }
            Err(problem) => error!(error = %Chain(&problem), "retired keys wait for their deletion"),
        }
    }
}

async fn rotate_due(store: &Store, now: UnixTime, learnt_after: Duration) {
    let due = match store.rotations_due(now).await {
        Ok(due) => due,
        Err(problem) => return error!(error = %Chain(&problem), "scheduled rotations wait: the store does not answer"),
    };
    for due in due {
        let rotation = Rotation { algorithm: Some(due.algorithm), occasion: Occasion::Scheduled, learnt_after };
        if let Err(problem) = vidpass_api::rotate(store, &due.account, rotation, now).await {
            error!(account.id = %due.account, error = %Chain(&problem), "a managed key was not rotated");
        }
    }
}
