//! Backups: everything that a store holds in one SQLite file, whichever engine it comes from or goes to.
//!
//! Private keys are in it as they are in the database, sealed. The master key is not.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use futures_util::{Stream, TryStreamExt as _};
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Row, Type};
use tempfile::TempDir;
use vidpass_token::UnixTime;

use crate::error::StoreError;
use crate::master_key::MasterKeys;
use crate::migrations;
use crate::pool::{Pool, Tx, folder_of, on_pool, on_tx};
use crate::seal::Sealer;
use crate::store::{Store, check_master_key};
use crate::url::DatabaseUrl;

/// All tables, each after those that it refers to.
const TABLES: [&str; 10] = [
    "store_meta",
    "account",
    "credential",
    "gate_credential",
    "signing_key",
    "video",
    "revocation",
    "change_counter",
    "change_log",
    "audit_log",
];

/// A table that was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
}

impl Store {
    /// Writes everything as it is at one moment to a new file that only its owner may read. Others may go on writing to the
    /// store. `progress` hears of each table.
    ///
    /// # Errors
    /// [`StoreError::File`], also where `file` exists; what was begun is not left under that name.
    pub async fn backup(&self, file: &Path, progress: impl FnMut(Copied) + Send) -> Result<(), StoreError> {
        if file.exists() {
            return Err(StoreError::File { path: file.to_owned(), source: io::ErrorKind::AlreadyExists.into() });
        }
        let unfinished = Unfinished::beside(file)?;
        let target = Pool::create_or_open(&DatabaseUrl::sqlite(unfinished.path())).await?;
        migrations::run(&target).await?;
        let (mut from, mut to) = (self.pool().begin().await?, target.begin_write().await?);
        lift_time_limits(&mut from).await?;
        copy_all(&target, (&mut from, &mut to), progress).await?;
        to.commit().await?;
        // The last connection to go folds the write-ahead log into the file.
        target.close().await;
        unfinished.finish(file)
    }

    /// Makes a store of a backup, which is left as it is, and brings its schema up to date. A PostgreSQL database must be there.
    ///
    /// Until `tokens_until` there may be tokens that were signed after the backup: so long no managed key is deleted for being
    /// retired.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`]; [`StoreError::NotEmpty`] where there is a store already; [`StoreError::Damaged`] and
    /// [`StoreError::NotInitialised`] where `file` is no backup.
    pub async fn restore(
        file: &Path,
        url: &DatabaseUrl,
        master_keys: impl Into<MasterKeys>,
        tokens_until: UnixTime,
        progress: impl FnMut(Copied) + Send,
    ) -> Result<(), StoreError> {
        const UNTIL: &str = "
            UPDATE signing_key SET latest_exp = $1
            WHERE managed = 1 AND deleted IS NULL AND COALESCE(latest_exp, 0) < $1";
        let folder = tempfile::tempdir().map_err(|source| StoreError::File { path: std::env::temp_dir(), source })?;
        let source = open_copy(file, folder.path(), &master_keys.into()).await?;
        let target = Pool::create_or_open(url).await?;
        if migrations::has_tables(&mut target.begin().await?).await? {
            // A store of an older schema is left as it is too.
            require_empty(&mut target.begin().await?, url).await?;
        }
        migrations::run(&target).await?;
        let (mut from, mut to) = (source.begin().await?, target.begin_write().await?);
        lift_time_limits(&mut to).await?;
        require_empty(&mut to, url).await?;
        copy_all(&source, (&mut from, &mut to), progress).await?;
        on_tx!(to, db => sqlx::query(UNTIL).bind(tokens_until.0).execute(db).await.map(|_| ()))?;
        to.commit().await?;
        drop(from);
        source.close().await;
        target.close().await;
        Ok(())
    }
}

/// A file in a folder of its own until it is whole: where others may write to the folder that it is for, they could have put
/// a file of theirs there before.
struct Unfinished(TempDir);

impl Unfinished {
    fn beside(file: &Path) -> Result<Self, StoreError> {
        let folder = folder_of(file);
        let mut private = tempfile::Builder::new();
        private.prefix(".vidpass-backup-").permissions(Permissions::from_mode(0o700));
        private.tempdir_in(folder).map(Self).map_err(|source| StoreError::File { path: folder.to_owned(), source })
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("backup.db")
    }

    fn finish(self, file: &Path) -> Result<(), StoreError> {
        let finish = || {
            std::fs::File::open(self.path())?.sync_all()?;
            // Unlike a renaming this replaces nothing.
            std::fs::hard_link(self.path(), file)
        };
        finish().map_err(|source| StoreError::File { path: file.to_owned(), source })
    }
}

/// The backup's store, in a copy: its schema may be an older one.
async fn open_copy(file: &Path, folder: &Path, master_keys: &MasterKeys) -> Result<Pool, StoreError> {
    let path = folder.join("backup.db");
    let failed = |source| StoreError::File { path: file.to_owned(), source };
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    io::copy(&mut std::fs::File::open(file).map_err(failed)?, &mut copy).map_err(failed)?;
    let pool = Pool::open(&DatabaseUrl::sqlite(&path)).await?;
    let name = file.display().to_string();
    if !migrations::has_tables(&mut pool.begin().await?).await? {
        return Err(StoreError::NotInitialised { database: name });
    }
    migrations::run(&pool).await?;
    check_master_key(&pool, &Sealer::new(master_keys), &name).await?;
    Ok(pool)
}

