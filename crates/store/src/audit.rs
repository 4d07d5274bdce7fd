//! The audit log: what was changed, by whom. A change and its line are one transaction.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde_json::{Map, Value};
use vidpass_token::{AccountId, UnixTime};

use crate::changes::Write;
use crate::credentials::CredentialId;
use crate::error::StoreError;
use crate::pool::{on_pool, on_tx};
use crate::store::Store;

/// How many lines [`Store::list_audit_log`] gives at most.
pub const MAX_AUDIT_LISTED: u32 = 1000;

/// Stands where the account would, of what is the whole server's: no account's id is empty.
const SERVER: &str = "";

/// How many old lines are cleared in one transaction.
const CLEARED_AT_ONCE: i64 = 1000;

/// Who makes changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A caller of the API.
    Api {
        /// What they presented.
        credential: CredentialId,
        /// From where, as far as that is known.
        address: Option<IpAddr>,
        /// The id of their request.
        request_id: String,
    },
    /// Somebody at the command line.
    Cli {
        /// The system's name for them.
        user: String,
    },
    /// The server itself, at a time that was set.
    Server,
}

/// What was done. The names are stable; new ones may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    AccountCreate,
    AccountDelete,
    AccountEdit,
    ApiKeyCreate,
    ApiKeyDelete,
    ApiTokenCreate,
    ApiTokenDelete,
    ApiTokenRotate,
    GateCredentialCreate,
    GateCredentialDelete,
    KeyAdvance,
    KeyCreate,
    KeyDelete,
    RevocationCreate,
    RevocationDelete,
    VideoDelete,
    VideoEdit,
    VideoRegister,
}

/// A change that is to be written down.
pub(crate) struct Event<'a> {
    action: Action,
    account: &'a str,
    subject: &'a str,
    details: Map<String, Value>,
    at: UnixTime,
}

/// The place of a line in the audit log: later ones have greater numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditId(i64);

/// A text that is no [`AuditId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a line of the audit log: a whole number from 1")]
pub struct AuditIdError;

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Its place.
    pub id: AuditId,
    /// When it was done.
    pub at: UnixTime,
    /// Whose it was; `None` for what is the whole server's.
    pub account: Option<AccountId>,
    /// What was done, such as `key.create`.
    pub action: String,
    /// The id of what was changed.
    pub subject: String,
    /// Who did it.
    pub actor: Actor,
    /// What helps to understand it.
    pub details: Map<String, Value>,
}

/// Which lines to list, the newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Of this account alone.
    pub account: Option<AccountId>,
    /// Of this moment and later.
    pub since: Option<UnixTime>,
    /// Of earlier than this moment.
    pub before: Option<UnixTime>,
    /// After this line of an earlier list.
    pub after: Option<AuditId>,
    /// At most so many, and never more than [`MAX_AUDIT_LISTED`].
    pub limit: u32,
}

impl Store {
    /// The same store, for changes of this actor. A store that was opened is the server's own.
    #[must_use]
    pub fn by(&self, actor: Actor) -> Self {
        self.with_actor(actor)
    }

    /// The lines that the query asks for, the newest first.
    pub async fn list_audit_log(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        const ALL: &str = "
            SELECT seq, at, account_id, action, subject, actor_kind, actor, address, request_id, details FROM audit_log
            WHERE at >= $1 AND at < $2 AND seq < $3 ORDER BY seq DESC LIMIT $4";
        const OF_ACCOUNT: &str = "
            SELECT seq, at, account_id, action, subject, actor_kind, actor, address, request_id, details FROM audit_log
            WHERE at >= $1 AND at < $2 AND seq < $3 AND account_id = $5 ORDER BY seq DESC LIMIT $4";
        let since = query.since.map_or(i64::MIN, |moment| moment.0);
        let before = query.before.map_or(i64::MAX, |moment| moment.0);
        let after = query.after.map_or(i64::MAX, |id| id.0);
        let limit = i64::from(query.limit.min(MAX_AUDIT_LISTED));
        let rows: Vec<AuditRow> = on_pool!(self.pool(), db => {
            let select = sqlx::query_as(if query.account.is_some() { OF_ACCOUNT } else { ALL });
            let select = select.bind(since).bind(before).bind(after).bind(limit);
            match &query.account {
                Some(account) => select.bind(account.as_str()).fetch_all(db).await,
                None => select.fetch_all(db).await,
            }
        })?;
        rows.into_iter().map(AuditEntry::try_from).collect()
    }

    /// Clears the lines of before that moment, and says how many.
    pub async fn clear_audit_log(&self, before: UnixTime) -> Result<u64, StoreError> {
        let mut total = 0;
        while self.has_audit_log_before(before).await? {
            total += self.clear_some_audit_log(before).await?;
        }
        Ok(total)
    }

    /// Asked regularly and mostly for nothing: no need to keep writers waiting.
    async fn has_audit_log_before(&self, before: UnixTime) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT seq FROM audit_log WHERE at < $1 LIMIT 1";
        let found: Option<i64> =
            on_pool!(self.pool(), db => sqlx::query_scalar(SQL).bind(before.0).fetch_optional(db).await)?;
        Ok(found.is_some())
    }

    async fn clear_some_audit_log(&self, before: UnixTime) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM audit_log WHERE seq IN (SELECT seq FROM audit_log WHERE at < $1 ORDER BY at LIMIT $2)";
        let mut write = self.begin_write().await?;
        let cleared = on_tx!(write.tx, db => {
            let delete = sqlx::query(SQL).bind(before.0).bind(CLEARED_AT_ONCE);
            delete.execute(db).await.map(|done| done.rows_affected())
        })?;
        write.finish().await?;
        Ok(cleared)
    }
}

