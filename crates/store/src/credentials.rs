//! What callers of the API present, and who they are then. Only hashes of the secrets are kept.

mod last_used;
mod secret;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use vidpass_token::{AccountId, UnixTime};

use crate::error::{StoreError, without_nul};
use crate::pool::{on_pool, on_tx};
use crate::random;
use crate::store::Store;

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
}

impl Store {
    /// Makes an API token, for `Authorization: Bearer`.
    ///
    /// # Errors
    /// [`StoreError::AccountUnknown`]
    pub async fn create_api_token(
        &self,
        account: &AccountId,
        name: &str,
        now: UnixTime,
    ) -> Result<NewCredential, StoreError> {
        without_nul("name", name)?;
        let id = CredentialId::random()?;
        let secret = ApiSecret::generate_token(&id)?;
        let kind = CredentialKind::ApiToken;
        self.insert_credential(
            account,
            &Credential { id, kind, name: name.into(), email: None, created: now, last_used: None },
            secret,
        )
        .await
    }

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
        let id = CredentialId::random()?;
        let secret = secret.map_or_else(ApiSecret::generate_key, Ok)?;
        let (kind, name, email) = (CredentialKind::ApiKey, email.to_owned(), Some(email.to_ascii_lowercase()));
        self.insert_credential(account, &Credential { id, kind, name, email, created: now, last_used: None }, secret)
            .await
    }

    async fn insert_credential(
        &self,
        account: &AccountId,
        new: &Credential,
        secret: ApiSecret,
    ) -> Result<NewCredential, StoreError> {
        const SQL: &str = "
            INSERT INTO credential (id, account_id, kind, name, email, secret_hash, created)
            VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let mut write = self.begin_write().await?;
        write.require_account(account).await?;
        on_tx!(write.tx, db => {
            let insert = sqlx::query(SQL).bind(new.id.as_str()).bind(account.as_str()).bind(new.kind.as_str());
            let insert = insert.bind(&new.name).bind(&new.email).bind(secret::hash(secret.expose()).to_vec());
            insert.bind(new.created.0).execute(db).await.map(|_| ())
        })?;
        write.commit().await?;
        Ok(NewCredential { id: new.id.clone(), secret })
    }

    /// Who presents this, where it is a credential of a live account. An unknown id costs as much time as a wrong
    /// secret. That it was used is written down in the background, some time after the answer.
    pub async fn authenticate(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Caller>, StoreError> {
        let (rows, secret) = match presented {
            Presented::ApiToken(text) => (self.token_rows(secret::token_id(text)).await?, text),
            Presented::ApiKey { email, key } => (self.key_rows(email).await?, key),
        };
        let Some(row) = matching(rows, &secret::hash(secret)) else { return Ok(None) };
        self.note_use(&row.id, row.last_used.map(UnixTime), now);
        row.caller().map(Some)
    }

    async fn token_rows(&self, id: &str) -> Result<Vec<SecretRow>, StoreError> {
        const SQL: &str = "
            SELECT c.id, c.kind, c.name, c.account_id, c.secret_hash, c.last_used
            FROM credential c JOIN account a ON a.id = c.account_id
            WHERE c.id = $1 AND c.kind = 'api_token' AND a.deleted IS NULL";
        Ok(on_pool!(self.pool(), db => sqlx::query_as(SQL).bind(id).fetch_all(db).await)?)
    }

    async fn key_rows(&self, email: &str) -> Result<Vec<SecretRow>, StoreError> {
        const SQL: &str = "
            SELECT c.id, c.kind, c.name, c.account_id, c.secret_hash, c.last_used
            FROM credential c JOIN account a ON a.id = c.account_id
            WHERE c.email = $1 AND c.kind = 'api_key' AND a.deleted IS NULL";
        // No email has a NUL, and PostgreSQL refuses to be asked for one.
        let email = email.to_ascii_lowercase().replace('\0', "");
        Ok(on_pool!(self.pool(), db => sqlx::query_as(SQL).bind(email).fetch_all(db).await)?)
    }

    /// The account's credentials, the oldest first.
    pub async fn list_credentials(&self, account: &AccountId) -> Result<Vec<Credential>, StoreError> {
        const SQL: &str = "
            SELECT id, kind, name, email, created, last_used FROM credential
            WHERE account_id = $1 ORDER BY created, id";
        let rows: Vec<CredentialRow> =
            on_pool!(self.pool(), db => sqlx::query_as(SQL).bind(account.as_str()).fetch_all(db).await)?;
        rows.into_iter().map(Credential::try_from).collect()
    }

    /// Deletes a credential, and says whether the account had it. It is refused from the next call on.
    pub async fn delete_credential(&self, account: &AccountId, id: &CredentialId) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM credential WHERE account_id = $1 AND id = $2";
        let mut write = self.begin_write().await?;
        let deleted = on_tx!(write.tx, db => {
            let delete = sqlx::query(SQL).bind(account.as_str()).bind(id.as_str());
            delete.execute(db).await.map(|done| done.rows_affected())
        })?;
        write.commit().await?;
        Ok(deleted > 0)
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
}

impl SecretRow {
    fn caller(self) -> Result<Caller, StoreError> {
        let (credential_id, kind) = parse_id_and_kind(&self.id, &self.kind)?;
        let account = self.account_id.parse().map_err(|_| inconsistent(&self.id, "account_id"))?;
        Ok(Caller { credential_id, kind, account, name: self.name })
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
}

impl TryFrom<CredentialRow> for Credential {
    type Error = StoreError;

    fn try_from(row: CredentialRow) -> Result<Self, StoreError> {
        let (id, kind) = parse_id_and_kind(&row.id, &row.kind)?;
        let (created, last_used) = (UnixTime(row.created), row.last_used.map(UnixTime));
        Ok(Self { id, kind, name: row.name, email: row.email, created, last_used })
    }
}

fn parse_id_and_kind(id: &str, kind: &str) -> Result<(CredentialId, CredentialKind), StoreError> {
    let kind = [CredentialKind::ApiToken, CredentialKind::ApiKey].into_iter().find(|known| known.as_str() == kind);
    Ok((id.parse().map_err(|_| inconsistent(id, "id"))?, kind.ok_or_else(|| inconsistent(id, "kind"))?))
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
