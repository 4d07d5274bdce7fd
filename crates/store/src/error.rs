//! Everything that can go wrong between a caller and the database.

use std::io;
use std::path::PathBuf;

use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;
use vidpass_token::{AccountId, KeyId, VideoId};

use crate::changes::ChangeSeq;
use crate::credentials::CredentialId;
use crate::keys::{MAX_MANAGED_KEYS, MAX_SIGNING_KEYS};
use crate::master_key::Fingerprint;
use crate::revocations::MAX_REVOCATIONS_OF_SUBJECT;
use crate::seal::SealError;

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The id belongs, or once belonged, to an account.
    #[error("the account id `{id}` is taken")]
    AccountIdTaken {
        /// The id asked for.
        id: AccountId,
    },
    /// An account that still has keys of its own or videos is not deleted.
    #[error("account `{id}` still has {keys} signing keys and {videos} videos")]
    AccountNotEmpty {
        /// The account.
        id: AccountId,
        /// How many live keys it has, managed keys not counted.
        keys: u64,
        /// How many videos it has.
        videos: u64,
    },
    /// There is no such account, or it was deleted.
    #[error("there is no account `{id}`")]
    AccountUnknown {
        /// The account asked for.
        id: AccountId,
    },
    /// The API token was rotated before.
    #[error("API token `{id}` was rotated before, to `{successor}`")]
    AlreadyRotated {
        /// The API token.
        id: CredentialId,
        /// The one that took its place.
        successor: CredentialId,
    },
    /// The change log lacks a number.
    #[error("change {seq} is missing in the change log")]
    ChangeMissing {
        /// The number.
        seq: ChangeSeq,
    },
    /// The log has another change, or none, where a follower saw one: an older backup was put in the database's place, a
    /// failover lost commits, or the follower was away for longer than the log reaches back.
    #[error("change {seq} was seen, and the change log has another one in its place, or none")]
    ChangeReplaced {
        /// The number.
        seq: ChangeSeq,
    },
    /// An entry of the change log does not say what changed.
    #[error("change {seq} in the change log cannot be read")]
    ChangeUnreadable {
        /// Its number.
        seq: ChangeSeq,
    },
    /// The database's file is not a database, or parts of it are overwritten or missing.
    #[error("the database file is damaged")]
    Damaged {
        /// What the engine says.
        source: sqlx::Error,
    },
    /// The database refused a statement, or answered with something else than expected: a bug of ours.
    #[error("the database refused a statement")]
    Database {
        /// What the engine says.
        source: sqlx::Error,
    },
    /// The SQLite file to be opened is not there.
    #[error("there is no database at `{}`; `vidpass init` makes one", path.display())]
    DatabaseMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The directory of the SQLite file is not there.
    #[error("there is no directory `{}` for the database", path.display())]
    DirectoryMissing {
        /// The directory.
        path: PathBuf,
    },
    /// The SQLite file cannot be made, or a backup cannot be made or read.
    #[error("the file `{}` cannot be made or read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database lost changes that a follower has seen: an older backup was put in its place, or a failover lost
    /// commits.
    #[error("change {known} was seen, but the database knows only {counter} changes: it went back in time")]
    HistoryRewound {
        /// The last change that the follower has seen.
        known: ChangeSeq,
        /// The last change that the database has.
        counter: ChangeSeq,
    },
    /// PostgreSQL's user may not do what this program must.
    #[error("the database's user lacks a privilege; docs/gates.md tells which ones a gate needs")]
    PrivilegeMissing {
        /// What the engine says.
        source: sqlx::Error,
    },
    /// A row holds something that this program never writes.
    #[error("column `{column}` of `{row}` in table `{table}` cannot be read")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The primary key of the row.
        row: String,
        /// The column.
        column: &'static str,
    },
    /// The id belongs, or once belonged, to a key.
    #[error("the key id `{id}` is taken")]
    KeyIdTaken {
        /// The id asked for.
        id: KeyId,
    },
    /// The account has a managed key.
    #[error("account `{account}` has a managed key already: `{id}`")]
    ManagedKeyExists {
        /// The account.
        account: AccountId,
        /// The one that signs last.
        id: KeyId,
    },
    /// Values are to be sealed with a master key that is not at hand: it was replaced.
    #[error("the database's values are sealed with the master key `{fingerprint}`, which is not at hand")]
    MasterKeyMissing {
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// A migration of the schema failed.
    #[error("the database's schema cannot be brought up to date")]
    Migration {
        /// What the migrator says.
        source: sqlx::migrate::MigrateError,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// The change is committed, and a follower of this process has not applied it: its gate still decides from older
    /// state. The same call may succeed later.
    #[error("change {seq} is kept, but this process's gate has not applied it yet")]
    NotApplied {
        /// The last change to be applied.
        seq: ChangeSeq,
    },
    /// A backup is restored where nothing is yet.
    #[error("`{database}` holds a vidpass store already; restore into an empty one")]
    NotEmpty {
        /// Where the database is, without a password.
        database: String,
    },
    /// The database is there, but it holds no vidpass store.
    #[error("`{database}` holds no vidpass store; `vidpass init` makes one")]
    NotInitialised {
        /// Where the database is, without a password.
        database: String,
    },
    /// A text with a NUL character, which PostgreSQL cannot hold.
    #[error("`{field}` must not contain a NUL character")]
    NulInText {
        /// What the text is for.
        field: &'static str,
    },
    /// A write-ahead log lies where a new database should be made: its database was moved or deleted.
    #[error("there is no database at `{}`, but its write-ahead log `{}` is there; bring the database back, or move the log away",
        path.display(), wal.display())]
    OrphanedWal {
        /// Where the database should be.
        path: PathBuf,
        /// The log that belongs to another database.
        wal: PathBuf,
    },
    /// The schema was changed by something else than this program.
    #[error("version {version} of the database's schema is not the one that this program knows")]
    SchemaAltered {
        /// The version.
        version: i64,
    },
    /// A newer program has been at work on this database.
    #[error(
        "the database's schema has version {found}, and this program knows versions up to {newest}; use a newer vidpass"
    )]
    SchemaTooNew {
        /// The version of the database.
        found: i64,
        /// The newest version that this program knows.
        newest: i64,
    },
    /// The database was not brought up to date yet, and a gate cannot do it.
    #[error(
        "the database's schema has version {found}, and this program needs version {newest}; start an issuer of this \
         vidpass first: it brings the database up to date"
    )]
    SchemaTooOld {
        /// The version of the database.
        found: i64,
        /// The version that this program knows.
        newest: i64,
    },
    /// A sealed value cannot be opened.
    #[error("the sealed column `{column}` of `{row}` in table `{table}` cannot be opened")]
    Sealed {
        /// The table.
        table: &'static str,
        /// The primary key of the row.
        row: String,
        /// The column.
        column: &'static str,
        /// Why.
        source: SealError,
    },
    /// A PostgreSQL standby was asked for changes. It may be far behind and does not say so.
    #[error("the database is a standby, which does not tell how far it is behind: connect to the primary")]
    Standby,
    /// A text is longer than what may be asked for.
    #[error("`{field}` has {length} characters; {max} are allowed")]
    TextTooLong {
        /// What the text is for.
        field: &'static str,
        /// How many characters it has.
        length: usize,
        /// How many it may have.
        max: usize,
    },
    /// The account has as many keys as an account may have.
    #[error("account `{account}` has {max} signing keys, which is the limit", max = MAX_SIGNING_KEYS)]
    TooManyKeys {
        /// The account.
        account: AccountId,
    },
    /// The account has as many managed keys as an account may have.
    #[error("account `{account}` has {max} managed keys, which is the limit", max = MAX_MANAGED_KEYS)]
    TooManyManagedKeys {
        /// The account.
        account: AccountId,
    },
    /// The subject has as many revocations as one may have.
    #[error("the subject has {max} revocations, which is the limit", max = MAX_REVOCATIONS_OF_SUBJECT)]
    TooManyRevocations,
    /// The database is away, full, locked, read-only, or too slow. The same call may succeed later.
    #[error("the database is not available")]
    Unavailable {
        /// What the driver says.
        source: sqlx::Error,
    },
    /// The id belongs to a video, or once belonged to one of another account.
    #[error("the video id `{uid}` is taken")]
    VideoIdTaken {
        /// The id asked for.
        uid: VideoId,
    },
    /// The store was made with another master key.
    #[error("this is not the master key that `{database}` was made with")]
    WrongMasterKey {
        /// Where the database is, without a password.
        database: String,
        /// Why the check value could not be opened.
        source: SealError,
    },
}

