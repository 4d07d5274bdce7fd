//! What callers of the API present, and who they are then. Only hashes of the secrets are kept.

mod api_token;
mod last_used;
mod secret;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256};
use vidpass_token::{AccountId, UnixTime};

use crate::audit::{Action, Event};
use crate::changes::Write;
use crate::error::{StoreError, without_nul};
use crate::pool::{on_pool, on_tx};
use crate::random;
use crate::scope::Scopes;
use crate::store::Store;

pub use api_token::{NewApiToken, Rotated};
pub(crate) use last_used::UnderWay as UsesUnderWay;
pub(crate) use secret::hash;
pub use secret::{ApiSecret, ApiSecretError};

/// The name of a credential, which is no secret: 16 hexadecimal digits in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(Box<str>);

/// Why a text is not the id of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a credential has {} hexadecimal digits in lower case", CredentialId::LENGTH)]
pub struct CredentialIdError;

/// What a credential is presented as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// `Authorization: Bearer`.
    ApiToken,
    /// `X-Auth-Email` with `X-Auth-Key`.
    ApiKey,
}

/// A credential, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// What it is presented as.
    pub kind: CredentialKind,
    /// What people call it. An API key is called by its email.
    pub name: String,
    /// In lower case; only an API key has one.
    pub email: Option<String>,
    /// When it was made.
    pub created: UnixTime,
    /// When it was last accepted, to the minute.
    pub last_used: Option<UnixTime>,
    /// What it may do; an API key may do everything.
    pub scopes: Scopes,
    /// From when on it is refused.
    pub expires: Option<UnixTime>,
    /// The API token that took its place.
    pub replaced_by: Option<CredentialId>,
}

/// A credential that was just made: the only time that its secret is at hand.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// Its id.
    pub id: CredentialId,
    /// What its holder presents.
    pub secret: ApiSecret,
}

/// What a caller presents.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// The text of an API token.
    ApiToken(&'a str),
    /// An email and its API key.
    ApiKey {
        /// The email, in any case.
        email: &'a str,
        /// The key.
        key: &'a str,
    },
}

/// A hash of what a caller presents: alike where that is alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PresentedHash([u8; 32]);

/// A caller who is who they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What they presented.
    pub credential_id: CredentialId,
    /// What kind it is.
    pub kind: CredentialKind,
    /// The one account that they may act for.
    pub account: AccountId,
    /// What people call the credential.
    pub name: String,
    /// What they may do.
    pub scopes: Scopes,
    /// From when on they are refused.
    pub expires: Option<UnixTime>,
}

/// Why nobody calls with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It was good until then.
    #[error("the credential expired at {0}")]
    Expired(UnixTime),
    /// Nobody has it.
    #[error("nobody has this credential")]
    Unknown,
}

impl Store {
    /// Makes an API key, for `X-Auth-Email` and `X-Auth-Key`. An email may have several, also in several accounts.
    /// A `secret` is given only where it must be one that its holder has already.
    ///
    /// # Errors
    /// [`StoreError::AccountUnknown`]
    pub async fn create_api_key(
        &self,
        account: &AccountId,
        email: &str,
        secret: Option<ApiSecret>,
        now: UnixTime,
    ) -> Result<NewCredential, StoreError> {
        without_nul("email", email)?;
        let secret = secret.map_or_else(ApiSecret::generate_key, Ok)?;
        let new = Credential {
            id: CredentialId::random()?,
            kind: CredentialKind::ApiKey,
            name: email.to_owned(),
            email: Some(email.to_ascii_lowercase()),
            created: now,
            last_used: None,
            scopes: Scopes::All,
            expires: None,
            replaced_by: None,
        };
        let mut write = self.begin_write().await?;
        write.require_account(account).await?;
        write.insert_credential(account, &new, &secret).await?;
        let event = Event::new(Action::ApiKeyCreate, account, new.id.as_str(), now);
        write.commit(event.with("email", &*new.name)).await?;
        Ok(NewCredential { id: new.id, secret })
    }

