//! The schema, and bringing a database up to it.
//!
//! A file of `migrations/` that was once released is never edited: its checksum is in every database. After a file is
//! added, touch this one, or the compiler does not look into the folder again.

use std::cmp::Ordering;

use sqlx::migrate::{MigrateError, Migrator};

use crate::error::StoreError;
use crate::pool::{Pool, Tx, begin_sqlite_write, on_tx};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Applies what is missing.
///
/// # Errors
/// [`StoreError::SchemaTooNew`] where a newer program made the database, and nothing is touched.
pub(crate) async fn run(pool: &Pool) -> Result<(), StoreError> {
    match pool {
        Pool::Sqlite { write, .. } => {
            // The migrator does not lock SQLite; two programs that start at once would both create the tables.
            let mut tx = begin_sqlite_write(write).await?;
            SQLITE.run(&mut *tx).await.map_err(|error| migration_error(error, &SQLITE))?;
            tx.commit().await?;
        }
        // The migrator takes a lock that every user of the database can hold: nobody needs it where nothing is missing.
        Pool::Postgres(_) if is_current(pool).await? => {}
        Pool::Postgres(shared) => {
            POSTGRES.run(&shared.current()).await.map_err(|error| migration_error(error, &POSTGRES))?;
        }
    }
    Ok(())
}

/// Whether the database has all that this program knows of, and nothing else.
async fn is_current(pool: &Pool) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
    let mut tx = pool.begin().await?;
    if !has_tables(&mut tx).await? {
        return Ok(false);
    }
    let found: Vec<(i64, Vec<u8>)> = on_tx!(tx, db => sqlx::query_as(SQL).fetch_all(db).await)?;
    let known = POSTGRES.iter().map(|migration| (migration.version, migration.checksum.as_ref()));
    Ok(known.eq(found.iter().map(|(version, checksum)| (*version, &checksum[..]))))
}

/// Whether the database has tables of a vidpass store at all.
pub(crate) async fn has_tables(tx: &mut Tx) -> Result<bool, StoreError> {
    const SQLITE: &str = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'store_meta'";
    const POSTGRES: &str =
        "SELECT count(*) FROM pg_tables WHERE schemaname = ANY (current_schemas(false)) AND tablename = 'store_meta'";
    let sql = match tx {
        Tx::Sqlite(_) => SQLITE,
        Tx::Postgres { .. } => POSTGRES,
    };
    let count: i64 = on_tx!(*tx, db => sqlx::query_scalar(sql).fetch_one(db).await)?;
    Ok(count > 0)
}

/// Refuses a schema of another version than this program's: whoever only reads cannot bring it up to date.
///
/// # Errors
/// [`StoreError::SchemaTooOld`], [`StoreError::SchemaTooNew`]
pub(crate) async fn require_current(tx: &mut Tx) -> Result<(), StoreError> {
    const SQL: &str = "SELECT COALESCE(max(version), 0) FROM _sqlx_migrations";
    let found: i64 = on_tx!(*tx, db => sqlx::query_scalar(SQL).fetch_one(db).await)?;
    let newest = newest(match tx {
        Tx::Sqlite(_) => &SQLITE,
        Tx::Postgres { .. } => &POSTGRES,
    });
    match found.cmp(&newest) {
        Ordering::Less => Err(StoreError::SchemaTooOld { found, newest }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(StoreError::SchemaTooNew { found, newest }),
    }
}

fn newest(known: &Migrator) -> i64 {
    known.iter().map(|migration| migration.version).max().unwrap_or_default()
}

fn migration_error(error: MigrateError, known: &Migrator) -> StoreError {
    let newest = newest(known);
    #[expect(clippy::wildcard_enum_match_arm, reason = "the migrator's enum is not ours and may grow")]
    match error {
        MigrateError::VersionMissing(found) if found > newest => StoreError::SchemaTooNew { found, newest },
        MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => {
            StoreError::SchemaAltered { version }
        }
        MigrateError::Execute(source) => source.into(),
        source => StoreError::Migration { source },
    }
}
