//! Those in this process who apply changes, and the writers' wait for them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::sync::watch;
use tokio::time::timeout;

use super::ChangeSeq;
use super::wakeups::Wakeups;
use crate::error::StoreError;

/// How long a follower waits before it looks for commits of other processes.
const POLL: Duration = Duration::from_secs(1);

/// How long a writer waits for the followers of this process. Its write is committed and stays so.
const FOLLOWERS_TIMEOUT: Duration = Duration::from_secs(2);

/// The followers of this process, and how far each has come.
pub(crate) struct Followers {
    committed: watch::Sender<ChangeSeq>,
    applied: watch::Sender<BTreeMap<u64, ChangeSeq>>,
    next_id: AtomicU64,
    /// That another process committed a change, where the database tells.
    told: watch::Sender<()>,
    /// PostgreSQL's one connection for that, which is opened when somebody first waits for a change.
    listen: Option<PgPool>,
    wakeups: OnceLock<Wakeups>,
}

impl Followers {
    pub(crate) fn new(listen: Option<PgPool>) -> Self {
        Self {
            committed: watch::Sender::new(ChangeSeq::START),
            applied: watch::Sender::new(BTreeMap::new()),
            next_id: AtomicU64::new(0),
            told: watch::Sender::new(()),
            listen,
            wakeups: OnceLock::new(),
        }
    }

    pub(super) fn join(&self) -> Follower {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.applied.send_modify(|followers| followers.extend([(id, ChangeSeq::START)]));
        Follower { id, changes: self.watch(), applied: self.applied.clone() }
    }

    /// Whoever wants to hear of changes, without anybody waiting for them.
    pub(super) fn watch(&self) -> Watcher {
        let watcher = Watcher { committed: self.committed.subscribe(), told: self.told.subscribe() };
        if let Some(listen) = &self.listen {
            self.wakeups.get_or_init(|| Wakeups::listen(listen.clone(), self.told.clone()));
        }
        watcher
    }

    pub(crate) async fn close(&self) {
        if let Some(listen) = &self.listen {
            listen.close().await;
        }
    }

    /// Makes followers start again that have seen more than the `counter` tells of: the database went back in time, and
    /// the numbers that they applied are given to other changes. Only for a writer, whose lock keeps the counter still.
    pub(super) fn forget_beyond(&self, counter: ChangeSeq) {
        self.applied.send_if_modified(|followers| {
            let beyond = followers.values_mut().filter(|applied| **applied > counter);
            beyond.map(|applied| *applied = ChangeSeq::START).count() > 0
        });
    }

    /// Tells the followers that there is a change numbered `seq`, and waits until all have applied it.
    pub(super) async fn announce(&self, seq: ChangeSeq) -> Result<(), StoreError> {
        self.committed.send_modify(|committed| *committed = seq.max(*committed));
        let mut applied = self.applied.subscribe();
        let all = applied.wait_for(|followers| followers.values().all(|applied| *applied >= seq));
        match timeout(FOLLOWERS_TIMEOUT, all).await {
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::NotApplied { seq }),
        }
    }
}

/// Somebody in this process who applies changes, and whom writers wait for until it is dropped.
pub struct Follower {
    id: u64,
    changes: Watcher,
    applied: watch::Sender<BTreeMap<u64, ChangeSeq>>,
}

/// Somebody who waits for changes, and whom no writer waits for.
pub struct Watcher {
    committed: watch::Receiver<ChangeSeq>,
    told: watch::Receiver<()>,
}

impl Watcher {
    /// Waits until this process commits a change, or another one, as far as PostgreSQL tells; and no longer than a second,
    /// since its word may be lost and SQLite has none. Whether it was told.
    ///
    /// It may be told without a change, and it returns at once where a commit came since it was last called.
    pub async fn changed(&mut self) -> bool {
        let commit = async {
            let (committed, told) = (self.committed.changed(), self.told.changed());
            let heard = tokio::select! { heard = committed => heard, heard = told => heard };
            if heard.is_err() {
                // The store is gone; nobody will commit here any more.
                std::future::pending::<()>().await;
            }
        };
        timeout(POLL, commit).await.is_ok()
    }
}

impl Follower {
    /// [`Watcher::changed`]
    pub async fn changed(&mut self) {
        self.changes.changed().await;
    }

    /// Tells writers that everything up to `seq` is applied.
    pub fn applied(&self, seq: ChangeSeq) {
        self.applied.send_modify(|followers| followers.extend([(self.id, seq)]));
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.applied.send_modify(|followers| followers.retain(|id, _| *id != self.id));
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Follower({})", self.id)
    }
}
