//! Signing keys: their public halves for gates, and the sealed private half of the key that vidpass itself signs with.
//!
//! An account adds keys of its own, whose private half it alone has. Besides, it has at most one live *managed* key.

use vidpass_token::{AccountId, KeyId, PublicKey, SigningKey, UnixTime};

use crate::audit::{Action, Event};
use crate::changes::{MAX_DELETED_TOLD, Touched, Write, readable};
use crate::error::StoreError;
use crate::pool::{Tx, on_pool, on_tx};
use crate::seal::Place;
use crate::store::{Deletion, Liveness, Store};

/// How many live keys of its own an account may have. The managed key is not counted.
pub const MAX_SIGNING_KEYS: u64 = 1000;

/// The live managed key of account `$1`.
const MANAGED: &str = "SELECT id FROM signing_key WHERE account_id = $1 AND managed = 1 AND deleted IS NULL";

/// How many live keys of its own account `$1` has.
const COUNT_OWN: &str = "
    SELECT count(*) FROM signing_key WHERE account_id = $1 AND managed = 0 AND deleted IS NULL";

/// A live signing key, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Its id.
    pub id: KeyId,
    /// The half that verifies.
    pub public: PublicKey,
    /// Whether vidpass holds its private half, sealed.
    pub managed: bool,
    /// When it was added.
    pub created: UnixTime,
}

impl Store {
    /// Adds a key whose private half the account keeps for itself.
    ///
    /// # Errors
    /// [`StoreError::TooManyKeys`]; [`StoreError::KeyIdTaken`], also where the key of that id was deleted, or belongs
    /// to another account; [`StoreError::AccountUnknown`].
    pub async fn add_signing_key(
        &self,
        account: &AccountId,
        public: &PublicKey,
        id: KeyId,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let mut write = self.begin_write().await?;
        write.require_account(account).await?;
        if count_own(&mut write.tx, account).await? >= MAX_SIGNING_KEYS {
            return Err(StoreError::TooManyKeys { account: account.clone() });
        }
        write.insert_key(NewKey { id: &id, account, public, sealed: None, now }).await?;
        write.commit(created(account, &id, public, now)).await
    }

    /// The id of the key that vidpass signs the account's tokens with, where there is one.
    pub async fn managed_key(&self, account: &AccountId) -> Result<Option<KeyId>, StoreError> {
        let id: Option<String> =
            on_pool!(self.pool(), db => sqlx::query_scalar(MANAGED).bind(account.as_str()).fetch_optional(db).await)?;
        parse_id(id)
    }

    /// Makes `key` the account's managed key, its private half sealed.
    ///
    /// # Errors
    /// [`StoreError::ManagedKeyExists`] where another one is alive; [`StoreError::KeyIdTaken`];
    /// [`StoreError::AccountUnknown`].
    pub async fn add_managed_key(
        &self,
        account: &AccountId,
        key: &SigningKey,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let sealed = self.sealer().seal(private_key_place(&[key.id().as_str(), account.as_str()]), &key.to_pkcs8())?;
        let mut write = self.begin_write().await?;
        write.require_account(account).await?;
        if let Some(id) = write.live_managed_key(account).await? {
            return Err(StoreError::ManagedKeyExists { account: account.clone(), id });
        }
        write.insert_key(NewKey { id: key.id(), account, public: key.public(), sealed: Some(sealed), now }).await?;
        write.commit(created(account, key.id(), key.public(), now).with("managed", true)).await
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
        row.map(|(sealed, public)| self.unseal_key(account, id, &sealed, &public)).transpose()
    }

    fn unseal_key(
        &self,
        account: &AccountId,
        id: &KeyId,
        sealed: &[u8],
        public: &[u8],
    ) -> Result<SigningKey, StoreError> {
        let row = [id.as_str(), account.as_str()];
        let place = private_key_place(&row);
        let pkcs8 = self.sealer().open(place, sealed).map_err(|source| StoreError::Sealed {
            table: place.table,
            row: id.to_string(),
            column: place.column,
            source,
        })?;
        let bad = |column| StoreError::Inconsistent { table: place.table, row: id.to_string(), column };
        let key = SigningKey::from_pkcs8(id.clone(), &pkcs8).map_err(|_| bad(place.column))?;
        if key.public().spki_der() != public {
            return Err(bad("public_key"));
        }
        Ok(key)
    }

