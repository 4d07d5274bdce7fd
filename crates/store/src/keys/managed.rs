//! The keys that vidpass itself signs with: which one, its making, and its private half.

use std::time::Duration;

use vidpass_token::{AccountId, KeyId, SigningKey, UnixTime};

use super::{NewKey, created, inconsistent};
use crate::audit::{Action, Event};
use crate::changes::Write;
use crate::error::StoreError;
use crate::pool::{Pool, on_pool, on_tx};
use crate::seal::Place;
use crate::store::Store;

/// Until a gate in another process knows a key, while it hears of the store: one poll, and the second that a moment in whole
/// seconds may be early.
const LEARNT_ELSEWHERE: Duration = Duration::from_secs(2);

/// `latest_exp` is written ahead to the next multiple of this, so that it is written once in so many seconds for a key, and
/// not for each token.
const AHEAD: i64 = 300;

/// The managed key that signs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveKey {
    /// Its id.
    pub id: KeyId,
    /// No token that it signed lives longer.
    pub latest_exp: Option<UnixTime>,
}

impl Store {
    /// The managed key that signs the account's tokens at `now`, where there is one.
    pub async fn managed_key(&self, account: &AccountId, now: UnixTime) -> Result<Option<ActiveKey>, StoreError> {
        let row: Option<(String, Option<i64>)> = on_pool!(self.pool(), db => {
            sqlx::query_as(ACTIVE).bind(account.as_str()).bind(now.0).fetch_optional(db).await
        })?;
        row.map(|(id, latest_exp)| Ok(ActiveKey { id: parse_id(id)?, latest_exp: latest_exp.map(UnixTime) }))
            .transpose()
    }

    /// Makes `key` the account's first managed key, its private half sealed, and says from when it signs.
    ///
    /// On SQLite that is now: the gate of this process knows the key when this returns. On PostgreSQL other gates are given
    /// one poll. A gate that is cut off from the store and does not know it yet refuses the account's first tokens.
    ///
    /// # Errors
    /// [`StoreError::ManagedKeyExists`] where there is one; [`StoreError::KeyIdTaken`]; [`StoreError::AccountUnknown`].
    pub async fn add_managed_key(
        &self,
        account: &AccountId,
        key: &SigningKey,
        now: UnixTime,
    ) -> Result<UnixTime, StoreError> {
        let signs_from = now.plus(self.learnt_elsewhere());
        let mut write = self.begin_write().await?;
        write.require_account(account).await?;
        if let Some(newest) = write.newest_managed_key(account).await? {
            return Err(StoreError::ManagedKeyExists { account: account.clone(), id: newest.id });
        }
        let sealed = self.seal_key(&mut write, account, key).await?;
        write.insert_key(NewKey::managed(account, key, sealed, signs_from, now)).await?;
        write.commit(created(account, key.id(), key.public(), now).with("managed", true)).await?;
        Ok(signs_from)
    }

    /// From when a managed key signs where none does now, because the one that did was deleted: the pending key that gates
    /// have known for longest begins at once, or when all that hear of the store know it. `None` where there is no key.
    ///
    /// Making a new one instead would be worse: no gate knows that one.
    pub async fn advance_managed_key(
        &self,
        account: &AccountId,
        now: UnixTime,
    ) -> Result<Option<UnixTime>, StoreError> {
        const FIRST: &str = "
            SELECT id, created, signs_from FROM signing_key
            WHERE account_id = $1 AND managed = 1 AND deleted IS NULL ORDER BY signs_from LIMIT 1";
        const SQL: &str = "UPDATE signing_key SET signs_from = $2 WHERE id = $1 AND signs_from > $2";
        let mut write = self.begin_write().await?;
        let first: Option<(String, i64, i64)> =
            on_tx!(write.tx, db => sqlx::query_as(FIRST).bind(account.as_str()).fetch_optional(db).await)?;
        let Some((id, created, signs_from)) = first else { return Ok(None) };
        let known = UnixTime(created).plus(self.learnt_elsewhere()).max(now).min(UnixTime(signs_from));
        let advanced = on_tx!(write.tx, db => {
            sqlx::query(SQL).bind(&id).bind(known.0).execute(db).await.map(|done| done.rows_affected())
        })?;
        if advanced > 0 {
            write.commit(Event::new(Action::KeyAdvance, account, &id, now).with("signs_from", known.0)).await?;
        }
        Ok(Some(known))
    }

    /// Makes sure that no token which the key signs outlives what is known of it: to be called before a token that is over
    /// at `exp` is signed. `known` is what was last read. Whether the key is alive, which is only asked where `exp` is
    /// later than what is known: a key is deleted by itself only when that is over.
    pub async fn raise_latest_exp(
        &self,
        account: &AccountId,
        id: &KeyId,
        known: Option<UnixTime>,
        exp: UnixTime,
    ) -> Result<bool, StoreError> {
        if known.is_some_and(|known| exp <= known) {
            return Ok(true);
        }
        // Apart, since most calls end above, and each would carry the room that writing takes.
        Box::pin(self.write_latest_exp(account, id, exp)).await
    }

