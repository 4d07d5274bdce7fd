//! A managed key takes another one's place, and a retired one goes when its last token is over.

use std::time::Duration;

use vidpass_token::{AccountId, Algorithm, KeyId, PublicKey, SigningKey, UnixTime};

use super::managed::{Newest, parse_id};
use super::{LiveKeyRow, NewKey, created, inconsistent};
use crate::audit::{Action, Event};
use crate::changes::{Write, readable};
use crate::error::StoreError;
use crate::pool::{on_pool, on_tx};
use crate::store::Store;

/// How many live managed keys an account may have: one that signs, those that will, and those whose tokens live on.
pub const MAX_MANAGED_KEYS: u64 = 100;

/// The shortest time between two rotations of a schedule: below it, keys would be made faster than their tokens are over.
const SHORTEST_ROTATION: Duration = Duration::from_secs(3600);

/// How long after its last token is over a retired key is deleted: clocks may differ.
const MARGIN: Duration = Duration::from_secs(60);

/// How many keys are deleted in one transaction.
const DELETED_AT_ONCE: i64 = 100;

/// How often an account's managed key gets a successor: an hour or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotateEvery(Duration);

/// A time between rotations that is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {} s or more", SHORTEST_ROTATION.as_secs())]
pub struct RotateEveryError;

impl RotateEvery {
    /// The time itself.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl TryFrom<Duration> for RotateEvery {
    type Error = RotateEveryError;

    fn try_from(every: Duration) -> Result<Self, RotateEveryError> {
        if every < SHORTEST_ROTATION { Err(RotateEveryError) } else { Ok(Self(every)) }
    }
}

/// Whether a rotation asks for the account's schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It was asked for.
    Asked,
    /// The schedule says so: where it does not (any more), nothing happens.
    Scheduled,
}

/// A managed key that was made to take another one's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedKey {
    /// When it begins to sign.
    pub signs_from: UnixTime,
    /// The key that signs until then.
    pub replaces: Option<KeyId>,
}

/// An account whose managed key is as old as its schedule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationDue {
    /// The account.
    pub account: AccountId,
    /// What its newest managed key signs with.
    pub algorithm: Algorithm,
}