    /// Who presents this, where it is a credential of a live account. An unknown id costs as much time as a wrong
    /// secret, and that a credential is over is told to whoever has its secret. That it was used is written down in the
    /// background, some time after the answer.
    pub async fn authenticate(
        &self,
        presented: &Presented<'_>,
        now: UnixTime,
    ) -> Result<Result<Caller, Refused>, StoreError> {
        let (rows, secret) = match presented {
            Presented::ApiToken(text) => (self.token_rows(secret::token_id(text)).await?, text),
            Presented::ApiKey { email, key } => (self.key_rows(email).await?, key),
        };
        let Some(row) = matching(rows, &secret::hash(secret)) else { return Ok(Err(Refused::Unknown)) };
        let last_used = row.last_used.map(UnixTime);
        let caller = row.caller()?;
        if let Some(expires) = caller.expires.filter(|expires| *expires <= now) {
            return Ok(Err(Refused::Expired(expires)));
        }
        self.note_use(caller.credential_id.as_str(), last_used, now);
        Ok(Ok(caller))
    }

    async fn token_rows(&self, id: &str) -> Result<Vec<SecretRow>, StoreError> {
        const SQL: &str = "
            SELECT c.id, c.kind, c.name, c.account_id, c.secret_hash, c.last_used, c.scopes, c.expires
            FROM credential c JOIN account a ON a.id = c.account_id
            WHERE c.id = $1 AND c.kind = 'api_token' AND a.deleted IS NULL";
        Ok(on_pool!(self.pool(), db => sqlx::query_as(SQL).bind(id).fetch_all(db).await)?)
    }

    async fn key_rows(&self, email: &str) -> Result<Vec<SecretRow>, StoreError> {
        const SQL: &str = "
            SELECT c.id, c.kind, c.name, c.account_id, c.secret_hash, c.last_used, c.scopes, c.expires
            FROM credential c JOIN account a ON a.id = c.account_id
            WHERE c.email = $1 AND c.kind = 'api_key' AND a.deleted IS NULL";
        // No email has a NUL, and PostgreSQL refuses to be asked for one.
        let email = email.to_ascii_lowercase().replace('\0', "");
        Ok(on_pool!(self.pool(), db => sqlx::query_as(SQL).bind(email).fetch_all(db).await)?)
    }

    /// The account's credentials, the oldest first.
    pub async fn list_credentials(&self, account: &AccountId) -> Result<Vec<Credential>, StoreError> {
        const SQL: &str = "
            SELECT id, kind, name, email, created, last_used, scopes, expires, replaced_by FROM credential
            WHERE account_id = $1 ORDER BY created, id";
        let rows: Vec<CredentialRow> =
            on_pool!(self.pool(), db => sqlx::query_as(SQL).bind(account.as_str()).fetch_all(db).await)?;
        rows.into_iter().map(Credential::try_from).collect()
    }

    /// Deletes a credential, and says whether the account had it. It is refused from the next call on.
    pub async fn delete_credential(
        &self,
        account: &AccountId,
        id: &CredentialId,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM credential WHERE account_id = $1 AND id = $2 RETURNING kind, name";
        let mut write = self.begin_write().await?;
        let deleted: Option<(String, String)> = on_tx!(write.tx, db => {
            sqlx::query_as(SQL).bind(account.as_str()).bind(id.as_str()).fetch_optional(db).await
        })?;
        let Some((kind, name)) = deleted else { return Ok(false) };
        let action = match parse_kind(id.as_str(), &kind)? {
            CredentialKind::ApiKey => Action::ApiKeyDelete,
            CredentialKind::ApiToken => Action::ApiTokenDelete,
        };
        write.commit(Event::new(action, account, id.as_str(), now).with("name", name)).await?;
        Ok(true)
    }
}

impl Write<'_> {
    async fn insert_credential(
        &mut self,
        account: &AccountId,
        new: &Credential,
        secret: &ApiSecret,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO credential (id, account_id, kind, name, email, secret_hash, created, scopes, expires)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        on_tx!(self.tx, db => {
            let insert = sqlx::query(SQL).bind(new.id.as_str()).bind(account.as_str()).bind(new.kind.as_str());
            let insert = insert.bind(&new.name).bind(&new.email).bind(secret::hash(secret.expose()).to_vec());
            let insert = insert.bind(new.created.0).bind(new.scopes.to_column()).bind(new.expires.map(|time| time.0));
            insert.execute(db).await.map(|_| ())
        })?;
        Ok(())
    }
}

