//! vidpass's state in SQLite or PostgreSQL: accounts, their credentials, signing keys, videos and revocations, the log
//! of changes that gates follow, and the audit log.
//!
//! One [`Store`] for both engines; the same SQL texts run on either. Secrets of callers are kept as hashes, private
//! keys sealed under the [`MasterKey`], which is never in the database. Nothing here knows of HTTP, of a clock or of
//! the environment (but for the `PG*` variables and the password file of PostgreSQL's own clients, for what its URL
//! leaves out).

mod accounts;
mod audit;
mod backup;
mod changes;
mod credentials;
mod error;
mod gate_credentials;
mod keys;
mod master_key;
mod migrations;
mod pool;
mod random;
mod reseal;
mod revocations;
mod scope;
mod seal;
mod store;
mod url;
mod videos;

pub use accounts::{Account, NewAccount};
pub use audit::{Actor, AuditEntry, AuditId, AuditIdError, AuditQuery, MAX_AUDIT_LISTED};
pub use backup::Copied;
pub use changes::{
    CHANGES_AT_ONCE, Change, ChangeLog, ChangeSeq, Cursor, CursorError, Follower, Snapshot, Subject, Watcher,
};
pub use credentials::{
    ApiSecret, ApiSecretError, Caller, Credential, CredentialId, CredentialIdError, CredentialKind, NewApiToken,
    NewCredential, Presented, PresentedHash, Refused, Rotated,
};
pub use error::StoreError;
pub use gate_credentials::GateCredential;
pub use keys::{
    ActiveKey, KeyState, MAX_MANAGED_KEYS, MAX_SIGNING_KEYS, Occasion, RotateEvery, RotateEveryError, RotatedKey,
    RotationDue, SigningKeyRecord, Term,
};
pub use master_key::{Fingerprint, MasterKey, MasterKeyError, MasterKeys, MasterKeysError};
pub use reseal::{Resealing, SealedValues};
pub use revocations::{MAX_REVOCATIONS_LISTED, MAX_REVOCATIONS_OF_SUBJECT, NewRevocation, Revocation};
pub use scope::{Scope, ScopeError, Scopes};
pub use seal::SealError;
pub use store::{Deletion, Store};
pub use url::{DatabaseUrl, DatabaseUrlError};
pub use videos::{MAX_QUERY_TEXT, MAX_VIDEOS_LISTED, NewVideo, Video, VideoQuery};
