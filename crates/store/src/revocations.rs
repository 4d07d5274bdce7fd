//! Tokens that are taken back.

use vidpass_token::{
    AccountId, RevocationExtent, RevocationId, RevocationKind, RevocationMark, RevokedSubject, SignedClaims,
    TokenMarks, UnixTime, ViewerVersion,
};

use crate::changes::{Touched, Write};
use crate::error::{StoreError, without_nul};
use crate::pool::{Tx, on_pool, on_tx};
use crate::store::{Deletion, Store};

/// How many revocations [`Store::list_revocations`] gives at most.
pub const MAX_REVOCATIONS_LISTED: usize = 1000;

/// How many that are over one write clears away.
const CLEARED_AT_ONCE: i64 = 100;

/// Tokens to be taken back.
#[derive(Clone, Debug)]
pub struct NewRevocation {
    /// Of what.
    pub subject: RevokedSubject,
    /// How many of its tokens.
    pub extent: RevocationExtent,
    /// Why, for people.
    pub reason: String,
    /// When the last token that it can concern is over; `None` where that is not known, and it stays.
    pub until: Option<UnixTime>,
}

/// Tokens that are taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Its id.
    pub id: RevocationId,
    /// Of what kind of subject.
    pub kind: RevocationKind,
    /// Of which one: an id, or the fingerprint of a token.
    pub subject: String,
    /// How many of its tokens.
    pub extent: RevocationExtent,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub created: UnixTime,
    /// When it goes.
    pub until: Option<UnixTime>,
}

impl Store {
    /// Takes tokens of an account back. Of one subject there is one revocation: where there is one already, both are
    /// joined under its id, so nothing that was taken back comes back.
    ///
    /// # Errors
    /// [`StoreError::AccountUnknown`]; [`StoreError::NulInText`] for the reason; [`StoreError::NotApplied`].
    pub async fn revoke(
        &self,
        account: &AccountId,
        new: &NewRevocation,
        now: UnixTime,
    ) -> Result<Revocation, StoreError> {
        without_nul("reason", &new.reason)?;
        let mark = new.subject.mark(account);
        let mut write = self.begin_write().await?;
        write.require_account(account).await?;
        let revocation = match write.find_revocation(mark).await? {
            Some(before) => Revocation {
                extent: before.extent.or(new.extent),
                reason: new.reason.clone(),
                until: before.until.zip(new.until).map(|(one, other)| one.max(other)),
                ..before
            },
            None => Revocation {
                id: RevocationId::random(),
                kind: new.subject.kind(),
                subject: shown(&new.subject),
                extent: new.extent,
                reason: new.reason.clone(),
                created: now,
                until: new.until,
            },
        };
        write.put_revocation(account, mark, &revocation).await?;
        write.clear_revocations(now).await?;
        write.commit().await?;
        Ok(revocation)
    }

    /// The account's newest revocations, at most [`MAX_REVOCATIONS_LISTED`].
    pub async fn list_revocations(&self, account: &AccountId) -> Result<Vec<Revocation>, StoreError> {
        const SQL: &str = "
            SELECT id, kind, subject, viewer_version, issued_before, reason, created, until FROM revocation
            WHERE account_id = $1 ORDER BY created DESC, id LIMIT $2";
        let limit = i64::try_from(MAX_REVOCATIONS_LISTED).expect("1,000 is a small number");
        let rows: Vec<RevocationRow> = on_pool!(self.pool(), db => {
            sqlx::query_as(SQL).bind(account.as_str()).bind(limit).fetch_all(db).await
        })?;
        rows.into_iter().map(Revocation::try_from).collect()
    }

    /// Takes a revocation away: tokens that are not over are good again.
    ///
    /// # Errors
    /// [`StoreError::NotApplied`]
    pub async fn delete_revocation(&self, account: &AccountId, id: &RevocationId) -> Result<Deletion, StoreError> {
        const SQL: &str = "DELETE FROM revocation WHERE account_id = $1 AND id = $2 RETURNING mark";
        let mut write = self.begin_write().await?;
        let mark: Option<String> = on_tx!(write.tx, db => {
            sqlx::query_scalar(SQL).bind(account.as_str()).bind(id.as_str()).fetch_optional(db).await
        })?;
        let Some(mark) = mark else { return Ok(Deletion::Unknown) };
        write.touch(Touched::Revocation(parse_mark(&mark, id.as_str())?)).await?;
        write.commit().await?;
        Ok(Deletion::Deleted)
    }