impl Presented<'_> {
    /// Its hash. What has one hash is the same, to the letter.
    #[must_use]
    pub fn hash(&self) -> PresentedHash {
        let mut hash = Context::new(&SHA256);
        let (kind, email, secret) = match self {
            Presented::ApiToken(text) => (CredentialKind::ApiToken, "", *text),
            Presented::ApiKey { email, key } => (CredentialKind::ApiKey, *email, *key),
        };
        // No header has a NUL.
        for part in [kind.as_str(), "\0", email, "\0", secret].map(str::as_bytes) {
            hash.update(part);
        }
        PresentedHash(hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// The row whose hash this is. Every row is compared, in constant time, and where there is none, one that never fits.
fn matching(rows: Vec<SecretRow>, hash: &[u8]) -> Option<SecretRow> {
    if rows.is_empty() {
        let _ = verify_slices_are_equal(&[0; 32], hash);
    }
    let mut found = None;
    for row in rows {
        if verify_slices_are_equal(&row.secret_hash, hash).is_ok() {
            found = Some(row);
        }
    }
    found
}

#[derive(sqlx::FromRow)]
struct SecretRow {
    id: String,
    kind: String,
    name: String,
    account_id: String,
    secret_hash: Vec<u8>,
    last_used: Option<i64>,
    scopes: Option<String>,
    expires: Option<i64>,
}

impl SecretRow {
    fn caller(self) -> Result<Caller, StoreError> {
        let (credential_id, kind) = parse_id_and_kind(&self.id, &self.kind)?;
        let account = self.account_id.parse().map_err(|_| inconsistent(&self.id, "account_id"))?;
        let scopes = parse_scopes(&self.id, self.scopes.as_deref())?;
        Ok(Caller { credential_id, kind, account, name: self.name, scopes, expires: self.expires.map(UnixTime) })
    }
}

#[derive(sqlx::FromRow)]
struct CredentialRow {
    id: String,
    kind: String,
    name: String,
    email: Option<String>,
    created: i64,
    last_used: Option<i64>,
    scopes: Option<String>,
    expires: Option<i64>,
    replaced_by: Option<String>,
}

impl TryFrom<CredentialRow> for Credential {
    type Error = StoreError;

    fn try_from(row: CredentialRow) -> Result<Self, StoreError> {
        let (id, kind) = parse_id_and_kind(&row.id, &row.kind)?;
        let scopes = parse_scopes(&row.id, row.scopes.as_deref())?;
        let replaced_by = row.replaced_by.as_deref().map(str::parse).transpose();
        Ok(Self {
            id,
            kind,
            name: row.name,
            email: row.email,
            created: UnixTime(row.created),
            last_used: row.last_used.map(UnixTime),
            scopes,
            expires: row.expires.map(UnixTime),
            replaced_by: replaced_by.map_err(|_| inconsistent(&row.id, "replaced_by"))?,
        })
    }
}

fn parse_id_and_kind(id: &str, kind: &str) -> Result<(CredentialId, CredentialKind), StoreError> {
    Ok((id.parse().map_err(|_| inconsistent(id, "id"))?, parse_kind(id, kind)?))
}

fn parse_kind(id: &str, kind: &str) -> Result<CredentialKind, StoreError> {
    let known = [CredentialKind::ApiToken, CredentialKind::ApiKey].into_iter().find(|known| known.as_str() == kind);
    known.ok_or_else(|| inconsistent(id, "kind"))
}

fn parse_scopes(id: &str, scopes: Option<&str>) -> Result<Scopes, StoreError> {
    Scopes::from_column(scopes).map_err(|_| inconsistent(id, "scopes"))
}

fn inconsistent(row: &str, column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "credential", row: row.to_owned(), column }
}

impl CredentialKind {
    /// `api_token` or `api_key`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CredentialKind::ApiToken => "api_token",
            CredentialKind::ApiKey => "api_key",
        }
    }
}

impl CredentialId {
    const LENGTH: usize = 16;

    pub(crate) fn random() -> Result<Self, StoreError> {
        Ok(Self(random::hex(&random::bytes::<8>()?).into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CredentialId {
    type Err = CredentialIdError;

    fn from_str(text: &str) -> Result<Self, CredentialIdError> {
        let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex && text.len() == Self::LENGTH { Ok(Self(text.into())) } else { Err(CredentialIdError) }
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialId({})", self.0)
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Presented::ApiToken(_) => "Presented(API token, redacted)",
            Presented::ApiKey { .. } => "Presented(API key, redacted)",
        })
    }
}
