//! Connections to either engine, and the one way to write.

mod follow;
mod renewable;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Postgres, Sqlite, Transaction};
use tokio::time::{Instant, sleep, timeout};

use crate::error::StoreError;
use crate::url::{DatabaseUrl, Engine};

pub(crate) use follow::FollowPool;
pub(crate) use renewable::RenewablePool;

/// How long a caller waits for a connection before it is told that the database is not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a SQLite writer waits for a writer of another process, and how often it looks.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const BUSY_POLL: Duration = Duration::from_millis(2);

const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 10;

/// Limits that PostgreSQL puts on our sessions, in milliseconds: a statement, a wait for a lock, a silent transaction.
const POSTGRES_LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "10000"), ("lock_timeout", "5000"), ("idle_in_transaction_session_timeout", "30000")];

/// How PostgreSQL begins a transaction that reads one state.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

pub(crate) enum Pool {
    Sqlite {
        read: SqlitePool,
        /// One connection: the writers of this process queue here, in order, instead of polling SQLite's lock.
        write: SqlitePool,
    },
    Postgres(RenewablePool),
}

/// Runs one expression against whichever pool this is, for reading.
macro_rules! on_pool {
    ($pool:expr, $db:ident => $body:expr) => {
        match $pool {
            $crate::pool::Pool::Sqlite { read: $db, .. } => $body,
            $crate::pool::Pool::Postgres(shared) => {
                let pool = shared.current();
                let $db = &pool;
                shared.in_time(async { $body }).await
            }
        }
    };
}

/// Runs one expression against the connection of whichever transaction this is.
macro_rules! on_tx {
    ($tx:expr, $db:ident => $body:expr) => {
        match &mut $tx {
            $crate::pool::Tx::Sqlite(tx) => {
                let $db = &mut **tx;
                $body
            }
            $crate::pool::Tx::Postgres { tx, pool } => {
                let $db = &mut **tx;
                pool.in_time(async { $body }).await
            }
        }
    };
}

pub(crate) use {on_pool, on_tx};

/// A transaction of either engine. Dropped without a commit, it is rolled back.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres { tx: Transaction<'static, Postgres>, pool: RenewablePool },
}

impl Pool {
    /// Opens the database, which must be there.
    pub(crate) async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        require_there(url).await?;
        match &url.0 {
            Engine::Sqlite(path) => Self::open_sqlite(path).await,
            Engine::Postgres(options) => {
                Ok(Self::Postgres(RenewablePool::new(postgres_options(options), POSTGRES_CONNECTIONS)))
            }
        }
    }

    /// Makes the SQLite file, readable by nobody else, where there is none yet; then opens the database.
    pub(crate) async fn create_or_open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        if let Engine::Sqlite(path) = &url.0 {
            create_file(path)?;
            enter_wal_mode(&sqlite_options(path)).await?;
        }
        Self::open(url).await
    }

    async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let options = sqlite_options(path);
        let read = sqlite_pool(SQLITE_READERS).connect_lazy_with(options.clone());
        // SQLite itself looks for its lock every 100 ms only, and beside a busy process it is seldom free. Measured:
        // the longest wait was 1.3 s that way, and is 0.2 s with `begin_sqlite_write`.
        let write = sqlite_pool(1).after_connect(|connection, _| {
            Box::pin(async move { sqlx::query("PRAGMA busy_timeout = 0").execute(connection).await.map(|_| ()) })
        });
        // On a full disk SQLite rolls back by itself. What is told to roll back after that fails, and the connection
        // counts itself as being in a transaction for ever: it is thrown away, and the next write gets a new one.
        let write = write.before_acquire(|connection, _| {
            let stuck = connection.is_in_transaction();
            Box::pin(std::future::ready(Ok(!stuck)))
        });
        let write = write.connect_with(options).await?;
        Ok(Self::Sqlite { read, write })
    }

    /// Begins a transaction whose statements all see the database as it was at the first of them.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Pool::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?),
            Pool::Postgres(shared) => {
                Tx::Postgres { tx: shared.current().begin_with(BEGIN_SNAPSHOT).await?, pool: shared.clone() }
            }
        })
    }

    /// Begins a transaction that no other writer of the store can overlap with, in this process or another.
    pub(crate) async fn begin_write(&self) -> Result<Tx, StoreError> {
        match self {
            Pool::Sqlite { write, .. } => Ok(Tx::Sqlite(begin_sqlite_write(write).await?)),
            Pool::Postgres(shared) => {
                let tx = shared.current().begin().await?;
                let mut tx = Tx::Postgres { tx, pool: shared.clone() };
                const LOCK: &str = "SELECT seq FROM change_counter FOR UPDATE";
                on_tx!(tx, db => sqlx::query(LOCK).execute(db).await.map(|_| ()))?;
                Ok(tx)
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Pool::Sqlite { read, write } => {
                read.close().await;
                // The last one to go folds the write-ahead log into the database.
                write.close().await;
            }
            Pool::Postgres(shared) => shared.current().close().await,
        }
    }
}

