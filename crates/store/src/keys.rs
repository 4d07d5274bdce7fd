//! Signing keys: their public halves for gates, and the sealed private half of the key that vidpass itself signs with.
//!
//! An account adds keys of its own, whose private half it alone has. Besides, it has *managed* keys, one of which signs at a
//! time.

mod life;
mod managed;
mod rotation;
mod use_log;

use vidpass_token::{AccountId, KeyId, PublicKey, UnixTime};

use crate::audit::{Action, Event};
use crate::changes::{MAX_DELETED_TOLD, Touched, Write, readable};
use crate::error::StoreError;
use crate::pool::{Tx, on_pool, on_tx};
use crate::store::{Deletion, Liveness, Store};

pub use life::{KeyState, Term};
pub use managed::ActiveKey;
pub(crate) use managed::private_key_place;
pub use rotation::{MAX_MANAGED_KEYS, Occasion, RotateEvery, RotateEveryError, RotatedKey, RotationDue};
pub(crate) use use_log::KeyUses;

/// How many live keys of its own an account may have. Managed keys are not counted.
pub const MAX_SIGNING_KEYS: u64 = 1000;

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
    /// When it was added.
    pub created: UnixTime,
    /// When it signs, of a managed key: one whose private half vidpass holds, sealed. `None` for an account's own.
    pub term: Option<Term>,
    /// No token that was signed here lives longer. Of an account's own key: no token that the API signed; what is signed
    /// elsewhere nobody here knows.
    pub latest_exp: Option<UnixTime>,
    /// When it last signed here. A crash may lose the last seconds.
    pub last_used: Option<UnixTime>,
    /// How many tokens it has signed here. A crash may lose the last seconds.
    pub tokens_issued: u64,
}

impl SigningKeyRecord {
    /// Whether vidpass holds its private half, sealed.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        self.term.is_some()
    }

    /// What has become of it by `now`. An account's own key is active until it is deleted.
    #[must_use]
    pub fn state(&self, now: UnixTime) -> KeyState {
        self.term.map_or(KeyState::Active, |term| term.state(now))
    }

    /// From when its deletion refuses no token any more that was signed here. `None` where it signs on.
    #[must_use]
    pub fn safe_to_delete_from(&self, now: UnixTime) -> Option<UnixTime> {
        let Some(term) = self.term else { return self.latest_exp };
        // One that never signed has no token that could live on.
        self.latest_exp.or(term.until).filter(|_| term.state(now) == KeyState::Retired)
    }
}

/// The live keys of account `$1`, and from when another managed key signs in a managed one's place.
macro_rules! select_keys {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.public_key, k.managed, k.created, k.signs_from, k.latest_exp, k.last_used, k.tokens_issued,
                (SELECT min(n.signs_from) FROM signing_key n WHERE n.account_id = k.account_id AND n.managed = 1
                    AND n.deleted IS NULL AND n.signs_from > k.signs_from) AS signs_until
             FROM signing_key k WHERE k.account_id = $1 AND k.deleted IS NULL ",
            $rest
        )
    };
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
        write.insert_key(NewKey { id: &id, account, public, managed: None, now }).await?;
        write.commit(created(account, &id, public, now)).await
    }

    /// The account's live key of that id, managed or its own.
    pub async fn signing_key(&self, account: &AccountId, id: &KeyId) -> Result<Option<SigningKeyRecord>, StoreError> {
        const SQL: &str = select_keys!("AND k.id = $2");
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

    /// The account's live keys, the managed ones among them, the oldest first.
    pub async fn list_signing_keys(&self, account: &AccountId) -> Result<Vec<SigningKeyRecord>, StoreError> {
        const SQL: &str = select_keys!("ORDER BY k.created, k.id");
        let rows: Vec<KeyRow> =
            on_pool!(self.pool(), db => sqlx::query_as(SQL).bind(account.as_str()).fetch_all(db).await)?;
        rows.into_iter().map(SigningKeyRecord::try_from).collect()
    }

    /// How many live keys of its own the account has: [`MAX_SIGNING_KEYS`] at most. Managed keys are not counted.
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
    /// Of a managed key: its sealed half, and from when it signs.
    managed: Option<(Vec<u8>, UnixTime)>,
    now: UnixTime,
}

impl Write<'_> {
    async fn insert_key(&mut self, new: NewKey<'_>) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO signing_key (id, account_id, public_key, sealed_private_key, managed, created, signs_from)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING";
        let (sealed, signs_from) = new.managed.unzip();
        let managed = i64::from(sealed.is_some());
        let inserted = on_tx!(self.tx, db => {
            let insert = sqlx::query(SQL).bind(new.id.as_str()).bind(new.account.as_str()).bind(new.public.spki_der());
            let insert = insert.bind(sealed).bind(managed).bind(new.now.0).bind(signs_from.map(|from| from.0));
            insert.execute(db).await.map(|done| done.rows_affected())
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
    signs_from: Option<i64>,
    signs_until: Option<i64>,
    latest_exp: Option<i64>,
    last_used: Option<i64>,
    tokens_issued: i64,
}

impl TryFrom<KeyRow> for SigningKeyRecord {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        let Ok(id) = row.id.parse() else { return Err(inconsistent(row.id, "id")) };
        let Ok(public) = PublicKey::from_spki_der(&row.public_key) else {
            return Err(inconsistent(row.id, "public_key"));
        };
        let term = match (row.managed, row.signs_from) {
            (0, None) => None,
            (1, Some(from)) => Some(Term { from: UnixTime(from), until: row.signs_until.map(UnixTime) }),
            _ => return Err(inconsistent(row.id, "signs_from")),
        };
        let Ok(tokens_issued) = u64::try_from(row.tokens_issued) else {
            return Err(inconsistent(row.id, "tokens_issued"));
        };
        Ok(Self {
            id,
            public,
            created: UnixTime(row.created),
            term,
            latest_exp: row.latest_exp.map(UnixTime),
            last_used: row.last_used.map(UnixTime),
            tokens_issued,
        })
    }
}
