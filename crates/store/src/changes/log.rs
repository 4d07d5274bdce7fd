//! The change log as a thing of its own: all that a gate needs of the store, and all that it can reach.

use std::fmt;
use std::sync::Arc;

use super::{Follower, Followers, Watcher};
use crate::error::StoreError;
use crate::migrations;
use crate::pool::{self, FollowPool};
use crate::url::DatabaseUrl;

/// For a snapshot, which takes long, and for looks at changes beside it.
const FEED_CONNECTIONS: u32 = 2;

/// What gates read of a store: the state that they decide from, and its changes. It takes no master key, writes nothing
/// and cannot reach a private key. A clone is another handle on the same connections.
#[derive(Clone)]
pub struct ChangeLog {
    pub(super) pool: Arc<FollowPool>,
    pub(super) followers: Arc<Followers>,
}

impl ChangeLog {
    /// Opens the log of a store that is there, for a gate: with PostgreSQL, over one connection to read and one to be told
    /// of changes.
    ///
    /// # Errors
    /// [`StoreError::DatabaseMissing`] or [`StoreError::NotInitialised`] where there is no store,
    /// [`StoreError::SchemaTooOld`], [`StoreError::SchemaTooNew`], [`StoreError::PrivilegeMissing`],
    /// [`StoreError::Unavailable`] and others.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        pool::require_there(url).await?;
        let log = Self::of(url);
        let mut tx = log.pool.begin().await?;
        if !migrations::has_tables(&mut tx).await? {
            return Err(StoreError::NotInitialised { database: url.to_string() });
        }
        migrations::require_current(&mut tx).await?;
        drop(tx);
        Ok(log)
    }

    /// The log of a store that is open. Its connections are opened when they are needed.
    pub(crate) fn of(url: &DatabaseUrl) -> Self {
        let followers = Followers::new(pool::listen_pool(url));
        Self { pool: Arc::new(FollowPool::new(url, 1)), followers: Arc::new(followers) }
    }

    /// Follows the changes from now on. Take a [`Self::snapshot`] after this call, not before it: every write of this
    /// process that commits in between waits until the follower has applied it.
    #[must_use]
    pub fn follower(&self) -> Follower {
        self.followers.join()
    }

    /// Hears of changes from now on, without any writer waiting.
    #[must_use]
    pub fn watch(&self) -> Watcher {
        self.followers.watch()
    }

    /// The same log over other connections, so that whoever reads much keeps no follower waiting.
    pub(crate) fn apart(&self, url: &DatabaseUrl) -> Self {
        Self { pool: Arc::new(FollowPool::new(url, FEED_CONNECTIONS)), followers: Arc::clone(&self.followers) }
    }

    /// Waits for what is under way and closes all connections.
    pub async fn close(&self) {
        self.followers.close().await;
        self.pool.close().await;
    }
}

impl fmt::Debug for ChangeLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.pool {
            FollowPool::Sqlite(_) => "ChangeLog(SQLite)",
            FollowPool::Postgres(_) => "ChangeLog(PostgreSQL)",
        })
    }
}
