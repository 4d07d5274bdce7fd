//! Tokens that are taken back.

use std::collections::HashMap;
use std::time::Duration;

use vidpass_token::{
    AccountId, Denial, RevocationExtent, RevocationId, RevocationKind, RevocationMark, RevokedSubject, SignedClaims,
    Standing, Taken, TokenMarks, UnixTime, UnverifiedToken, ViewerVersion,
};

use crate::audit::{Action, Event};
use crate::changes::{ChangeSeq, Touched, Write};
use crate::error::{StoreError, without_nul};
use crate::pool::{Tx, on_pool, on_tx};
use crate::store::{Deletion, Store};

/// How many revocations [`Store::list_revocations`] gives at most.
pub const MAX_REVOCATIONS_LISTED: usize = 1000;

/// How many revocations one subject may have. Gates are told all of a subject's at once.
pub const MAX_REVOCATIONS_OF_SUBJECT: u64 = 1000;

/// How many that are over one transaction clears away.
const CLEARED_AT_ONCE: i64 = 100;

/// How long they stay after their end: one that goes by a clock that is ahead would let its tokens in again, so a clock must be
/// very wrong for that.
const CLEARED_AFTER: Duration = Duration::from_secs(7 * 86_400);

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

impl NewRevocation {
    /// One token alone, until it is over.
    #[must_use]
    pub fn of_token(claims: &SignedClaims, reason: String) -> Self {
        Self {
            subject: RevokedSubject::Token(claims.digest()),
            extent: RevocationExtent::All,
            reason,
            until: Some(claims.expires()),
        }
    }
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
    /// Takes tokens of an account back.
    ///
    /// # Errors
    /// [`StoreError::AccountUnknown`]; [`StoreError::NulInText`] for the reason; [`StoreError::TooManyRevocations`];
    /// [`StoreError::NotApplied`].
    pub async fn revoke(
        &self,
        account: &AccountId,
        new: &NewRevocation,
        now: UnixTime,
    ) -> Result<Revocation, StoreError> {
        without_nul("reason", &new.reason)?;
        let mark = new.subject.mark(account);
        let revocation = Revocation {
            id: RevocationId::random(),
            kind: new.subject.kind(),
            subject: shown(&new.subject),
            extent: new.extent,
            reason: new.reason.clone(),
            created: now,
            until: new.until,
        };
        let mut write = self.begin_write().await?;
        write.require_account(account).await?;
        write.insert_revocation(account, mark, &revocation).await?;
        let event = Event::new(Action::RevocationCreate, account, revocation.id.as_str(), now);
        let event = event.with("kind", revocation.kind.name()).with("subject", &*revocation.subject);
        write.commit(event.with("reason", &*revocation.reason)).await?;
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
    pub async fn delete_revocation(
        &self,
        account: &AccountId,
        id: &RevocationId,
        now: UnixTime,
    ) -> Result<Deletion, StoreError> {
        const SQL: &str = "DELETE FROM revocation WHERE account_id = $1 AND id = $2 RETURNING mark, kind, subject";
        let mut write = self.begin_write().await?;
        let deleted: Option<(String, String, String)> = on_tx!(write.tx, db => {
            sqlx::query_as(SQL).bind(account.as_str()).bind(id.as_str()).fetch_optional(db).await
        })?;
        let Some((mark, kind, subject)) = deleted else { return Ok(Deletion::Unknown) };
        write.touch(Touched::Revocation(parse_mark(&mark, id.as_str())?)).await?;
        let event = Event::new(Action::RevocationDelete, account, id.as_str(), now);
        write.commit(event.with("kind", kind).with("subject", subject)).await?;
        Ok(Deletion::Deleted)
    }

    /// Clears the revocations of all accounts that have been over for a week by `now`, and says how many.
    ///
    /// For the server's housekeeping alone: whoever takes something back may have a clock that is wrong.
    pub async fn clear_revocations(&self, now: UnixTime) -> Result<u64, StoreError> {
        let before = now.minus(CLEARED_AFTER);
        let mut total = 0;
        while self.has_revocations_until(before).await? {
            total += self.clear_some_revocations(before).await?;
        }
        Ok(total)
    }

    /// Asked regularly and mostly for nothing: no need to keep writers waiting.
    async fn has_revocations_until(&self, before: UnixTime) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT id FROM revocation WHERE until < $1 LIMIT 1";
        let found: Option<String> =
            on_pool!(self.pool(), db => sqlx::query_scalar(SQL).bind(before.0).fetch_optional(db).await)?;
        Ok(found.is_some())
    }

    async fn clear_some_revocations(&self, before: UnixTime) -> Result<u64, StoreError> {
        const SQL: &str = "
            DELETE FROM revocation WHERE id IN (SELECT id FROM revocation WHERE until < $1 LIMIT $2) RETURNING mark";
        let mut write = self.begin_write().await?;
        let gone: Vec<String> = on_tx!(write.tx, db => {
            sqlx::query_scalar(SQL).bind(before.0).bind(CLEARED_AT_ONCE).fetch_all(db).await
        })?;
        for mark in &gone {
            // It must not stop the others. No gate has to hear of it: none can know a revocation by this mark.
            match RevocationMark::from_hex(mark) {
                Some(mark) => drop(write.touch(Touched::Revocation(mark)).await?),
                None => tracing::error!(mark, "a revocation whose mark cannot be read is cleared"),
            }
        }
        // What is over takes nothing back any more: an account loses nothing that the audit log must tell of.
        write.recorded = true;
        write.finish().await?;
        Ok(gone.len() as u64)
    }

