//! What a gate without a database presents to an issuer. It opens the feed of changes, of all accounts, and nothing else.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use vidpass_token::UnixTime;

use crate::audit::{Action, Event};
use crate::credentials::{ApiSecret, CredentialId, hash};
use crate::error::{StoreError, without_nul};
use crate::pool::{on_pool, on_tx};
use crate::store::Store;

/// What every gate credential begins with, so that scanners for leaked secrets find it, and nobody takes it for an API token.
const PREFIX: &str = "vpg_";

/// A gate credential, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateCredential {
    /// Its id.
    pub id: CredentialId,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created: UnixTime,
}

impl Store {
    /// Makes a gate credential, and gives its text, which is not kept.
    pub async fn create_gate_credential(
        &self,
        name: &str,
        now: UnixTime,
    ) -> Result<(GateCredential, ApiSecret), StoreError> {
        const SQL: &str = "INSERT INTO gate_credential (id, name, secret_hash, created) VALUES ($1, $2, $3, $4)";
        without_nul("name", name)?;
        let id = CredentialId::random()?;
        let secret = ApiSecret::generate(PREFIX, &id)?;
        let hash = hash(secret.expose()).to_vec();
        let mut write = self.begin_write().await?;
        on_tx!(write.tx, db => {
            let insert = sqlx::query(SQL).bind(id.as_str()).bind(name).bind(hash).bind(now.0);
            insert.execute(db).await.map(|_| ())
        })?;
        write.commit(Event::of_server(Action::GateCredentialCreate, id.as_str(), now).with("name", name)).await?;
        Ok((GateCredential { id, name: name.to_owned(), created: now }, secret))
    }

    /// Every gate credential, the oldest first.
    pub async fn list_gate_credentials(&self) -> Result<Vec<GateCredential>, StoreError> {
        const SQL: &str = "SELECT id, name, created FROM gate_credential ORDER BY created, id";
        let rows: Vec<(String, String, i64)> = on_pool!(self.pool(), db => sqlx::query_as(SQL).fetch_all(db).await)?;
        rows.into_iter().map(|(id, name, created)| credential(&id, name, created)).collect()
    }

    /// Deletes a gate credential, and says whether it was there. It is refused from the next question on.
    pub async fn delete_gate_credential(&self, id: &CredentialId, now: UnixTime) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM gate_credential WHERE id = $1";
        let mut write = self.begin_write().await?;
        let deleted = on_tx!(write.tx, db => {
            sqlx::query(SQL).bind(id.as_str()).execute(db).await.map(|done| done.rows_affected())
        })?;
        if deleted > 0 {
            write.commit(Event::of_server(Action::GateCredentialDelete, id.as_str(), now)).await?;
        }
        Ok(deleted > 0)
    }

    /// Which gate presents this, where one does. An unknown id costs as much time as a wrong secret.
    pub async fn authenticate_gate(&self, text: &str) -> Result<Option<CredentialId>, StoreError> {
        const SQL: &str = "SELECT secret_hash FROM gate_credential WHERE id = $1";
        let id = ApiSecret::id_in(PREFIX, text);
        let known: Option<Vec<u8>> =
            on_pool!(self.pool(), db => sqlx::query_scalar(SQL).bind(id).fetch_optional(db).await)?;
        // A hash that nothing has stands for one that is not there.
        let known = known.unwrap_or_else(|| vec![0; 32]);
        let is_it = verify_slices_are_equal(&known, &hash(text)).is_ok();
        Ok(if is_it { id.parse().ok() } else { None })
    }
}

fn credential(id: &str, name: String, created: i64) -> Result<GateCredential, StoreError> {
    let bad = || StoreError::Inconsistent { table: "gate_credential", row: id.to_owned(), column: "id" };
    Ok(GateCredential { id: id.parse().map_err(|_| bad())?, name, created: UnixTime(created) })
}