    /// The account's live key of that id, managed or its own.
    pub async fn signing_key(&self, account: &AccountId, id: &KeyId) -> Result<Option<SigningKeyRecord>, StoreError> {
        const SQL: &str = "
            SELECT id, public_key, managed, created FROM signing_key
            WHERE account_id = $1 AND id = $2 AND deleted IS NULL";
        let row: Option<KeyRow> = on_pool!(self.pool(), db => {
            sqlx::query_as(SQL).bind(account.as_str()).bind(id.as_str()).fetch_optional(db).await
        })?;
        row.map(SigningKeyRecord::try_from).transpose()
    }

    /// Whether the account had a key of that id and deleted it.
    pub async fn is_signing_key_deleted(&self, account: &AccountId, id: &KeyId) -> Result<bool, StoreError> {
        const SQL: &str = "
            SELECT deleted FROM signing_key WHERE account_id = $1 AND id = $2 AND deleted IS NOT NULL";
        let deleted: Option<i64> = on_pool!(self.pool(), db => {
            sqlx::query_scalar(SQL).bind(account.as_str()).bind(id.as_str()).fetch_optional(db).await
        })?;
        Ok(deleted.is_some())
    }

    /// The account's live keys, the managed one among them, the oldest first.
    pub async fn list_signing_keys(&self, account: &AccountId) -> Result<Vec<SigningKeyRecord>, StoreError> {
        const SQL: &str = "
            SELECT id, public_key, managed, created FROM signing_key
            WHERE account_id = $1 AND deleted IS NULL ORDER BY created, id";
        let rows: Vec<KeyRow> =
            on_pool!(self.pool(), db => sqlx::query_as(SQL).bind(account.as_str()).fetch_all(db).await)?;
        rows.into_iter().map(SigningKeyRecord::try_from).collect()
    }

    /// How many live keys of its own the account has: [`MAX_SIGNING_KEYS`] at most. The managed key is not counted.
    pub async fn count_signing_keys(&self, account: &AccountId) -> Result<u64, StoreError> {
        let count: i64 =
            on_pool!(self.pool(), db => sqlx::query_scalar(COUNT_OWN).bind(account.as_str()).fetch_one(db).await)?;
        Ok(u64::try_from(count).expect("a count is not negative"))
    }

    /// Deletes a key: its tokens are refused from now on, its sealed half is erased, its id is never given out again.
    ///
    /// # Errors
    /// [`StoreError::NotApplied`], also for a key that was deleted before: call again until it is gone for the gate too.
    pub async fn delete_signing_key(
        &self,
        account: &AccountId,
        id: &KeyId,
        now: UnixTime,
    ) -> Result<Deletion, StoreError> {
        const SQL: &str = "SELECT deleted FROM signing_key WHERE account_id = $1 AND id = $2";
        let mut write = self.begin_write().await?;
        let deleted: Option<Option<i64>> = on_tx!(write.tx, db => {
            sqlx::query_scalar(SQL).bind(account.as_str()).bind(id.as_str()).fetch_optional(db).await
        })?;
        match Liveness::of_row(deleted) {
            Liveness::Live => {
                write.bury_key(id, now).await?;
                write.commit(Event::new(Action::KeyDelete, account, id.as_str(), now)).await?;
                Ok(Deletion::Deleted)
            }
            Liveness::Deleted => {
                write.settle().await?;
                Ok(Deletion::AlreadyDeleted)
            }
            Liveness::Unknown => Ok(Deletion::Unknown),
        }
    }
}

fn created<'a>(account: &'a AccountId, id: &'a KeyId, public: &PublicKey, now: UnixTime) -> Event<'a> {
    Event::new(Action::KeyCreate, account, id.as_str(), now).with("alg", public.algorithm().to_string())
}

struct NewKey<'a> {
    id: &'a KeyId,
    account: &'a AccountId,
    public: &'a PublicKey,
    sealed: Option<Vec<u8>>,
    now: UnixTime,
}

