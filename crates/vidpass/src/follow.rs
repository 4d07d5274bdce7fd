//! Keeps the gate's catalogue as the store's change log says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tracing::{error, info, warn};
use vidpass_gate::{Catalogue, Gate};
use vidpass_store::{ChangeSeq, Follower, Store, StoreError, Subject};
use vidpass_token::{Chain, Clock, UnixTime};

/// How long to wait before asking a store again that did not answer.
const RETRY: Duration = Duration::from_millis(300);

/// For how long the store may be silent before the server says that it is not ready.
const STALE: Duration = Duration::from_secs(10);

/// Fills the gate's catalogue from the store.
///
/// # Errors
/// [`StoreError`]: a gate that never saw the store must not start with an empty catalogue.
pub(crate) async fn fill(store: &Store, gate: &Gate) -> Result<ChangeSeq, StoreError> {
    let asked = Instant::now();
    let snapshot = store.snapshot().await?;
    let mut catalogue = Catalogue::default();
    for (id, account, public) in snapshot.keys {
        catalogue.insert_key(id, account, public);
    }
    for (uid, policy) in snapshot.videos {
        catalogue.insert_video(uid, policy);
    }
    for (id, policy) in snapshot.accounts {
        catalogue.insert_account(id, policy);
    }
    for (mark, taken) in snapshot.revocations {
        catalogue.set_revocations(mark, taken);
    }
    gate.replace(catalogue);
    gate.heard(asked);
    Ok(snapshot.seq)
}

/// When the store was last heard.
#[derive(Clone)]
pub(crate) struct Heard(Arc<AtomicI64>);

impl Heard {
    /// Heard at `now`.
    pub(crate) fn at(now: UnixTime) -> Self {
        Self(Arc::new(AtomicI64::new(now.0)))
    }

    /// Whether the store has been silent for longer than a short interruption.
    pub(crate) fn is_stale(&self, now: UnixTime) -> bool {
        UnixTime(self.0.load(Ordering::Relaxed)).plus(STALE) < now
    }

    fn now(&self, now: UnixTime) {
        self.0.store(now.0, Ordering::Relaxed);
    }
}

/// Applies every later change, for as long as the process lives. While the store is away, the gate goes on with what
/// it has.
pub(crate) async fn follow(
    store: Store,
    gate: Arc<Gate>,
    mut follower: Follower,
    mut seq: ChangeSeq,
    (heard, clock): (Heard, Clock),
) {
    follower.applied(seq);
    loop {
        match apply_later_than(seq, &store, &gate).await {
            Ok(latest) if latest == seq => {
                heard.now(clock());
                follower.changed().await;
            }
            Ok(latest) => {
                seq = latest;
                follower.applied(seq);
            }
            Err(problem) => {
                error!(error = %Chain(&problem), "the change log cannot be read; the gate goes on with what it has");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn apply_later_than(seq: ChangeSeq, store: &Store, gate: &Gate) -> Result<ChangeSeq, StoreError> {
    let asked = Instant::now();
    let changes = match store.changes_since(seq).await {
        Err(problem) if problem.needs_snapshot() => {
            warn!(error = %Chain(&problem), "the change log does not lead on; the gate takes everything anew");
            return fill(store, gate).await;
        }
        changes => changes?,
    };
    let Some(latest) = changes.last().map(|change| change.seq) else {
        gate.heard(asked);
        return Ok(seq);
    };
    info!(changes = changes.len(), seq = %latest, "the gate's catalogue follows the store");
    gate.update(|catalogue| {
        for change in &changes {
            match &change.subject {
                Subject::Account(id, policy) => catalogue.insert_account(id.clone(), policy.clone()),
                Subject::Key(id, Some((account, public))) => {
                    catalogue.insert_key(id.clone(), account.clone(), public.clone());
                }
                Subject::Key(id, None) => catalogue.remove_key(id),
                Subject::Revocation(mark, taken) => catalogue.set_revocations(*mark, taken.clone()),
                Subject::Video(uid, Some(policy)) => catalogue.insert_video(uid.clone(), policy.clone()),
                Subject::Video(uid, None) => catalogue.remove_video(uid),
            }
        }
    });
    Ok(latest)
}