    async fn write_latest_exp(&self, account: &AccountId, id: &KeyId, exp: UnixTime) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE signing_key SET latest_exp = CASE WHEN latest_exp > $3 THEN latest_exp ELSE $3 END
            WHERE account_id = $1 AND id = $2 AND deleted IS NULL";
        let ahead = exp.0.saturating_add(AHEAD - 1) / AHEAD * AHEAD;
        let mut write = self.begin_write().await?;
        let raised = on_tx!(write.tx, db => {
            let raise = sqlx::query(SQL).bind(account.as_str()).bind(id.as_str()).bind(ahead.max(exp.0));
            raise.execute(db).await.map(|done| done.rows_affected())
        })?;
        write.finish().await?;
        Ok(raised > 0)
    }

    /// Opens the sealed private half of the account's live managed key of that id.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] where the sealed value was altered or moved, and [`StoreError::Inconsistent`] where the
    /// public half beside it is not that key's. Reading a key takes a millisecond of CPU.
    pub async fn open_managed_key(&self, account: &AccountId, id: &KeyId) -> Result<Option<SigningKey>, StoreError> {
        const SQL: &str = "
            SELECT sealed_private_key, public_key FROM signing_key
            WHERE account_id = $1 AND id = $2 AND managed = 1 AND deleted IS NULL";
        let row: Option<(Vec<u8>, Vec<u8>)> = on_pool!(self.pool(), db => {
            sqlx::query_as(SQL).bind(account.as_str()).bind(id.as_str()).fetch_optional(db).await
        })?;
        match row {
            Some((sealed, public)) => self.unseal_key(account, id, &sealed, &public).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn seal_key(
        &self,
        write: &mut Write<'_>,
        account: &AccountId,
        key: &SigningKey,
    ) -> Result<Vec<u8>, StoreError> {
        let row = [key.id().as_str(), account.as_str()];
        self.seal(write, private_key_place(&row), &key.to_pkcs8()).await
    }

    async fn unseal_key(
        &self,
        account: &AccountId,
        id: &KeyId,
        sealed: &[u8],
        public: &[u8],
    ) -> Result<SigningKey, StoreError> {
        let row = [id.as_str(), account.as_str()];
        let place = private_key_place(&row);
        let sealer = self.sealer_for(sealed).await;
        let pkcs8 = sealer.open(place, sealed).map_err(|source| place.sealed_error(source))?;
        let bad = |column| StoreError::Inconsistent { table: place.table, row: id.to_string(), column };
        let key = SigningKey::from_pkcs8(id.clone(), &pkcs8).map_err(|_| bad(place.column))?;
        if key.public().spki_der() != public {
            return Err(bad("public_key"));
        }
        Ok(key)
    }

    /// How long gates of other processes may take to learn what is committed, while they hear of the store.
    fn learnt_elsewhere(&self) -> Duration {
        match self.pool() {
            // Whoever shares a SQLite file is on this machine, and is not asked for: the commit waits for our own gate.
            Pool::Sqlite { .. } => Duration::ZERO,
            Pool::Postgres { .. } => LEARNT_ELSEWHERE,
        }
    }
}

/// The managed key of account `$1` that signs at `$2`.
const ACTIVE: &str = "
    SELECT id, latest_exp FROM signing_key
    WHERE account_id = $1 AND managed = 1 AND deleted IS NULL AND signs_from <= $2 ORDER BY signs_from DESC LIMIT 1";

/// The managed key of an account that signs last.
pub(super) struct Newest {
    pub(super) id: KeyId,
    pub(super) created: UnixTime,
    pub(super) signs_from: UnixTime,
}

impl Write<'_> {
    pub(super) async fn newest_managed_key(&mut self, account: &AccountId) -> Result<Option<Newest>, StoreError> {
        const SQL: &str = "
            SELECT id, created, signs_from FROM signing_key
            WHERE account_id = $1 AND managed = 1 AND deleted IS NULL ORDER BY signs_from DESC LIMIT 1";
        let row: Option<(String, i64, i64)> =
            on_tx!(self.tx, db => sqlx::query_as(SQL).bind(account.as_str()).fetch_optional(db).await)?;
        let newest = |(id, created, signs_from)| {
            Ok(Newest { id: parse_id(id)?, created: UnixTime(created), signs_from: UnixTime(signs_from) })
        };
        row.map(newest).transpose()
    }

    /// Leaves of an account's managed keys nothing but that they were there.
    pub(crate) async fn bury_managed_keys(&mut self, account: &AccountId, now: UnixTime) -> Result<(), StoreError> {
        const SQL: &str = "SELECT id FROM signing_key WHERE account_id = $1 AND managed = 1 AND deleted IS NULL";
        let ids: Vec<String> =
            on_tx!(self.tx, db => sqlx::query_scalar(SQL).bind(account.as_str()).fetch_all(db).await)?;
        for id in ids {
            self.bury_key(&parse_id(id)?, now).await?;
        }
        Ok(())
    }
}

impl<'a> NewKey<'a> {
    pub(super) fn managed(
        account: &'a AccountId,
        key: &'a SigningKey,
        sealed: Vec<u8>,
        signs_from: UnixTime,
        now: UnixTime,
    ) -> Self {
        Self { id: key.id(), account, public: key.public(), managed: Some((sealed, signs_from)), now }
    }
}

pub(super) fn parse_id(id: String) -> Result<KeyId, StoreError> {
    id.parse().map_err(|_| inconsistent(id, "id"))
}

/// Where a private key lies: in one row, of one account.
pub(crate) fn private_key_place<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "signing_key", row, column: "sealed_private_key" }
}