    /// The claims of a token of the account, or why it is none: it cannot be read, or no live key of the account signed it.
    pub async fn verify(&self, account: &AccountId, token: &str) -> Result<Result<SignedClaims, Denial>, StoreError> {
        let unverified = match UnverifiedToken::parse(token) {
            Ok(unverified) => unverified,
            Err(error) => return Ok(Err(error.into())),
        };
        let id = unverified.key_id().clone();
        Ok(match self.signing_key(account, &id).await? {
            Some(key) => unverified.verify(&key.public).map_err(Denial::from),
            None => Err(Denial::KeyUnknown { key: id }),
        })
    }

    /// How a token of the account stands.
    pub async fn standing(
        &self,
        account: &AccountId,
        claims: &SignedClaims,
        now: UnixTime,
    ) -> Result<Standing, StoreError> {
        const SQL: &str = "
            SELECT mark, kind, viewer_version, issued_before, until FROM revocation
            WHERE mark IN ($1, $2, $3, $4, $5)";
        let marks = TokenMarks::of(account, claims);
        let mut texts: Vec<String> = marks.iter().map(|(_, mark)| mark.to_hex()).collect();
        // A token that lacks a subject asks for another one's mark again.
        texts.resize(RevocationKind::ALL.len(), texts[0].clone());
        let rows: Vec<TakenRow> = on_pool!(self.pool(), db => {
            let asked = texts.iter().fold(sqlx::query_as(SQL), |query, mark| query.bind(mark));
            asked.fetch_all(db).await
        })?;
        let found = by_mark(rows)?;
        Ok(marks.standing(claims, now, |mark| found.get(&mark).map_or(&[], Vec::as_slice)))
    }
}

impl Write<'_> {
    async fn insert_revocation(
        &mut self,
        account: &AccountId,
        mark: RevocationMark,
        new: &Revocation,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO revocation
                (id, account_id, kind, subject, mark, viewer_version, issued_before, reason, created, until)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        const COUNT: &str = "SELECT count(*) FROM revocation WHERE mark = $1";
        let count: i64 = on_tx!(self.tx, db => sqlx::query_scalar(COUNT).bind(mark.to_hex()).fetch_one(db).await)?;
        if u64::try_from(count).expect("a count is not negative") >= MAX_REVOCATIONS_OF_SUBJECT {
            return Err(StoreError::TooManyRevocations);
        }
        let (version, issued_before) = match new.extent {
            RevocationExtent::All => (None, None),
            RevocationExtent::Versions(ViewerVersion(latest)) => (Some(i64::from(latest)), None),
            RevocationExtent::IssuedBefore(time) => (None, Some(time.0)),
        };
        on_tx!(self.tx, db => {
            let insert = sqlx::query(SQL).bind(new.id.as_str()).bind(account.as_str()).bind(new.kind.name());
            let insert = insert.bind(&new.subject).bind(mark.to_hex()).bind(version).bind(issued_before);
            let insert = insert.bind(&new.reason).bind(new.created.0).bind(new.until.map(|time| time.0));
            insert.execute(db).await.map(|_| ())
        })?;
        self.touch(Touched::Revocation(mark)).await?;
        Ok(())
    }
}

/// What is taken back, by its mark.
pub(crate) type ByMark = HashMap<RevocationMark, Vec<Taken>>;

/// The revocations of all accounts.
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<(RevocationMark, Box<[Taken]>)>, StoreError> {
    const SQL: &str = "SELECT mark, kind, viewer_version, issued_before, until FROM revocation";
    let rows: Vec<TakenRow> = on_tx!(*tx, db => sqlx::query_as(SQL).fetch_all(db).await)?;
    Ok(by_mark(rows)?.into_iter().map(|(mark, taken)| (mark, taken.into())).collect())
}

/// What is taken back now of the subjects that changed after `known`, up to `last`.
pub(crate) async fn changed_between(tx: &mut Tx, known: ChangeSeq, last: ChangeSeq) -> Result<ByMark, StoreError> {
    const SQL: &str = "
        SELECT mark, kind, viewer_version, issued_before, until FROM revocation WHERE mark IN
            (SELECT subject FROM change_log WHERE kind = 'revocation' AND seq > $1 AND seq <= $2)";
    by_mark(on_tx!(*tx, db => sqlx::query_as(SQL).bind(known.get()).bind(last.get()).fetch_all(db).await)?)
}

fn by_mark(rows: Vec<TakenRow>) -> Result<ByMark, StoreError> {
    let mut all = ByMark::new();
    for row in rows {
        all.entry(parse_mark(&row.mark, &row.mark)?).or_default().push(row.taken());
    }
    Ok(all)
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
struct TakenRow {
    mark: String,
    kind: String,
    viewer_version: Option<i64>,
    issued_before: Option<i64>,
    until: Option<i64>,
}

impl TakenRow {
    /// All of the subject's tokens, where the row cannot be read: rather too many are refused than too few.
    fn taken(&self) -> Taken {
        let read = parse_kind(&self.kind).and_then(|kind| extent(kind, self.viewer_version, self.issued_before));
        let extent = read.unwrap_or_else(|| {
            tracing::error!(kind = self.kind, "a revocation cannot be read; it takes back all of its subject's tokens");
            RevocationExtent::All
        });
        Taken { extent, until: self.until.map(UnixTime) }
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