impl Write<'_> {
    pub(crate) async fn live_managed_key(&mut self, account: &AccountId) -> Result<Option<KeyId>, StoreError> {
        let id: Option<String> =
            on_tx!(self.tx, db => sqlx::query_scalar(MANAGED).bind(account.as_str()).fetch_optional(db).await)?;
        parse_id(id)
    }

    async fn insert_key(&mut self, new: NewKey<'_>) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO signing_key (id, account_id, public_key, sealed_private_key, managed, created)
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
        let managed = i64::from(new.sealed.is_some());
        let inserted = on_tx!(self.tx, db => {
            let insert = sqlx::query(SQL).bind(new.id.as_str()).bind(new.account.as_str()).bind(new.public.spki_der());
            insert.bind(new.sealed).bind(managed).bind(new.now.0).execute(db).await.map(|done| done.rows_affected())
        })?;
        if inserted == 0 {
            return Err(StoreError::KeyIdTaken { id: new.id.clone() });
        }
        self.touch(Touched::Key(new.id)).await?;
        Ok(())
    }

    /// Leaves of a key nothing but that it was there.
    pub(crate) async fn bury_key(&mut self, id: &KeyId, now: UnixTime) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE signing_key SET sealed_private_key = NULL, deleted = $2 WHERE id = $1";
        on_tx!(self.tx, db => sqlx::query(SQL).bind(id.as_str()).bind(now.0).execute(db).await.map(|_| ()))?;
        self.touch(Touched::Key(id)).await?;
        Ok(())
    }
}

/// How many live keys of its own the account has.
pub(crate) async fn count_own(tx: &mut Tx, account: &AccountId) -> Result<u64, StoreError> {
    let count: i64 = on_tx!(*tx, db => sqlx::query_scalar(COUNT_OWN).bind(account.as_str()).fetch_one(db).await)?;
    Ok(u64::try_from(count).expect("a count is not negative"))
}

/// The live keys of all accounts, without those whose row cannot be read.
pub(crate) async fn all_live(tx: &mut Tx) -> Result<Vec<(KeyId, AccountId, PublicKey)>, StoreError> {
    const SQL: &str = "SELECT id, account_id, public_key FROM signing_key WHERE deleted IS NULL";
    let rows: Vec<LiveKeyRow> = on_tx!(*tx, db => sqlx::query_as(SQL).fetch_all(db).await)?;
    Ok(rows.into_iter().map(LiveKeyRow::parse).filter_map(readable).collect())
}

/// The keys of all accounts that were deleted last, as many as a gate is told of.
pub(crate) async fn last_deleted(tx: &mut Tx) -> Result<Vec<KeyId>, StoreError> {
    const SQL: &str = "SELECT id FROM signing_key WHERE deleted IS NOT NULL ORDER BY deleted DESC LIMIT $1";
    let ids: Vec<String> = on_tx!(*tx, db => sqlx::query_scalar(SQL).bind(MAX_DELETED_TOLD).fetch_all(db).await)?;
    Ok(ids.into_iter().filter_map(|id| id.parse().ok()).collect())
}

fn parse_id(id: Option<String>) -> Result<Option<KeyId>, StoreError> {
    id.map(|id| id.parse().map_err(|_| inconsistent(id, "id"))).transpose()
}

/// Where a private key lies: in one row, of one account.
fn private_key_place<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "signing_key", row, column: "sealed_private_key" }
}

fn inconsistent(row: String, column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "signing_key", row, column }
}

/// What a gate needs of a key's row.
#[derive(sqlx::FromRow)]
pub(crate) struct LiveKeyRow {
    pub(crate) id: String,
    pub(crate) account_id: String,
    pub(crate) public_key: Vec<u8>,
}

impl LiveKeyRow {
    pub(crate) fn parse(self) -> Result<(KeyId, AccountId, PublicKey), StoreError> {
        let Ok(id) = self.id.parse() else { return Err(inconsistent(self.id, "id")) };
        let Ok(account) = self.account_id.parse() else { return Err(inconsistent(self.id, "account_id")) };
        let Ok(public) = PublicKey::from_spki_der(&self.public_key) else {
            return Err(inconsistent(self.id, "public_key"));
        };
        Ok((id, account, public))
    }
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    id: String,
    public_key: Vec<u8>,
    managed: i64,
    created: i64,
}

impl TryFrom<KeyRow> for SigningKeyRecord {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        let Ok(id) = row.id.parse() else { return Err(inconsistent(row.id, "id")) };
        let Ok(public) = PublicKey::from_spki_der(&row.public_key) else {
            return Err(inconsistent(row.id, "public_key"));
        };
        Ok(Self { id, public, managed: row.managed != 0, created: UnixTime(row.created) })
    }
}