impl StoreError {
    /// Whether the database could not be reached or could not answer, or a gate does not follow it: the caller did
    /// nothing wrong and may try again.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, StoreError::NotApplied { .. } | StoreError::Standby | StoreError::Unavailable { .. })
    }

    /// Whether the change log does not lead on from where a follower is: it goes on from a new
    /// [`Store::snapshot`](crate::Store::snapshot).
    #[must_use]
    pub fn needs_snapshot(&self) -> bool {
        matches!(
            self,
            StoreError::ChangeMissing { .. }
                | StoreError::ChangeReplaced { .. }
                | StoreError::ChangeUnreadable { .. }
                | StoreError::HistoryRewound { .. }
        )
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        match fault(&source) {
            Fault::Away => StoreError::Unavailable { source },
            Fault::Damage => StoreError::Damaged { source },
            Fault::Forbidden => StoreError::PrivilegeMissing { source },
            Fault::Ours => StoreError::Database { source },
        }
    }
}

enum Fault {
    Away,
    Damage,
    Forbidden,
    Ours,
}

fn fault(error: &sqlx::Error) -> Fault {
    use sqlx::Error;
    #[expect(clippy::wildcard_enum_match_arm, reason = "the driver's enum is not ours and may grow")]
    match error {
        Error::Io(_) | Error::Tls(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => Fault::Away,
        Error::Database(error) => {
            if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                postgres_fault(error.code())
            } else if error.try_downcast_ref::<SqliteError>().is_some() {
                sqlite_fault(error.code().and_then(|code| code.parse().ok()).unwrap_or_default())
            } else {
                Fault::Ours
            }
        }
        _ => Fault::Ours,
    }
}

