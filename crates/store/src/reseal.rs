//! Bringing all sealed values under another master key.

use std::collections::BTreeMap;

use crate::error::StoreError;
use crate::keys::private_key_place;
use crate::master_key::{FINGERPRINT_LEN, Fingerprint};
use crate::pool::{on_pool, on_tx};
use crate::seal::{Place, SealError, sealed_with};
use crate::store::{KEY_CHECK, READ_CHECK, Store};

/// How many values there are under each master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedValues {
    /// The key that seals new values.
    pub sealing: Fingerprint,
    /// The private keys under each key.
    pub under: BTreeMap<Fingerprint, u64>,
}

/// How far the work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resealing {
    /// So many values were brought under the key just now; call again.
    More(u64),
    /// Nothing is left under another key, and nothing will be sealed with one any more.
    Done,
}

impl Store {
    /// How many values there are under each master key, at hand or not.
    pub async fn sealed_values(&self) -> Result<SealedValues, StoreError> {
        const SQL: &str = "
            SELECT substr(sealed_private_key, 2, 4) AS master_key, count(*) FROM signing_key
            WHERE sealed_private_key IS NOT NULL GROUP BY 1";
        let check: Vec<u8> =
            on_pool!(self.pool(), db => sqlx::query_scalar(READ_CHECK).bind(KEY_CHECK.row[0]).fetch_one(db).await)?;
        let sealing = sealed_with(&check).map_err(|source| KEY_CHECK.sealed_error(source))?;
        let rows: Vec<(Vec<u8>, i64)> = on_pool!(self.pool(), db => sqlx::query_as(SQL).fetch_all(db).await)?;
        let count = |(key, values): (Vec<u8>, i64)| {
            let bad = || private_key_place(&[]).sealed_error(SealError::Format);
            let key = Fingerprint::of_bytes(&key).ok_or_else(bad)?;
            Ok((key, u64::try_from(values).expect("a count is not negative")))
        };
        let under = rows.into_iter().map(count).collect::<Result<_, StoreError>>()?;
        Ok(SealedValues { sealing, under })
    }

    /// Brings at most `at_once` values under `key`, and the check value last, with nothing else left: from then on `key` seals.
    /// Both keys must be at hand. Whatever stops it, every value is under one of them, and the next call goes on.
    ///
    /// # Errors
    /// [`StoreError::MasterKeyMissing`]; [`StoreError::Sealed`] for a value that was altered or moved, or whose key is not at
    /// hand: it is left as it is, and the master key cannot be replaced before the row is deleted.
    pub async fn reseal(&self, key: Fingerprint, at_once: u32) -> Result<Resealing, StoreError> {
        const SQL: &str = "
            SELECT id, account_id, sealed_private_key FROM signing_key
            WHERE sealed_private_key IS NOT NULL AND substr(sealed_private_key, 2, 4) <> $1 ORDER BY id LIMIT $2";
        const UPDATE: &str = "UPDATE signing_key SET sealed_private_key = $3 WHERE id = $1 AND sealed_private_key = $2";
        const UPDATE_CHECK: &str = "UPDATE store_meta SET value = $3 WHERE name = $1 AND value = $2";
        let mut write = self.begin_write().await?;
        let rows: Vec<(String, String, Vec<u8>)> = on_tx!(write.tx, db => {
            sqlx::query_as(SQL).bind(key.as_bytes()).bind(i64::from(at_once)).fetch_all(db).await
        })?;
        for (id, account, sealed) in &rows {
            let again = self.reseal_one(key, private_key_place(&[id, account]), sealed).await?;
            on_tx!(write.tx, db => {
                sqlx::query(UPDATE).bind(id).bind(sealed).bind(&again).execute(db).await.map(|_| ())
            })?;
        }
        if rows.is_empty() {
            let check = write.key_check().await?;
            let again = self.reseal_one(key, KEY_CHECK, &check).await?;
            on_tx!(write.tx, db => {
                sqlx::query(UPDATE_CHECK).bind(KEY_CHECK.row[0]).bind(&check).bind(&again).execute(db).await.map(|_| ())
            })?;
        }
        write.finish().await?;
        Ok(if rows.is_empty() { Resealing::Done } else { Resealing::More(rows.len() as u64) })
    }

    async fn reseal_one(&self, key: Fingerprint, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let sealer = self.sealer_for(sealed).await;
        let secret = sealer.open(place, sealed).map_err(|source| place.sealed_error(source))?;
        sealer.seal(key, place, &secret)
    }
}

const _: () = assert!(FINGERPRINT_LEN == 4, "the statements cut out four bytes");