impl Write<'_> {
    /// Writes down who does what here. Reads are not written down, nor is the issuing of tokens.
    pub(crate) async fn record(&mut self, event: Event<'_>) -> Result<(), StoreError> {
        const NEXT: &str = "UPDATE change_counter SET audit = audit + 1 RETURNING audit";
        const SQL: &str = "
            INSERT INTO audit_log
                (seq, at, account_id, action, subject, actor_kind, actor, address, request_id, details)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let seq: i64 = on_tx!(self.tx, db => sqlx::query_scalar(NEXT).fetch_one(db).await)?;
        let (kind, actor, address, request_id) = self.actor.columns();
        let details = Value::Object(event.details).to_string();
        on_tx!(self.tx, db => {
            let insert = sqlx::query(SQL).bind(seq).bind(event.at.0).bind(event.account).bind(event.action.as_str());
            let insert = insert.bind(event.subject).bind(kind).bind(actor).bind(address.as_deref());
            insert.bind(request_id).bind(details).execute(db).await.map(|_| ())
        })?;
        self.recorded = true;
        Ok(())
    }
}

impl<'a> Event<'a> {
    pub(crate) fn new(action: Action, account: &'a AccountId, subject: &'a str, at: UnixTime) -> Self {
        Self::of_row(action, account.as_str(), subject, at)
    }

    /// Of what is no account's.
    pub(crate) fn of_server(action: Action, subject: &'a str, at: UnixTime) -> Self {
        Self::of_row(action, SERVER, subject, at)
    }

    /// Of a row whose account cannot be read, perhaps.
    pub(crate) fn of_row(action: Action, account: &'a str, subject: &'a str, at: UnixTime) -> Self {
        Self { action, account, subject, details: Map::new(), at }
    }

    /// Adds what helps to understand it; never a secret.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

impl Action {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AccountCreate => "account.create",
            Self::AccountDelete => "account.delete",
            Self::AccountEdit => "account.edit",
            Self::ApiKeyCreate => "api_key.create",
            Self::ApiKeyDelete => "api_key.delete",
            Self::ApiTokenCreate => "api_token.create",
            Self::ApiTokenDelete => "api_token.delete",
            Self::ApiTokenRotate => "api_token.rotate",
            Self::GateCredentialCreate => "gate_credential.create",
            Self::GateCredentialDelete => "gate_credential.delete",
            Self::KeyAdvance => "key.advance",
            Self::KeyCreate => "key.create",
            Self::KeyDelete => "key.delete",
            Self::RevocationCreate => "revocation.create",
            Self::RevocationDelete => "revocation.delete",
            Self::VideoDelete => "video.delete",
            Self::VideoEdit => "video.edit",
            Self::VideoRegister => "video.register",
        }
    }
}

impl Actor {
    /// `api`, `cli` or `server`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Api { .. } => "api",
            Self::Cli { .. } => "cli",
            Self::Server => "server",
        }
    }

    /// The id of a credential or the name of a user; empty for the server.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Api { credential, .. } => credential.as_str(),
            Self::Cli { user } => user,
            Self::Server => "",
        }
    }

    fn columns(&self) -> (&'static str, &str, Option<String>, Option<&str>) {
        let (address, request_id) = match self {
            Self::Api { address, request_id, .. } => (address.map(|address| address.to_string()), Some(&**request_id)),
            Self::Cli { .. } | Self::Server => (None, None),
        };
        (self.kind(), self.name(), address, request_id)
    }
}

impl FromStr for AuditId {
    type Err = AuditIdError;

    fn from_str(text: &str) -> Result<Self, AuditIdError> {
        text.parse().ok().filter(|number| *number > 0).map(Self).ok_or(AuditIdError)
    }
}

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[derive(sqlx::FromRow)]
struct AuditRow {
    seq: i64,
    at: i64,
    account_id: String,
    action: String,
    subject: String,
    actor_kind: String,
    actor: String,
    address: Option<String>,
    request_id: Option<String>,
    details: String,
}

impl TryFrom<AuditRow> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: AuditRow) -> Result<Self, StoreError> {
        let bad = |column| StoreError::Inconsistent { table: "audit_log", row: row.seq.to_string(), column };
        let address = row.address.as_deref().map(str::parse).transpose().map_err(|_| bad("address"))?;
        let actor = match row.actor_kind.as_str() {
            "api" => Actor::Api {
                credential: row.actor.parse().map_err(|_| bad("actor"))?,
                address,
                request_id: row.request_id.unwrap_or_default(),
            },
            "cli" => Actor::Cli { user: row.actor },
            "server" => Actor::Server,
            _ => return Err(bad("actor_kind")),
        };
        let account = match row.account_id.as_str() {
            SERVER => None,
            id => Some(id.parse().map_err(|_| bad("account_id"))?),
        };
        Ok(Self {
            id: AuditId(row.seq),
            at: UnixTime(row.at),
            account,
            details: serde_json::from_str(&row.details).map_err(|_| bad("details"))?,
            action: row.action,
            subject: row.subject,
            actor,
        })
    }
}
