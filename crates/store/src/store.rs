//! Making, opening and asking after the store as a whole.

use std::sync::Arc;
use std::time::Duration;

use vidpass_token::UnixTime;

use crate::changes::ChangeLog;
use crate::credentials::UsesUnderWay;
use crate::error::StoreError;
use crate::migrations;
use crate::pool::{Pool, on_pool, on_tx, timed_out};
use crate::seal::{MasterKey, Place, Sealer};
use crate::url::DatabaseUrl;

/// How long [`Store::ping`] waits for an answer.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// A value that only the right master key opens.
const KEY_CHECK: Place<'static> = Place { table: "store_meta", row: &["master_key_check"], column: "value" };
const KEY_CHECK_VALUE: &[u8] = b"vidpass";

/// The state of vidpass. A clone is another handle on the same connections.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    /// Where it is, without a password.
    database: String,
    pool: Pool,
    sealer: Sealer,
    log: ChangeLog,
    feed: ChangeLog,
    uses_under_way: UsesUnderWay,
}

/// What became of a wish to delete something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone now.
    Deleted,
    /// It was gone before.
    AlreadyDeleted,
    /// The account never had it.
    Unknown,
}

/// Whether something is there, or was.
#[derive(Clone, Copy)]
pub(crate) enum Liveness {
    /// It is there.
    Live,
    /// It was deleted.
    Deleted,
    /// The account never had it.
    Unknown,
}

impl Liveness {
    /// Told from the row's `deleted`: no row, no time, or the time of its deletion.
    pub(crate) fn of_row(deleted: Option<Option<i64>>) -> Self {
        match deleted {
            None => Liveness::Unknown,
            Some(None) => Liveness::Live,
            Some(Some(_)) => Liveness::Deleted,
        }
    }
}

impl Store {
    /// Opens a store that is there, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::DatabaseMissing`] or [`StoreError::NotInitialised`] where there is none: an empty store in the
    /// place of a lost one would know no key and no deletion. [`StoreError::WrongMasterKey`],
    /// [`StoreError::SchemaTooNew`], [`StoreError::Unavailable`] and others.
    pub async fn open(url: &DatabaseUrl, master_key: &MasterKey) -> Result<Self, StoreError> {
        let pool = Pool::open(url).await?;
        if !migrations::has_tables(&mut pool.begin().await?).await? {
            return Err(StoreError::NotInitialised { database: url.to_string() });
        }
        migrations::run(&pool).await?;
        Self::start(pool, url, master_key).await
    }

    /// Makes a store where there is none, and opens it. A PostgreSQL database must be there; a SQLite file is made,
    /// readable by nobody else, in a directory that must be there.
    ///
    /// # Errors
    /// As [`Self::open`], and [`StoreError::DirectoryMissing`], [`StoreError::OrphanedWal`], [`StoreError::File`].
    pub async fn create_or_open(url: &DatabaseUrl, master_key: &MasterKey) -> Result<Self, StoreError> {
        let pool = Pool::create_or_open(url).await?;
        migrations::run(&pool).await?;
        write_key_check(&pool, &Sealer::new(master_key)).await?;
        Self::start(pool, url, master_key).await
    }

    async fn start(pool: Pool, url: &DatabaseUrl, master_key: &MasterKey) -> Result<Self, StoreError> {
        let sealer = Sealer::new(master_key);
        check_master_key(&pool, &sealer, &url.to_string()).await?;
        let (database, log) = (url.to_string(), ChangeLog::of(url));
        let feed = log.apart(url);
        Ok(Self(Arc::new(Inner { database, pool, sealer, log, feed, uses_under_way: UsesUnderWay::default() })))
    }

    /// Asks the database for a sign of life, and whether it is still the one that the master key belongs to.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where none comes within 3 seconds; [`StoreError::WrongMasterKey`],
    /// [`StoreError::NotInitialised`] where another database is in its place.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let ask = check_master_key(self.pool(), self.sealer(), &self.0.database);
        tokio::time::timeout(PING_TIMEOUT, ask).await.map_err(|_| timed_out())?
    }

    /// What time it is where the database runs; `None` where that is this machine.
    pub async fn database_time(&self) -> Result<Option<UnixTime>, StoreError> {
        const SQL: &str = "SELECT CAST(floor(extract(epoch FROM clock_timestamp())) AS BIGINT)";
        match self.pool() {
            Pool::Sqlite { .. } => Ok(None),
            Pool::Postgres(shared) => {
                let time: i64 = shared.in_time(sqlx::query_scalar(SQL).fetch_one(&shared.current())).await?;
                Ok(Some(UnixTime(time)))
            }
        }
    }

    /// Waits for what is under way and closes all connections. Every later call, on any clone, finds the store
    /// unavailable.
    pub async fn close(&self) {
        self.0.log.close().await;
        self.0.feed.close().await;
        self.pool().close().await;
    }

    /// What gates elsewhere are told, over connections of their own.
    #[must_use]
    pub fn feed(&self) -> &ChangeLog {
        &self.0.feed
    }

    /// What gates read of it.
    #[must_use]
    pub fn change_log(&self) -> &ChangeLog {
        &self.0.log
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    pub(crate) fn uses_under_way(&self) -> &UsesUnderWay {
        &self.0.uses_under_way
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.pool() {
            Pool::Sqlite { .. } => "Store(SQLite)",
            Pool::Postgres(_) => "Store(PostgreSQL)",
        })
    }
}

async fn write_key_check(pool: &Pool, sealer: &Sealer) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO store_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    let sealed = sealer.seal(KEY_CHECK, KEY_CHECK_VALUE)?;
    let mut tx = pool.begin_write().await?;
    on_tx!(tx, db => sqlx::query(SQL).bind(KEY_CHECK.row[0]).bind(sealed).execute(db).await.map(|_| ()))?;
    tx.commit().await
}

/// Refuses a database that was made with another master key, or was never finished.
pub(crate) async fn check_master_key(pool: &Pool, sealer: &Sealer, name: &str) -> Result<(), StoreError> {
    const SQL: &str = "SELECT value FROM store_meta WHERE name = $1";
    let sealed: Option<Vec<u8>> =
        on_pool!(pool, db => sqlx::query_scalar(SQL).bind(KEY_CHECK.row[0]).fetch_optional(db).await)?;
    let sealed = sealed.ok_or_else(|| StoreError::NotInitialised { database: name.to_owned() })?;
    match sealer.open(KEY_CHECK, &sealed) {
        Ok(_) => Ok(()),
        Err(source) => Err(StoreError::WrongMasterKey { database: name.to_owned(), source }),
    }
}
