//! Accounts: the tenants that own everything else.

use std::time::Duration;

use vidpass_token::{AccountId, AccountPolicy, OriginName, UnixTime};

use crate::audit::{Action, Event};
use crate::changes::{Touched, Write, readable};
use crate::error::{StoreError, without_nul};
use crate::keys::{self, RotateEvery};
use crate::pool::{Tx, on_pool, on_tx};
use crate::store::{Deletion, Liveness, Store};

/// A tenant that owns keys and videos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// What a gate asks before it serves a video that does not say it itself.
    pub policy: AccountPolicy,
    /// How often its managed key gets a successor; `None` is never by itself.
    pub rotate_every: Option<RotateEvery>,
    /// When it was made.
    pub created: UnixTime,
}

/// An account to be made.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// Its id; where `None`, 32 random hexadecimal digits.
    pub id: Option<AccountId>,
    /// What people call it.
    pub name: String,
}

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// [`StoreError::AccountIdTaken`], also where the account of that id was deleted.
    pub async fn create_account(&self, new: &NewAccount, now: UnixTime) -> Result<Account, StoreError> {
        const SQL: &str = "
            INSERT INTO account (id, name, created) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
        without_nul("name", &new.name)?;
        let id = new.id.clone().unwrap_or_else(AccountId::random);
        let mut write = self.begin_write().await?;
        let inserted = on_tx!(write.tx, db => {
            sqlx::query(SQL).bind(id.as_str()).bind(&new.name).bind(now.0).execute(db).await.map(|done| done.rows_affected())
        })?;
        if inserted == 0 {
            return Err(StoreError::AccountIdTaken { id });
        }
        write.commit(Event::new(Action::AccountCreate, &id, id.as_str(), now).with("name", &*new.name)).await?;
        Ok(Account { id, name: new.name.clone(), policy: AccountPolicy::default(), rotate_every: None, created: now })
    }

    /// All accounts, the oldest first.
    pub async fn list_accounts(&self) -> Result<Vec<Account>, StoreError> {
        const SQL: &str = "SELECT id, dry_run, origin, name, rotate_every, created FROM account WHERE deleted IS NULL ORDER BY created, id";
        let rows: Vec<AccountRow> = on_pool!(self.pool(), db => sqlx::query_as(SQL).fetch_all(db).await)?;
        rows.into_iter().map(Account::try_from).collect()
    }

    /// The account of that id.
    pub async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let row: Option<AccountRow> =
            on_pool!(self.pool(), db => sqlx::query_as(ONE).bind(id.as_str()).fetch_optional(db).await)?;
        row.map(Account::try_from).transpose()
    }

    /// Changes the account of that id as `edit` does, and returns it; `None` where there is none.
    ///
    /// What `edit` does to the id and the time of creation is ignored.
    ///
    /// # Errors
    /// [`StoreError::NulInText`] for the name.
    pub async fn update_account(
        &self,
        id: &AccountId,
        now: UnixTime,
        edit: impl FnOnce(&mut Account) + Send,
    ) -> Result<Option<Account>, StoreError> {
        const SQL: &str = "
            UPDATE account SET name = $2, dry_run = $3, origin = $4, rotate_every = $5 WHERE id = $1";
        let mut write = self.begin_write().await?;
        let row: Option<AccountRow> =
            on_tx!(write.tx, db => sqlx::query_as(ONE).bind(id.as_str()).fetch_optional(db).await)?;
        let Some(before) = row.map(Account::try_from).transpose()? else { return Ok(None) };
        let mut account = before.clone();
        edit(&mut account);
        (account.id, account.created) = (before.id.clone(), before.created);
        without_nul("name", &account.name)?;
        let (dry_run, origin) = (i64::from(account.policy.dry_run), account.policy.origin.as_ref());
        let rotate_every = account.rotate_every.map(|every| UnixTime(0).plus(every.get()).0);
        on_tx!(write.tx, db => {
            let update = sqlx::query(SQL).bind(id.as_str()).bind(&account.name).bind(dry_run);
            update.bind(origin.map(OriginName::as_str)).bind(rotate_every).execute(db).await.map(|_| ())
        })?;
        write.touch(Touched::Account(id)).await?;
        let event = Event::new(Action::AccountEdit, id, id.as_str(), now).with("changed", account.differs_in(&before));
        write.commit(event).await?;
        Ok(Some(account))
    }

    /// Deletes an account with its credentials and its managed keys. Its id is never given out again.
    ///
    /// # Errors
    /// [`StoreError::AccountNotEmpty`] while it has videos, or keys of its own; [`StoreError::NotApplied`], also for an
    /// account that was deleted before.
    pub async fn delete_account(&self, id: &AccountId, now: UnixTime) -> Result<Deletion, StoreError> {
        let mut write = self.begin_write().await?;
        match write.account_liveness(id).await? {
            Liveness::Live => {}
            Liveness::Deleted => {
                write.settle().await?;
                return Ok(Deletion::AlreadyDeleted);
            }
            Liveness::Unknown => return Ok(Deletion::Unknown),
        }
        write.require_empty_account(id).await?;
        write.bury_managed_keys(id, now).await?;
        on_tx!(write.tx, db => {
            sqlx::query("DELETE FROM credential WHERE account_id = $1").bind(id.as_str()).execute(db).await.map(|_| ())
        })?;
        on_tx!(write.tx, db => {
            let bury = sqlx::query("UPDATE account SET name = '', dry_run = 0, origin = NULL, deleted = $2 WHERE id = $1");
            bury.bind(id.as_str()).bind(now.0).execute(db).await.map(|_| ())
        })?;
        write.touch(Touched::Account(id)).await?;
        write.commit(Event::new(Action::AccountDelete, id, id.as_str(), now)).await?;
        Ok(Deletion::Deleted)
    }
}