    /// Of what kind the revocation is that takes a token of the account back, where one does.
    pub async fn revoked(
        &self,
        account: &AccountId,
        claims: &SignedClaims,
    ) -> Result<Option<RevocationKind>, StoreError> {
        let mut tx = self.pool().begin_follow().await?;
        for (kind, mark) in TokenMarks::of(account, claims).iter() {
            if find(&mut tx, mark).await?.is_some_and(|revocation| revocation.extent.covers(claims)) {
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }
}

impl Write<'_> {
    async fn find_revocation(&mut self, mark: RevocationMark) -> Result<Option<Revocation>, StoreError> {
        find(&mut self.tx, mark).await
    }

    async fn put_revocation(
        &mut self,
        account: &AccountId,
        mark: RevocationMark,
        new: &Revocation,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO revocation
                (id, account_id, kind, subject, mark, viewer_version, issued_before, reason, created, until)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (mark) DO UPDATE SET viewer_version = excluded.viewer_version,
                issued_before = excluded.issued_before, reason = excluded.reason, until = excluded.until";
        let (version, issued_before) = match new.extent {
            RevocationExtent::All => (None, None),
            RevocationExtent::Versions(ViewerVersion(latest)) => (Some(i64::from(latest)), None),
            RevocationExtent::IssuedBefore(time) => (None, Some(time.0)),
        };
        on_tx!(self.tx, db => {
            let put = sqlx::query(SQL).bind(new.id.as_str()).bind(account.as_str()).bind(new.kind.name());
            let put = put.bind(&new.subject).bind(mark.to_hex()).bind(version).bind(issued_before);
            put.bind(&new.reason).bind(new.created.0).bind(new.until.map(|time| time.0)).execute(db).await.map(|_| ())
        })?;
        self.touch(Touched::Revocation(mark)).await?;
        Ok(())
    }

    /// Takes away some of those whose last token is over. Every write clears more than it adds, so none pile up.
    async fn clear_revocations(&mut self, now: UnixTime) -> Result<(), StoreError> {
        const SQL: &str = "
            DELETE FROM revocation WHERE id IN (SELECT id FROM revocation WHERE until < $1 LIMIT $2) RETURNING id, mark";
        let gone: Vec<(String, String)> =
            on_tx!(self.tx, db => sqlx::query_as(SQL).bind(now.0).bind(CLEARED_AT_ONCE).fetch_all(db).await)?;
        for (id, mark) in gone {
            self.touch(Touched::Revocation(parse_mark(&mark, &id)?)).await?;
        }
        Ok(())
    }
}

/// The revocations of all accounts. One whose row cannot be read takes back all that it can.
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<(RevocationMark, RevocationExtent)>, StoreError> {
    const SQL: &str = "SELECT mark, kind, viewer_version, issued_before FROM revocation";
    let rows: Vec<ExtentRow> = on_tx!(*tx, db => sqlx::query_as(SQL).fetch_all(db).await)?;
    rows.into_iter().map(|row| Ok((parse_mark(&row.mark, &row.mark)?, row.extent()))).collect()
}

async fn find(tx: &mut Tx, mark: RevocationMark) -> Result<Option<Revocation>, StoreError> {
    const SQL: &str = "
        SELECT id, kind, subject, viewer_version, issued_before, reason, created, until FROM revocation
        WHERE mark = $1";
    let row: Option<RevocationRow> =
        on_tx!(*tx, db => sqlx::query_as(SQL).bind(mark.to_hex()).fetch_optional(db).await)?;
    row.map(Revocation::try_from).transpose()
}

fn shown(subject: &RevokedSubject) -> String {
    match subject {
        RevokedSubject::Token(digest) => digest.fingerprint().to_string(),
        RevokedSubject::TokenId(id) => id.to_string(),
        RevokedSubject::Viewer(id) => id.to_string(),
        RevokedSubject::Video(id) => id.to_string(),
        RevokedSubject::Key(id) => id.to_string(),
    }
}

fn parse_mark(hex: &str, row: &str) -> Result<RevocationMark, StoreError> {
    RevocationMark::from_hex(hex).ok_or_else(|| inconsistent(row, "mark"))
}

fn inconsistent(row: &str, column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "revocation", row: row.to_owned(), column }
}

/// `None` where a column holds something that this program never writes.
fn extent(kind: RevocationKind, version: Option<i64>, issued_before: Option<i64>) -> Option<RevocationExtent> {
    match (kind, version, issued_before) {
        (_, None, None) => Some(RevocationExtent::All),
        (RevocationKind::Viewer, Some(version), None) => {
            Some(RevocationExtent::Versions(ViewerVersion(version.try_into().ok()?)))
        }
        (RevocationKind::Video, None, Some(time)) => Some(RevocationExtent::IssuedBefore(UnixTime(time))),
        _ => None,
    }
}

fn parse_kind(name: &str) -> Option<RevocationKind> {
    RevocationKind::ALL.into_iter().find(|kind| kind.name() == name)
}

/// What a gate needs of a revocation's row.
#[derive(sqlx::FromRow)]
pub(crate) struct ExtentRow {
    pub(crate) mark: String,
    pub(crate) kind: String,
    pub(crate) viewer_version: Option<i64>,
    pub(crate) issued_before: Option<i64>,
}

impl ExtentRow {
    /// All of the subject's tokens, where the row cannot be read: rather too many are refused than too few.
    pub(crate) fn extent(&self) -> RevocationExtent {
        let read = parse_kind(&self.kind).and_then(|kind| extent(kind, self.viewer_version, self.issued_before));
        read.unwrap_or_else(|| {
            tracing::error!(kind = self.kind, "a revocation cannot be read; it takes back all of its subject's tokens");
            RevocationExtent::All
        })
    }
}

#[derive(sqlx::FromRow)]
struct RevocationRow {
    id: String,
    kind: String,
    subject: String,
    viewer_version: Option<i64>,
    issued_before: Option<i64>,
    reason: String,
    created: i64,
    until: Option<i64>,
}

impl TryFrom<RevocationRow> for Revocation {
    type Error = StoreError;

    fn try_from(row: RevocationRow) -> Result<Self, StoreError> {
        let bad = |column| inconsistent(&row.id, column);
        let id = row.id.parse().map_err(|_| bad("id"))?;
        let kind = parse_kind(&row.kind).ok_or_else(|| bad("kind"))?;
        let extent = extent(kind, row.viewer_version, row.issued_before).ok_or_else(|| bad("viewer_version"))?;
        let (created, until) = (UnixTime(row.created), row.until.map(UnixTime));
        Ok(Self { id, kind, subject: row.subject, extent, reason: row.reason, created, until })
    }
}
