//! Making, opening and asking after the store as a whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use vidpass_token::UnixTime;

use crate::audit::Actor;
use crate::changes::{ChangeLog, Write};
use crate::credentials::UsesUnderWay;
use crate::error::StoreError;
use crate::keys::KeyUses;
use crate::master_key::MasterKeys;
use crate::migrations;
use crate::pool::{Pool, on_pool, on_tx, timed_out};
use crate::seal::{Place, Sealer, sealed_with};
use crate::url::DatabaseUrl;

/// How long [`Store::ping`] waits for an answer.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// A value that only the right master key opens. The key that sealed it is the one that seals new values.
pub(crate) const KEY_CHECK: Place<'static> = Place { table: "store_meta", row: &["master_key_check"], column: "value" };
const KEY_CHECK_VALUE: &[u8] = b"vidpass";

/// The state of vidpass. A clone is another handle on the same connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    /// Whose changes this handle makes.
    actor: Arc<Actor>,
}

struct Inner {
    /// Where it is, without a password.
    database: String,
    pool: Pool,
    sealer: Mutex<Arc<Sealer>>,
    read_again: OnceLock<ReadAgain>,
    log: ChangeLog,
    feed: ChangeLog,
    uses_under_way: UsesUnderWay,
    key_uses: KeyUses,
    writes: AtomicU64,
}