async fn require_empty(tx: &mut Tx, url: &DatabaseUrl) -> Result<(), StoreError> {
    const SQL: &str = "
        SELECT (SELECT count(*) FROM account) + (SELECT count(*) FROM store_meta) + (SELECT seq FROM change_counter)";
    // PostgreSQL counts in a wider type than it keeps.
    let sql = format!("SELECT CAST(({SQL}) AS BIGINT)");
    let found: i64 = on_tx!(*tx, db => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(db).await)?;
    if found == 0 { Ok(()) } else { Err(StoreError::NotEmpty { database: url.to_string() }) }
}

/// A table of millions of rows takes longer than callers may wait for a statement.
async fn lift_time_limits(tx: &mut Tx) -> Result<(), StoreError> {
    if let Tx::Postgres { tx, .. } = tx {
        for sql in ["SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0"] {
            sqlx::query(sql).execute(&mut **tx).await?;
        }
    }
    Ok(())
}

/// Copies every table; `file` is whichever of the two is the backup, which tells the columns.
async fn copy_all(
    file: &Pool,
    (from, to): (&mut Tx, &mut Tx),
    mut progress: impl FnMut(Copied) + Send,
) -> Result<(), StoreError> {
    for table in TABLES {
        let layout = Layout::of(file, table).await?;
        // The migrations put a row into some.
        let sql = format!("DELETE FROM {table}");
        on_tx!(*to, db => sqlx::query(AssertSqlSafe(sql)).execute(db).await.map(|_| ()))?;
        let rows = copy_table(from, to, &layout).await?;
        progress(Copied { table, rows });
    }
    Ok(())
}

/// The columns of a table.
struct Layout {
    columns: Vec<Kind>,
    select: String,
    insert: String,
}

/// What a column holds.
#[derive(Clone, Copy)]
enum Kind {
    Bytes,
    Float,
    Integer,
    Text,
}

/// The value of a column.
enum Cell {
    Bytes(Option<Vec<u8>>),
    Float(Option<f64>),
    Integer(Option<i64>),
    Text(Option<String>),
}

impl Layout {
    async fn of(file: &Pool, table: &'static str) -> Result<Self, StoreError> {
        const SQL: &str = "SELECT name, type FROM pragma_table_info($1) ORDER BY cid";
        let found: Vec<(String, String)> = on_pool!(file, db => sqlx::query_as(SQL).bind(table).fetch_all(db).await)?;
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        let (names, count) = (names.join(", "), names.len());
        let values: Vec<_> = (1..=count).map(|number| format!("${number}")).collect();
        let columns = found.iter().map(|(name, kind)| {
            Kind::of(kind).ok_or_else(|| StoreError::Inconsistent { table, row: name.clone(), column: "type" })
        });
        Ok(Self {
            columns: columns.collect::<Result<_, _>>()?,
            select: format!("SELECT {names} FROM {table}"),
            insert: format!("INSERT INTO {table} ({names}) VALUES ({})", values.join(", ")),
        })
    }
}

impl Kind {
    /// The types that the schema for SQLite uses.
    fn of(name: &str) -> Option<Self> {
        match name {
            "BIGINT" => Some(Self::Integer),
            "BLOB" => Some(Self::Bytes),
            "DOUBLE" => Some(Self::Float),
            "TEXT" => Some(Self::Text),
            _ => None,
        }
    }

    fn read<R: Row>(self, row: &R, column: usize) -> Result<Cell, sqlx::Error>
    where
        usize: ColumnIndex<R>,
        for<'r> Option<Vec<u8>>: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> Option<f64>: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    {
        Ok(match self {
            Self::Bytes => Cell::Bytes(row.try_get(column)?),
            Self::Float => Cell::Float(row.try_get(column)?),
            Self::Integer => Cell::Integer(row.try_get(column)?),
            Self::Text => Cell::Text(row.try_get(column)?),
        })
    }
}

async fn copy_table(from: &mut Tx, to: &mut Tx, layout: &Layout) -> Result<u64, StoreError> {
    let select = || AssertSqlSafe(layout.select.clone());
    match from {
        Tx::Sqlite(tx) => copy_rows(sqlx::query(select()).fetch(&mut **tx), to, layout).await,
        Tx::Postgres { tx, .. } => copy_rows(sqlx::query(select()).fetch(&mut **tx), to, layout).await,
    }
}

async fn copy_rows<R: Row>(
    mut rows: impl Stream<Item = Result<R, sqlx::Error>> + Unpin,
    to: &mut Tx,
    layout: &Layout,
) -> Result<u64, StoreError>
where
    usize: ColumnIndex<R>,
    for<'r> Option<Vec<u8>>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Option<f64>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        let cells = layout.columns.iter().enumerate().map(|(column, kind)| kind.read(&row, column));
        insert(to, layout, cells.collect::<Result<_, _>>()?).await?;
        count += 1;
    }
    Ok(count)
}

async fn insert(to: &mut Tx, layout: &Layout, cells: Vec<Cell>) -> Result<(), StoreError> {
    let sql = AssertSqlSafe(layout.insert.clone());
    on_tx!(*to, db => {
        let insert = cells.into_iter().fold(sqlx::query(sql), |insert, cell| match cell {
            Cell::Bytes(value) => insert.bind(value),
            Cell::Float(value) => insert.bind(value),
            Cell::Integer(value) => insert.bind(value),
            Cell::Text(value) => insert.bind(value),
        });
        insert.execute(db).await.map(|_| ())
    })?;
    Ok(())
}