/// Tells why, where the database is not there.
pub(crate) async fn require_there(url: &DatabaseUrl) -> Result<(), StoreError> {
    match &url.0 {
        Engine::Sqlite(path) => match path.try_exists() {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::DatabaseMissing { path: path.to_owned() }),
            Err(source) => Err(StoreError::File { path: path.to_owned(), source }),
        },
        Engine::Postgres(options) => {
            let options = postgres_options(options);
            // The pool tries again until its time is over and then forgets why: one connection of our own tells.
            let connection = timeout(ACQUIRE_TIMEOUT, options.connect()).await.map_err(|_| timed_out())??;
            Ok(connection.close().await?)
        }
    }
}

impl Tx {
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Tx::Sqlite(tx) => tx.commit().await?,
            Tx::Postgres { tx, pool } => pool.in_time(tx.commit()).await?,
        }
        Ok(())
    }
}

/// Takes SQLite's one lock for writers.
pub(crate) async fn begin_sqlite_write(write: &SqlitePool) -> Result<Transaction<'static, Sqlite>, StoreError> {
    // With a plain BEGIN, a reader that turns writer is refused at once (SQLITE_BUSY_SNAPSHOT), whatever the timeout.
    until_not_busy(BUSY_POLL, || write.begin_with("BEGIN IMMEDIATE")).await
}

/// The error of whoever waited too long for a connection.
pub(crate) fn timed_out() -> StoreError {
    StoreError::Unavailable { source: sqlx::Error::PoolTimedOut }
}

fn sqlite_pool(connections: u32) -> SqlitePoolOptions {
    // A connection to a file does not go away, so there is nothing to test and no reason to let it expire.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

fn postgres_pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT)
}

/// The one connection over which PostgreSQL tells of other processes' changes; SQLite tells nothing.
pub(crate) fn listen_pool(url: &DatabaseUrl) -> Option<PgPool> {
    match &url.0 {
        Engine::Sqlite(_) => None,
        Engine::Postgres(options) => Some(postgres_pool(1).connect_lazy_with(postgres_options(options))),
    }
}

fn postgres_options(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().application_name("vidpass").options(POSTGRES_LIMITS)
}

fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // With NORMAL, a power cut loses commits that were acknowledged: measured, 11 of 2,000 on ext4 and on xfs;
        // with FULL none.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        // What is deleted is overwritten with zeros, not left in a free page of the file.
        .pragma("secure_delete", "ON")
}

/// A database leaves the rollback journal only while nobody else has it open, and SQLite does not wait for that.
async fn enter_wal_mode(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let connection = until_not_busy(Duration::from_millis(20), || options.connect()).await?;
    Ok(connection.close().await?)
}

/// Tries again while another process holds a lock, until [`BUSY_TIMEOUT`] is over.
async fn until_not_busy<T, F>(poll: Duration, attempt: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match attempt().await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => sleep(poll).await,
            done => return Ok(done?),
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

fn create_file(path: &Path) -> Result<(), StoreError> {
    let parent = folder_of(path);
    if !parent.is_dir() {
        return Err(StoreError::DirectoryMissing { path: parent.to_owned() });
    }
    if path.exists() {
        return Ok(());
    }
    let wal = wal_of(path);
    if wal.exists() {
        return Err(StoreError::OrphanedWal { path: path.to_owned(), wal });
    }
    // SQLite gives its other files the same mode.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::File { path: path.to_owned(), source }),
    }
}

/// The folder that a file is in, or is to be.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_connection_to_sqlite_keeps_what_it_acknowledges() {
        let directory = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(directory.path().join("vidpass.db"));
        let Pool::Sqlite { read, write } = Pool::create_or_open(&url).await.unwrap() else {
            unreachable!("it was made as SQLite")
        };
        for pool in [read, write] {
            let mut connection = pool.acquire().await.unwrap();
            let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
            assert_eq!(journal, "wal");
            // 2 is FULL.
            for (pragma, expected) in
                [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA secure_delete", 1)]
            {
                let value: i64 = sqlx::query_scalar(pragma).fetch_one(&mut *connection).await.unwrap();
                assert_eq!(value, expected, "{pragma}");
            }
        }
    }
}
