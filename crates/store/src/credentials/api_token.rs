//! Making API tokens, and making others to take their place.

use std::time::Duration;

use vidpass_token::{AccountId, UnixTime};

use super::{ApiSecret, Credential, CredentialId, CredentialKind, CredentialRow, NewCredential};
use crate::audit::{Action, Event};
use crate::changes::Write;
use crate::error::{StoreError, without_nul};
use crate::pool::on_tx;
use crate::scope::Scopes;
use crate::store::Store;

/// An API token to be made.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// From when on it is refused; `None` is never.
    pub expires: Option<UnixTime>,
}

impl NewApiToken {
    /// One that may do everything, without an end.
    #[must_use]
    pub fn unlimited(name: &str) -> Self {
        Self { name: name.to_owned(), scopes: Scopes::All, expires: None }
    }
}

/// What a rotation did.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The API token that takes the other one's place.
    pub new: NewCredential,
    /// When it ends itself.
    pub new_expires: Option<UnixTime>,
    /// When the other one ends.
    pub old_expires: UnixTime,
}

impl Store {
    /// Makes an API token, for `Authorization: Bearer`.
    ///
    /// # Errors
    /// [`StoreError::AccountUnknown`]
    pub async fn create_api_token(
        &self,
        account: &AccountId,
        new: &NewApiToken,
        now: UnixTime,
    ) -> Result<NewCredential, StoreError> {
        let mut write = self.begin_write().await?;
        write.require_account(account).await?;
        let made = write.insert_api_token(account, new, now).await?;
        let event = Event::new(Action::ApiTokenCreate, account, made.id.as_str(), now).with("name", &*new.name);
        let event = event.with("scopes", new.scopes.names()).with("expires", new.expires.map(|time| time.0));
        write.commit(event).await?;
        Ok(made)
    }

    /// Makes an API token of the same name and scopes that lives for as long as this one was made to, and lets this one
    /// end after `overlap`, or when it would have ended anyway. `None` where the account has no such API token.
    ///
    /// # Errors
    /// [`StoreError::AlreadyRotated`]: its end is no longer the one that it was made with.
    pub async fn rotate_api_token(
        &self,
        account: &AccountId,
        id: &CredentialId,
        overlap: Duration,
        now: UnixTime,
    ) -> Result<Option<Rotated>, StoreError> {
        let mut write = self.begin_write().await?;
        let Some(old) = write.api_token(account, id).await? else { return Ok(None) };
        if let Some(successor) = old.replaced_by {
            return Err(StoreError::AlreadyRotated { id: id.clone(), successor });
        }
        let lifetime = |expires| now.0.saturating_add(old.created.seconds_until(expires));
        let new_expires = old.expires.map(lifetime).map(UnixTime);
        let token = NewApiToken { name: old.name, scopes: old.scopes, expires: new_expires };
        let new = write.insert_api_token(account, &token, now).await?;
        let overlap_ends = now.plus(overlap);
        let old_expires = old.expires.map_or(overlap_ends, |expires| overlap_ends.min(expires));
        write.replace_api_token(id, &new.id, old_expires).await?;
        let event = Event::new(Action::ApiTokenRotate, account, id.as_str(), now);
        write.commit(event.with("new", new.id.as_str()).with("expires", old_expires.0)).await?;
        Ok(Some(Rotated { new, new_expires, old_expires }))
    }
}

impl Write<'_> {
    async fn insert_api_token(
        &mut self,
        account: &AccountId,
        new: &NewApiToken,
        now: UnixTime,
    ) -> Result<NewCredential, StoreError> {
        without_nul("name", &new.name)?;
        let id = CredentialId::random()?;
        let secret = ApiSecret::generate_token(&id)?;
        let token = Credential {
            id,
            kind: CredentialKind::ApiToken,
            name: new.name.clone(),
            email: None,
            created: now,
            last_used: None,
            scopes: new.scopes.clone(),
            expires: new.expires,
            replaced_by: None,
        };
        self.insert_credential(account, &token, &secret).await?;
        Ok(NewCredential { id: token.id, secret })
    }

    async fn api_token(&mut self, account: &AccountId, id: &CredentialId) -> Result<Option<Credential>, StoreError> {
        const SQL: &str = "
            SELECT id, kind, name, email, created, last_used, scopes, expires, replaced_by FROM credential
            WHERE account_id = $1 AND id = $2 AND kind = 'api_token'";
        let row: Option<CredentialRow> = on_tx!(self.tx, db => {
            sqlx::query_as(SQL).bind(account.as_str()).bind(id.as_str()).fetch_optional(db).await
        })?;
        row.map(Credential::try_from).transpose()
    }

    async fn replace_api_token(
        &mut self,
        old: &CredentialId,
        new: &CredentialId,
        expires: UnixTime,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE credential SET replaced_by = $2, expires = $3 WHERE id = $1";
        on_tx!(self.tx, db => {
            let update = sqlx::query(SQL).bind(old.as_str()).bind(new.as_str()).bind(expires.0);
            update.execute(db).await.map(|_| ())
        })?;
        Ok(())
    }
}
