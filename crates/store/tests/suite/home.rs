//! A place for one database of either engine, and what most tests begin with.

use std::path::PathBuf;
use std::sync::LazyLock;

use sqlx::{ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;
use vidpass_store::{DatabaseUrl, MasterKey, NewAccount, Store, StoreError};
use vidpass_token::{AccountId, Algorithm, KeyId, SigningKey, UnixTime};

use crate::postgres_server::postgres_server;

/// The moment at which most tests play.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);

/// A key pair that all tests share, since making one takes long.
pub(crate) static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, id("key-1")).unwrap());
/// Another one.
pub(crate) static OTHER_KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, id("key-2")).unwrap());

/// A place for one database, gone with its value.
pub(crate) struct Home {
    pub(crate) url: DatabaseUrl,
    pub(crate) place: Place,
    pub(crate) master_key: MasterKey,
}

pub(crate) enum Place {
    Sqlite { directory: TempDir },
    Postgres { url: String },
}

impl Home {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(directory.path().join("vidpass.db"));
        Self { url, place: Place::Sqlite { directory }, master_key: MasterKey::generate().unwrap() }
    }

    pub(crate) fn postgres() -> Self {
        let url = postgres_server().create_database();
        let place = Place::Postgres { url: url.clone() };
        Self { url: url.parse().unwrap(), place, master_key: MasterKey::generate().unwrap() }
    }

    /// The store, made if need be. Each call is as good as another process.
    pub(crate) async fn store(&self) -> Store {
        Store::create_or_open(&self.url, &self.master_key).await.unwrap()
    }

    /// The store as `vidpass serve` opens it.
    pub(crate) async fn open(&self) -> Result<Store, StoreError> {
        Store::open(&self.url, &self.master_key).await
    }

    /// A new store with two accounts.
    pub(crate) async fn with_accounts(&self) -> (Store, AccountId, AccountId) {
        let store = self.store().await;
        let [ours, theirs] = ["ours", "theirs"].map(id::<AccountId>);
        for account in [&ours, &theirs] {
            let new = NewAccount { id: Some(account.clone()), name: account.to_string() };
            store.create_account(&new, NOW).await.unwrap();
        }
        (store, ours, theirs)
    }

    /// The key that signs the account's tokens, once every gate had time to learn it.
    pub(crate) async fn signer(&self, store: &Store, account: &AccountId) -> Option<KeyId> {
        store.managed_key(account, self.learnt()).await.unwrap().map(|key| key.id)
    }

    /// When a managed key that was made at [`NOW`] signs: where gates may be elsewhere, they get time to learn it.
    pub(crate) fn learnt(&self) -> UnixTime {
        match self.place {
            Place::Sqlite { .. } => NOW,
            Place::Postgres { .. } => UnixTime(NOW.0 + 2),
        }
    }

    /// Runs SQL behind the store's back, and says how many rows it touched.
    pub(crate) async fn tamper(&self, sql: &'static str) -> u64 {
        match self.connect().await {
            Connection::Sqlite(mut db) => {
                let rows = sqlx::query(sql).execute(&mut db).await.unwrap().rows_affected();
                db.close().await.unwrap();
                rows
            }
            Connection::Postgres(mut db) => sqlx::query(sql).execute(&mut db).await.unwrap().rows_affected(),
        }
    }

    /// Reads bytes behind the store's back.
    pub(crate) async fn bytes(&self, sql: &'static str) -> Option<Vec<u8>> {
        match self.connect().await {
            Connection::Sqlite(mut db) => {
                let bytes = sqlx::query_scalar(sql).fetch_one(&mut db).await.unwrap();
                db.close().await.unwrap();
                bytes
            }
            Connection::Postgres(mut db) => sqlx::query_scalar(sql).fetch_one(&mut db).await.unwrap(),
        }
    }

    /// The names of all tables that are ours, sorted.
    pub(crate) async fn tables(&self) -> Vec<String> {
        const SQLITE: &str = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
        const POSTGRES: &str = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename";
        let mut names: Vec<String> = match self.connect().await {
            Connection::Sqlite(mut db) => sqlx::query_scalar(SQLITE).fetch_all(&mut db).await.unwrap(),
            Connection::Postgres(mut db) => sqlx::query_scalar(POSTGRES).fetch_all(&mut db).await.unwrap(),
        };
        names.retain(|name| name != "_sqlx_migrations");
        names
    }

    /// Overwrites the one sealed key of the store.
    pub(crate) async fn put_sealed_key(&self, sealed: &[u8]) {
        const SQL: &str = "UPDATE signing_key SET sealed_private_key = $1";
        match self.connect().await {
            Connection::Sqlite(mut db) => drop(sqlx::query(SQL).bind(sealed).execute(&mut db).await.unwrap()),
            Connection::Postgres(mut db) => drop(sqlx::query(SQL).bind(sealed).execute(&mut db).await.unwrap()),
        }
    }

    /// Runs one statement behind the store's back, with these values.
    pub(crate) async fn write(&self, sql: String, values: &[Vec<u8>]) {
        let sql = sqlx::AssertSqlSafe(sql);
        match self.connect().await {
            Connection::Sqlite(mut db) => {
                let query = values.iter().fold(sqlx::query(sql), |query, value| query.bind(value));
                query.execute(&mut db).await.unwrap();
                db.close().await.unwrap();
            }
            Connection::Postgres(mut db) => {
                let query = values.iter().fold(sqlx::query(sql), |query, value| query.bind(value));
                query.execute(&mut db).await.unwrap();
            }
        }
    }

    /// The URL, as another process is told it.
    pub(crate) fn url_text(&self) -> String {
        match &self.place {
            Place::Sqlite { .. } => format!("sqlite:{}", self.sqlite_file().display()),
            Place::Postgres { url } => url.clone(),
        }
    }

    pub(crate) async fn connect(&self) -> Connection {
        match &self.place {
            Place::Sqlite { .. } => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.sqlite_file());
                Connection::Sqlite(options.foreign_keys(false).connect().await.unwrap())
            }
            Place::Postgres { url } => Connection::Postgres(PgConnection::connect(url).await.unwrap()),
        }
    }

    /// The database file of a SQLite home.
    pub(crate) fn sqlite_file(&self) -> PathBuf {
        match &self.place {
            Place::Sqlite { directory } => directory.path().join("vidpass.db"),
            Place::Postgres { .. } => panic!("PostgreSQL has no such file"),
        }
    }

    /// All that an operator's backup would hold, as one heap of bytes.
    pub(crate) fn backup(&self) -> Vec<u8> {
        match &self.place {
            Place::Sqlite { directory } => {
                let files = std::fs::read_dir(directory.path()).unwrap();
                files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
            }
            Place::Postgres { url } => {
                let name = url.split(['/', '?']).nth(3).unwrap();
                let dump = postgres_server().program("pg_dump").arg(name).output().unwrap();
                assert!(dump.status.success(), "pg_dump failed");
                dump.stdout
            }
        }
    }
}

pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Reads an id that the test wrote itself.
pub(crate) fn id<Id: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> Id {
    text.parse().unwrap()
}

/// A key id made of a number.
pub(crate) fn key_id(number: usize) -> KeyId {
    id(&format!("key-{number}"))
}

pub(crate) fn run<F: Future<Output = ()>>(home: Home, test: impl FnOnce(Home) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test(home));
}

/// Makes a test for each engine of each function named.
macro_rules! on_both_engines {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $test() { crate::home::run(crate::home::Home::sqlite(), super::$test); })+
        }
        mod postgres {
            $(#[test] fn $test() { crate::home::run(crate::home::Home::postgres(), super::$test); })+
        }
    };
}

pub(crate) use on_both_engines;