/// Reads the master keys again from where they came from.
type ReadAgain = Arc<dyn Fn() -> Option<MasterKeys> + Send + Sync>;

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
    pub async fn open(url: &DatabaseUrl, master_keys: impl Into<MasterKeys>) -> Result<Self, StoreError> {
        let pool = Pool::open(url).await?;
        if !migrations::has_tables(&mut pool.begin().await?).await? {
            return Err(StoreError::NotInitialised { database: url.to_string() });
        }
        migrations::run(&pool).await?;
        Self::start(pool, url, &master_keys.into()).await
    }

    /// Makes a store where there is none, and opens it. A PostgreSQL database must be there; a SQLite file is made,
    /// readable by nobody else, in a directory that must be there.
    ///
    /// # Errors
    /// As [`Self::open`], and [`StoreError::DirectoryMissing`], [`StoreError::OrphanedWal`], [`StoreError::File`].
    pub async fn create_or_open(url: &DatabaseUrl, master_keys: impl Into<MasterKeys>) -> Result<Self, StoreError> {
        let pool = Pool::create_or_open(url).await?;
        let master_keys = master_keys.into();
        migrations::run(&pool).await?;
        write_key_check(&pool, &master_keys).await?;
        Self::start(pool, url, &master_keys).await
    }

    async fn start(pool: Pool, url: &DatabaseUrl, master_keys: &MasterKeys) -> Result<Self, StoreError> {
        let sealer = Sealer::new(master_keys);
        let database = url.to_string();
        check_master_key(&pool, &sealer, &database).await?;
        let log = ChangeLog::of(url);
        let feed = log.apart(url);
        let inner = Arc::new(Inner {
            database,
            pool,
            sealer: Mutex::new(Arc::new(sealer)),
            read_again: OnceLock::new(),
            log,
            feed,
            uses_under_way: UsesUnderWay::default(),
            key_uses: KeyUses::default(),
            writes: AtomicU64::new(0),
        });
        Ok(Self { inner, actor: Arc::new(Actor::Server) })
    }

    /// Asks the database for a sign of life, and whether it is still the one that the master key belongs to.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where none comes within 3 seconds; [`StoreError::WrongMasterKey`],
    /// [`StoreError::NotInitialised`] where another database is in its place.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let name = &self.inner.database;
        let ask = read_check(self.pool(), name);
        let sealed = tokio::time::timeout(PING_TIMEOUT, ask).await.map_err(|_| timed_out())??;
        open_check(&*self.sealer_for(&sealed).await, &sealed, name)
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
        self.inner.log.close().await;
        self.inner.feed.close().await;
        self.pool().close().await;
    }

    /// What gates elsewhere are told, over connections of their own.
    #[must_use]
    pub fn feed(&self) -> &ChangeLog {
        &self.inner.feed
    }

    /// What gates read of it.
    #[must_use]
    pub fn change_log(&self) -> &ChangeLog {
        &self.inner.log
    }

    /// How often this process has written. What was read before another number was told may have changed since.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.count_of_writes().load(Ordering::Acquire)
    }

    pub(crate) fn count_of_writes(&self) -> &AtomicU64 {
        &self.inner.writes
    }

    pub(crate) fn with_actor(&self, actor: Actor) -> Self {
        Self { inner: Arc::clone(&self.inner), actor: Arc::new(actor) }
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    /// Has the master keys read again when a value turns up that was sealed with another one: somebody replaced it.
    /// `read` may wait for a disk. Without this call, or where it gives `None`, the store keeps the keys that it has.
    pub fn read_master_keys_again_with(&self, read: impl Fn() -> Option<MasterKeys> + Send + Sync + 'static) {
        self.inner.read_again.get_or_init(|| Arc::new(read));
    }

    /// Seals a value that `write` is to write, with the key that the database says: once a rotation of the master key is at its
    /// end nothing is sealed with the old one any more, whoever still has it.
    pub(crate) async fn seal(
        &self,
        write: &mut Write<'_>,
        place: Place<'_>,
        secret: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let check = write.key_check().await?;
        let sealer = self.sealer_for(&check).await;
        let key = sealed_with(&check).map_err(|source| KEY_CHECK.sealed_error(source))?;
        let sealed = sealer.seal(key, place, secret)?;
        sealer.open(KEY_CHECK, &check).map_err(|source| KEY_CHECK.sealed_error(source))?;
        Ok(sealed)
    }

    /// What opens the value, if anything at hand does.
    pub(crate) async fn sealer_for(&self, sealed: &[u8]) -> Arc<Sealer> {
        let sealer = Arc::clone(&self.lock_sealer());
        let Some(read_again) = self.inner.read_again.get().cloned() else { return sealer };
        if sealed_with(sealed).is_ok_and(|key| !sealer.has(key))
            && let Ok(Some(keys)) = spawn_blocking(move || read_again()).await
        {
            tracing::info!("the master keys were read again: a value was sealed with another one");
            *self.lock_sealer() = Arc::new(Sealer::new(&keys));
            return Arc::clone(&self.lock_sealer());
        }
        sealer
    }

    fn lock_sealer(&self) -> MutexGuard<'_, Arc<Sealer>> {
        self.inner.sealer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn key_uses(&self) -> &KeyUses {
        &self.inner.key_uses
    }

    pub(crate) fn uses_under_way(&self) -> &UsesUnderWay {
        &self.inner.uses_under_way
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

impl Write<'_> {
    /// The check value, sealed.
    pub(crate) async fn key_check(&mut self) -> Result<Vec<u8>, StoreError> {
        Ok(on_tx!(self.tx, db => sqlx::query_scalar(READ_CHECK).bind(KEY_CHECK.row[0]).fetch_one(db).await)?)
    }
}

/// The check value; `$1` is its name.
pub(crate) const READ_CHECK: &str = "SELECT value FROM store_meta WHERE name = $1";

async fn write_key_check(pool: &Pool, keys: &MasterKeys) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO store_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    let sealed = Sealer::new(keys).seal(keys.first().fingerprint(), KEY_CHECK, KEY_CHECK_VALUE)?;
    let mut tx = pool.begin_write().await?;
    on_tx!(tx, db => sqlx::query(SQL).bind(KEY_CHECK.row[0]).bind(sealed).execute(db).await.map(|_| ()))?;
    tx.commit().await
}

/// Refuses a database that was made with another master key, or was never finished.
pub(crate) async fn check_master_key(pool: &Pool, sealer: &Sealer, name: &str) -> Result<(), StoreError> {
    open_check(sealer, &read_check(pool, name).await?, name)
}

async fn read_check(pool: &Pool, name: &str) -> Result<Vec<u8>, StoreError> {
    let sealed: Option<Vec<u8>> =
        on_pool!(pool, db => sqlx::query_scalar(READ_CHECK).bind(KEY_CHECK.row[0]).fetch_optional(db).await)?;
    sealed.ok_or_else(|| StoreError::NotInitialised { database: name.to_owned() })
}

fn open_check(sealer: &Sealer, sealed: &[u8], name: &str) -> Result<(), StoreError> {
    match sealer.open(KEY_CHECK, sealed) {
        Ok(_) => Ok(()),
        Err(source) => Err(StoreError::WrongMasterKey { database: name.to_owned(), source }),
    }
}