/// Sorts a code of PostgreSQL's documentation, appendix A.
fn postgres_fault(code: &str) -> Fault {
    // Connection, authorization, missing database, read-only (a standby), serialization and deadlock, resources,
    // locks and time limits, the server's shutdown and system errors.
    let away = ["08", "28", "3D", "25006", "40", "53", "55P03", "57", "58"];
    let damage = ["XX001", "XX002"];
    if away.iter().any(|prefix| code.starts_with(prefix)) {
        Fault::Away
    } else if damage.contains(&code) {
        Fault::Damage
    } else if code == "42501" {
        Fault::Forbidden
    } else {
        Fault::Ours
    }
}

/// Sorts an extended result code of SQLite, whose low byte is the primary one.
fn sqlite_fault(code: i32) -> Fault {
    match code & 0xff {
        // PERM, BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL
        3 | 5 | 6 | 8 | 10 | 13 | 14 | 15 => Fault::Away,
        // CORRUPT, NOTADB
        11 | 26 => Fault::Damage,
        _ => Fault::Ours,
    }
}

/// Refuses what one of the two engines cannot hold, so that both hold the same.
pub(crate) fn without_nul(field: &'static str, text: &str) -> Result<(), StoreError> {
    if text.contains('\0') { Err(StoreError::NulInText { field }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use vidpass_token::Chain;

    use super::*;

    #[test]
    fn a_chain_tells_every_cause_once() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let file = StoreError::File { path: "vidpass.db".into(), source: denied() };
        assert_eq!(Chain(&file).to_string(), "the file `vidpass.db` cannot be made or read: permission denied");
        // The driver prints the cause of its own error.
        let away = StoreError::from(sqlx::Error::Io(denied()));
        let driver = sqlx::Error::Io(denied()).to_string();
        assert!(driver.ends_with(": permission denied"));
        assert_eq!(Chain(&away).to_string(), format!("the database is not available: {driver}"));
    }
}