impl Account {
    fn differs_in(&self, other: &Self) -> Vec<&'static str> {
        // Whoever adds a field says here what it is called.
        let Self { id: _, name, policy: AccountPolicy { dry_run, origin }, rotate_every, created: _ } = self;
        let all = [
            ("name", *name != other.name),
            ("dry_run", *dry_run != other.policy.dry_run),
            ("origin", *origin != other.policy.origin),
            ("rotate_every", *rotate_every != other.rotate_every),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

impl Write<'_> {
    /// Refuses where the account does not live.
    pub(crate) async fn require_account(&mut self, id: &AccountId) -> Result<(), StoreError> {
        match self.account_liveness(id).await? {
            Liveness::Live => Ok(()),
            Liveness::Deleted | Liveness::Unknown => Err(StoreError::AccountUnknown { id: id.clone() }),
        }
    }

    async fn account_liveness(&mut self, id: &AccountId) -> Result<Liveness, StoreError> {
        const SQL: &str = "SELECT deleted FROM account WHERE id = $1";
        let deleted: Option<Option<i64>> =
            on_tx!(self.tx, db => sqlx::query_scalar(SQL).bind(id.as_str()).fetch_optional(db).await)?;
        Ok(Liveness::of_row(deleted))
    }

    async fn require_empty_account(&mut self, id: &AccountId) -> Result<(), StoreError> {
        const VIDEOS: &str = "SELECT count(*) FROM video WHERE account_id = $1 AND deleted IS NULL";
        let keys = keys::count_own(&mut self.tx, id).await?;
        let videos: i64 = on_tx!(self.tx, db => sqlx::query_scalar(VIDEOS).bind(id.as_str()).fetch_one(db).await)?;
        let videos = u64::try_from(videos).expect("a count is not negative");
        if keys + videos > 0 {
            return Err(StoreError::AccountNotEmpty { id: id.clone(), keys, videos });
        }
        Ok(())
    }
}

const ONE: &str =
    "SELECT id, dry_run, origin, name, rotate_every, created FROM account WHERE id = $1 AND deleted IS NULL";

/// What the accounts say that say anything; `None` where the row cannot be read.
pub(crate) async fn all_policies(tx: &mut Tx) -> Result<Vec<(AccountId, Option<AccountPolicy>)>, StoreError> {
    const SQL: &str = "
        SELECT id, dry_run, origin FROM account WHERE deleted IS NULL AND (dry_run = 1 OR origin IS NOT NULL)";
    let rows: Vec<AccountPolicyRow> = on_tx!(*tx, db => sqlx::query_as(SQL).fetch_all(db).await)?;
    let policies = rows.into_iter().filter_map(|row| {
        // An id that cannot be read is no video's owner.
        let id = row.id.parse().ok()?;
        Some((id, readable(row.parse()).map(|(_, policy)| policy)))
    });
    Ok(policies.collect())
}

/// What a gate needs of an account's row.
#[derive(sqlx::FromRow)]
pub(crate) struct AccountPolicyRow {
    pub(crate) id: String,
    pub(crate) dry_run: i64,
    pub(crate) origin: Option<String>,
}

impl AccountPolicyRow {
    pub(crate) fn parse(self) -> Result<(AccountId, AccountPolicy), StoreError> {
        let bad = |column| StoreError::Inconsistent { table: "account", row: self.id.clone(), column };
        let origin = self.origin.as_deref().map(str::parse).transpose().map_err(|_| bad("origin"))?;
        let id = self.id.parse().map_err(|_| bad("id"))?;
        Ok((id, AccountPolicy { dry_run: self.dry_run != 0, origin }))
    }
}

#[derive(sqlx::FromRow)]
struct AccountRow {
    #[sqlx(flatten)]
    policy: AccountPolicyRow,
    name: String,
    rotate_every: Option<i64>,
    created: i64,
}

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;

    fn try_from(row: AccountRow) -> Result<Self, StoreError> {
        let (id, policy) = row.policy.parse()?;
        let every = |seconds| RotateEvery::try_from(Duration::from_secs(u64::try_from(seconds).ok()?)).ok();
        let rotate_every = match row.rotate_every {
            None => None,
            Some(seconds) => Some(every(seconds).ok_or_else(|| StoreError::Inconsistent {
                table: "account",
                row: id.to_string(),
                column: "rotate_every",
            })?),
        };
        Ok(Self { id, name: row.name, policy, rotate_every, created: UnixTime(row.created) })
    }
}