impl Store {
    /// Makes `key` the account's newest managed key. It signs from `signs_from`, or from the second after the one before it.
    /// `None` where the occasion was a schedule, and it does not ask for one (any more).
    ///
    /// # Errors
    /// [`StoreError::TooManyManagedKeys`]; [`StoreError::KeyIdTaken`]; [`StoreError::AccountUnknown`].
    pub async fn rotate_managed_key(
        &self,
        account: &AccountId,
        key: &SigningKey,
        signs_from: UnixTime,
        occasion: Occasion,
        now: UnixTime,
    ) -> Result<Option<RotatedKey>, StoreError> {
        let mut write = self.begin_write().await?;
        let newest = write.newest_managed_key(account).await?;
        if !write.has_rotation(account, newest.as_ref(), occasion, now).await? {
            return Ok(None);
        }
        // No two begin in one second.
        let signs_from = newest.as_ref().map_or(signs_from, |newest| signs_from.max(UnixTime(newest.signs_from.0 + 1)));
        let sealed = self.seal_key(&mut write, account, key).await?;
        write.insert_key(NewKey::managed(account, key, sealed, signs_from, now)).await?;
        let event =
            created(account, key.id(), key.public(), now).with("managed", true).with("signs_from", signs_from.0);
        match write.commit(event).await {
            // The key is there, and has until it signs to be learnt: a caller who repeats this would only make another one.
            Ok(()) | Err(StoreError::NotApplied { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(Some(RotatedKey { signs_from, replaces: newest.map(|newest| newest.id) }))
    }

    /// Whether the account would get a new managed key on this occasion: making one for nothing keeps a core busy.
    ///
    /// # Errors
    /// [`StoreError::TooManyManagedKeys`]; [`StoreError::AccountUnknown`].
    pub async fn has_rotation(
        &self,
        account: &AccountId,
        occasion: Occasion,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let mut write = self.begin_write().await?;
        let newest = write.newest_managed_key(account).await?;
        write.has_rotation(account, newest.as_ref(), occasion, now).await
    }

    /// The accounts whose schedule asks for a new managed key.
    pub async fn rotations_due(&self, now: UnixTime) -> Result<Vec<RotationDue>, StoreError> {
        const SQL: &str = "
            SELECT k.id, k.account_id, k.public_key FROM account a
            JOIN signing_key k ON k.account_id = a.id AND k.managed = 1 AND k.deleted IS NULL
            WHERE a.deleted IS NULL AND k.created + a.rotate_every <= $1 AND NOT EXISTS (
                SELECT 1 FROM signing_key n WHERE n.account_id = a.id AND n.managed = 1 AND n.deleted IS NULL
                    AND n.signs_from > k.signs_from)";
        let rows: Vec<LiveKeyRow> = on_pool!(self.pool(), db => sqlx::query_as(SQL).bind(now.0).fetch_all(db).await)?;
        let due = rows.into_iter().map(LiveKeyRow::parse).filter_map(readable);
        Ok(due.map(|(_, account, public)| RotationDue { account, algorithm: public.algorithm() }).collect())
    }

    /// What the account's newest managed key signs with.
    pub async fn managed_key_algorithm(&self, account: &AccountId) -> Result<Option<Algorithm>, StoreError> {
        const SQL: &str = "
            SELECT id, public_key FROM signing_key
            WHERE account_id = $1 AND managed = 1 AND deleted IS NULL ORDER BY signs_from DESC LIMIT 1";
        let row: Option<(String, Vec<u8>)> =
            on_pool!(self.pool(), db => sqlx::query_as(SQL).bind(account.as_str()).fetch_optional(db).await)?;
        let Some((id, public)) = row else { return Ok(None) };
        let public = PublicKey::from_spki_der(&public).map_err(|_| inconsistent(id, "public_key"))?;
        Ok(Some(public.algorithm()))
    }

    /// Deletes the retired managed keys of all accounts whose last token is over, and says which.
    ///
    /// # Errors
    /// [`StoreError::NotApplied`] where they are deleted and the gate of this process does not know it yet.
    pub async fn delete_retired_keys(&self, now: UnixTime) -> Result<Vec<KeyId>, StoreError> {
        const SQL: &str = "
            SELECT k.id, k.account_id FROM signing_key k
            WHERE k.managed = 1 AND k.deleted IS NULL AND COALESCE(k.latest_exp, k.signs_from) <= $1 AND EXISTS (
                SELECT 1 FROM signing_key n WHERE n.account_id = k.account_id AND n.managed = 1 AND n.deleted IS NULL
                    AND n.signs_from > k.signs_from AND n.signs_from <= $1)
            ORDER BY k.id LIMIT $2";
        let over = now.minus(MARGIN).0;
        // Asked regularly and mostly for nothing: no need to keep writers waiting.
        let due = on_pool!(self.pool(), db => {
            sqlx::query_as::<_, (String, String)>(SQL).bind(over).bind(1_i64).fetch_optional(db).await
        })?;
        if due.is_none() {
            return Ok(Vec::new());
        }
        let mut write = self.begin_write().await?;
        let due: Vec<(String, String)> =
            on_tx!(write.tx, db => sqlx::query_as(SQL).bind(over).bind(DELETED_AT_ONCE).fetch_all(db).await)?;
        let mut deleted = Vec::new();
        for (id, account) in due {
            let Some(id) = readable(parse_id(id)) else { continue };
            write.bury_key(&id, now).await?;
            write.record(Event::of_row(Action::KeyDelete, &account, id.as_str(), now).with("retired", true)).await?;
            deleted.push(id);
        }
        write.finish().await?;
        Ok(deleted)
    }
}

impl Write<'_> {
    async fn has_rotation(
        &mut self,
        account: &AccountId,
        newest: Option<&Newest>,
        occasion: Occasion,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        self.require_account(account).await?;
        if occasion == Occasion::Scheduled && !self.is_rotation_due(account, newest, now).await? {
            return Ok(false);
        }
        if self.count_managed(account).await? >= MAX_MANAGED_KEYS {
            return Err(StoreError::TooManyManagedKeys { account: account.clone() });
        }
        Ok(true)
    }

    /// Without a managed key nothing is due: the first one is made when it is needed.
    async fn is_rotation_due(
        &mut self,
        account: &AccountId,
        newest: Option<&Newest>,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT rotate_every FROM account WHERE id = $1";
        let every: Option<i64> =
            on_tx!(self.tx, db => sqlx::query_scalar(SQL).bind(account.as_str()).fetch_one(db).await)?;
        Ok(newest.zip(every).is_some_and(|(newest, every)| newest.created.0.saturating_add(every) <= now.0))
    }

    async fn count_managed(&mut self, account: &AccountId) -> Result<u64, StoreError> {
        const SQL: &str = "
            SELECT count(*) FROM signing_key WHERE account_id = $1 AND managed = 1 AND deleted IS NULL";
        let count: i64 = on_tx!(self.tx, db => sqlx::query_scalar(SQL).bind(account.as_str()).fetch_one(db).await)?;
        Ok(u64::try_from(count).expect("a count is not negative"))
    }
}
