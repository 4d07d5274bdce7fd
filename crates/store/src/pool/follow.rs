//! The connections over which changes are read, apart from all others: writers wait for followers, so the callers' long
//! lists must not hold these up.

use sqlx::sqlite::SqlitePool;

use super::{BEGIN_SNAPSHOT, RenewablePool, Tx, postgres_options, sqlite_options, sqlite_pool};
use crate::error::StoreError;
use crate::url::{DatabaseUrl, Engine};

/// Connections that read and never write.
pub(crate) enum FollowPool {
    Sqlite(SqlitePool),
    Postgres(RenewablePool),
}

impl FollowPool {
    /// Up to so many connections, which are opened when they are needed.
    pub(crate) fn new(url: &DatabaseUrl, connections: u32) -> Self {
        match &url.0 {
            Engine::Sqlite(path) => {
                let options = sqlite_options(path).pragma("query_only", "ON");
                Self::Sqlite(sqlite_pool(connections).connect_lazy_with(options))
            }
            Engine::Postgres(options) => Self::Postgres(RenewablePool::new(postgres_options(options), connections)),
        }
    }

    /// Begins a transaction whose statements all see the database as it was at the first of them.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite(pool) => Ok(Tx::Sqlite(pool.begin().await?)),
            Self::Postgres(pool) => {
                let tx = pool.current().begin_with(BEGIN_SNAPSHOT).await?;
                Ok(Tx::Postgres { tx, pool: pool.clone() })
            }
        }
    }

    /// Gives up connections that no longer answer; the next ones are new.
    pub(crate) fn renew(&self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(pool) => pool.renew(),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.current().close().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::pool::{Pool, SQLITE_READERS, on_tx};

    #[tokio::test]
    async fn a_follower_of_sqlite_needs_no_connection_of_other_readers_and_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(directory.path().join("vidpass.db"));
        let Pool::Sqlite { read, .. } = Pool::create_or_open(&url).await.unwrap() else {
            unreachable!("it was made as SQLite")
        };
        let mut busy = Vec::new();
        for _ in 0..SQLITE_READERS {
            busy.push(read.acquire().await.unwrap());
        }
        let follow = FollowPool::new(&url, 1);
        let mut tx = timeout(Duration::from_secs(2), follow.begin()).await.expect("it has its own").unwrap();
        let made = on_tx!(tx, db => sqlx::query("CREATE TABLE t (c TEXT)").execute(db).await.map(|_| ()));
        assert!(made.unwrap_err().to_string().contains("readonly"));
    }
}
