//! The log of changes that gates follow, and the writers' wait until they did.
//!
//! A change gets its number from a counter of one row, in the transaction that makes the change. The row's lock is held
//! until the commit, so numbers follow the order of commits, none is skipped, and whoever has seen number `n` will
//! never be shown a smaller one later.

mod cursor;
mod followers;
mod log;
mod wakeups;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use vidpass_token::{AccountId, AccountPolicy, Chain, KeyId, PublicKey, RevocationMark, Taken, VideoId, VideoPolicy};

use crate::accounts;
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::keys;
use crate::pool::{Tx, on_tx, timed_out};
use crate::random;
use crate::revocations::{self, ByMark};
use crate::store::Store;
use crate::videos;

pub use cursor::{Cursor, CursorError};
pub(crate) use followers::Followers;
pub use followers::{Follower, Watcher};
pub use log::ChangeLog;

/// How many changes [`ChangeLog::changes_since`] gives at most.
pub const CHANGES_AT_ONCE: usize = 1000;

/// How long a follower waits for the first answer of its connection before it takes a new one: so long it may take at most
/// to come back where a network that swallowed everything carries again.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_millis(1500);

/// How long a look at changes may take where there are any: a little longer than PostgreSQL gives a statement.
const LOOK_TIMEOUT: Duration = Duration::from_secs(12);

/// How long a snapshot may take: each of its statements as long as PostgreSQL gives one.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);

/// How many changes the log keeps at least. A follower that was away for more takes everything anew.
const KEPT: i64 = 100_000;

/// Of how many deleted keys, and of how many deleted videos, a snapshot tells.
pub(crate) const MAX_DELETED_TOLD: i64 = 100_000;

/// How often the log is shortened, in changes.
const SHORTENED_EVERY: i64 = 1000;

/// The number of a change. The first one ever is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeSeq(pub(crate) i64);

impl ChangeSeq {
    /// Before the first change.
    pub(crate) const START: Self = Self(0);

    /// The number itself.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ChangeSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Everything that a gate decides from, as it was after the change at `cursor`.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The last change that is in it.
    pub cursor: Cursor,
    /// The live keys of all accounts.
    pub keys: Vec<(KeyId, AccountId, PublicKey)>,
    /// Keys that were deleted, the last ones of all accounts.
    pub deleted_keys: Vec<KeyId>,
    /// The videos of all accounts.
    pub videos: Vec<(VideoId, VideoPolicy)>,
    /// Videos that were deleted, the last ones of all accounts.
    pub deleted_videos: Vec<VideoId>,
    /// What accounts say about their videos, where they say anything; `None` where it cannot be read.
    pub accounts: Vec<(AccountId, Option<AccountPolicy>)>,
    /// What was taken back, of all accounts.
    pub revocations: Vec<(RevocationMark, Box<[Taken]>)>,
}

impl Snapshot {
    /// Everything in it, one by one: what was deleted first, since a key that was deleted stays so.
    pub fn into_subjects(self) -> impl Iterator<Item = Subject> + Send {
        let keys = self.keys.into_iter().map(|(id, account, public)| Subject::Key(id, Some((account, public))));
        let videos = self.videos.into_iter().map(|(uid, policy)| Subject::Video(uid, Some(policy)));
        let accounts = self.accounts.into_iter().map(|(id, policy)| Subject::Account(id, policy));
        let revocations = self.revocations.into_iter().map(|(mark, taken)| Subject::Revocation(mark, taken));
        let deleted_keys = self.deleted_keys.into_iter().map(|id| Subject::Key(id, None));
        let deleted_videos = self.deleted_videos.into_iter().map(|uid| Subject::Video(uid, None));
        deleted_keys.chain(deleted_videos).chain(keys).chain(videos).chain(accounts).chain(revocations)
    }
}

/// That something changed, and how it is now, which may be later than the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in the order of all changes.
    pub cursor: Cursor,
    /// What changed.
    pub subject: Subject,
}

/// Something that a gate decides from, as it is now. `None`: it was deleted, or its row cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An account, and what it says about its videos.
    Account(AccountId, Option<AccountPolicy>),
    /// A signing key.
    Key(KeyId, Option<(AccountId, PublicKey)>),
    /// What is taken back of one subject's tokens.
    Revocation(RevocationMark, Box<[Taken]>),
    /// A video.
    Video(VideoId, Option<VideoPolicy>),
}

impl ChangeLog {
    /// All live keys and videos, and what accounts say, in one consistent read.
    ///
    /// A row that cannot be read is logged as an error. A key or a video is left out then, which refuses its tokens; of an
    /// account it is told that nothing is known.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.within(SNAPSHOT_TIMEOUT, self.take_snapshot()).await
    }

    async fn take_snapshot(&self) -> Result<Snapshot, StoreError> {
        let (mut tx, cursor) = self.begin_look(None).await?;
        let keys = keys::all_live(&mut tx).await?;
        let deleted_keys = keys::last_deleted(&mut tx).await?;
        let videos = videos::all_live(&mut tx).await?;
        let deleted_videos = videos::last_deleted(&mut tx).await?;
        let accounts = accounts::all_policies(&mut tx).await?;
        let revocations = revocations::all(&mut tx).await?;
        Ok(Snapshot { cursor, keys, deleted_keys, videos, deleted_videos, accounts, revocations })
    }

    /// The changes after `known`, in order, at most [`CHANGES_AT_ONCE`]: ask again until there is none.
    ///
    /// # Errors
    /// Where [`StoreError::needs_snapshot`], the log does not lead on from `known`, and asking again does not help:
    /// [`StoreError::ChangeMissing`], [`StoreError::ChangeReplaced`], [`StoreError::ChangeUnreadable`],
    /// [`StoreError::HistoryRewound`].
    pub async fn changes_since(&self, known: Cursor) -> Result<Vec<Change>, StoreError> {
        self.within(LOOK_TIMEOUT, self.look(known)).await
    }

    /// A transaction for followers, the number of the last change that it sees, and the mark of the change numbered `seq`,
    /// or of the last one.
    async fn begin_look(&self, seq: Option<ChangeSeq>) -> Result<(Tx, Cursor), StoreError> {
        const SQLITE: &str = "
            SELECT c.seq, l.mark, FALSE FROM change_counter c LEFT JOIN change_log l ON l.seq = COALESCE($1, c.seq)";
        const POSTGRES: &str = "
            SELECT c.seq, l.mark, pg_is_in_recovery()
            FROM change_counter c LEFT JOIN change_log l ON l.seq = COALESCE($1, c.seq)";
        let begun = async {
            let mut tx = self.pool.begin().await?;
            let sql = match tx {
                Tx::Sqlite(_) => SQLITE,
                Tx::Postgres { .. } => POSTGRES,
            };
            // The first question that waits for an answer.
            let (counter, mark, is_standby): (i64, Option<i64>, bool) =
                on_tx!(tx, db => sqlx::query_as(sql).bind(seq.map(|seq| seq.0)).fetch_one(db).await)?;
            // It answers however far it is behind, and so its answer is no word of what was taken back.
            if is_standby {
                return Err(StoreError::Standby);
            }
            Ok((tx, Cursor { seq: ChangeSeq(counter), mark }))
        };
        self.within(FIRST_ANSWER_TIMEOUT, begun).await
    }

    /// Gives up the followers' connection, where it does not answer in time.
    async fn within<T>(
        &self,
        time: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(time, work).await.unwrap_or_else(|_| {
            self.pool.renew();
            Err(timed_out())
        })
    }

    async fn look(&self, known: Cursor) -> Result<Vec<Change>, StoreError> {
        const SQL: &str = "
            SELECT l.seq, l.mark, l.kind, l.subject,
                   k.id AS key_id, k.account_id AS key_account_id, k.public_key,
                   v.uid, v.account_id, v.require_signed_urls, v.allowed_origins, v.downloads,
                   v.dry_run AS video_dry_run, v.origin AS video_origin,
                   a.id AS owner_id, a.dry_run AS owner_dry_run, a.origin AS owner_origin
            FROM change_log l
            LEFT JOIN signing_key k ON l.kind = 'key' AND k.id = l.subject AND k.deleted IS NULL
            LEFT JOIN video v ON l.kind = 'video' AND v.uid = l.subject AND v.deleted IS NULL
            LEFT JOIN account a ON l.kind = 'account' AND a.id = l.subject AND a.deleted IS NULL
            WHERE l.seq > $1 AND l.seq <= $2 ORDER BY l.seq";
        let limit = i64::try_from(CHANGES_AT_ONCE).expect("1,000 is a small number");
        let (mut tx, found) = self.begin_look(Some(known.seq)).await?;
        let (known, counter) = (require_known(known, found)?, found.seq);
        if counter == known {
            // Most looks end here, with the one answer that must come soon.
            return Ok(Vec::new());
        }
        let last = counter.min(ChangeSeq(known.0.saturating_add(limit)));
        let rows: Vec<ChangeRow> =
            on_tx!(tx, db => sqlx::query_as(SQL).bind(known.0).bind(last.0).fetch_all(db).await)?;
        require_all(known, last, &rows)?;
        let revocations = revocations::changed_between(&mut tx, known, last).await?;
        rows.into_iter().map(|row| Change::of(row, &revocations)).collect()
    }
}

/// The number of the last change.
async fn counter(tx: &mut Tx) -> Result<ChangeSeq, StoreError> {
    const SQL: &str = "SELECT seq FROM change_counter";
    Ok(ChangeSeq(on_tx!(*tx, db => sqlx::query_scalar(SQL).fetch_one(db).await)?))
}

/// The number of `known`, where the log still has that change; `found` is the last number, with the mark of `known`'s.
fn require_known(known: Cursor, found: Cursor) -> Result<ChangeSeq, StoreError> {
    if found.seq < known.seq {
        return Err(StoreError::HistoryRewound { known: known.seq, counter: found.seq });
    }
    if found.mark != known.mark {
        return Err(StoreError::ChangeReplaced { seq: known.seq });
    }
    Ok(known.seq)
}

/// Refuses a log that lacks a change after `known`, up to `last`.
fn require_all(known: ChangeSeq, last: ChangeSeq, rows: &[ChangeRow]) -> Result<(), StoreError> {
    let found = rows.iter().map(|row| Some(row.seq)).chain([None]);
    match (known.0 + 1..=last.0).zip(found).find(|(expected, found)| Some(*expected) != *found) {
        Some((missing, _)) => Err(StoreError::ChangeMissing { seq: ChangeSeq(missing) }),
        None => Ok(()),
    }
}

#[derive(sqlx::FromRow)]
struct ChangeRow {
    seq: i64,
    mark: i64,
    kind: String,
    subject: String,
    key_id: Option<String>,
    key_account_id: Option<String>,
    public_key: Option<Vec<u8>>,
    uid: Option<String>,
    account_id: Option<String>,
    require_signed_urls: Option<i64>,
    allowed_origins: Option<String>,
    downloads: Option<i64>,
    video_dry_run: Option<i64>,
    video_origin: Option<String>,
    owner_id: Option<String>,
    owner_dry_run: Option<i64>,
    owner_origin: Option<String>,
}

impl Change {
    fn of(row: ChangeRow, revocations: &ByMark) -> Result<Self, StoreError> {
        let seq = ChangeSeq(row.seq);
        let cursor = Cursor { seq, mark: Some(row.mark) };
        let bad = || StoreError::ChangeUnreadable { seq };
        let subject = match row.kind.as_str() {
            "account" => Subject::Account(row.subject.parse().map_err(|_| bad())?, row.owner().and_then(readable)),
            "key" => Subject::Key(row.subject.parse().map_err(|_| bad())?, row.key().and_then(readable)),
            "revocation" => {
                let mark = RevocationMark::from_hex(&row.subject).ok_or_else(bad)?;
                Subject::Revocation(mark, revocations.get(&mark).map(|taken| taken[..].into()).unwrap_or_default())
            }
            "video" => Subject::Video(row.subject.parse().map_err(|_| bad())?, row.video().and_then(readable)),
            _ => return Err(bad()),
        };
        Ok(Self { cursor, subject })
    }
}

impl ChangeRow {
    fn key(self) -> Option<Result<(AccountId, PublicKey), StoreError>> {
        let row = keys::LiveKeyRow { id: self.key_id?, account_id: self.key_account_id?, public_key: self.public_key? };
        Some(row.parse().map(|(_, account, public)| (account, public)))
    }

    fn video(self) -> Option<Result<VideoPolicy, StoreError>> {
        let row = videos::PolicyRow {
            uid: self.uid?,
            account_id: self.account_id?,
            require_signed_urls: self.require_signed_urls?,
            allowed_origins: self.allowed_origins?,
            downloads: self.downloads?,
            dry_run: self.video_dry_run,
            origin: self.video_origin,
        };
        Some(row.parse().map(|(_, policy)| policy))
    }

    fn owner(self) -> Option<Result<AccountPolicy, StoreError>> {
        let (id, dry_run) = (self.owner_id?, self.owner_dry_run?);
        let row = accounts::AccountPolicyRow { id, dry_run, origin: self.owner_origin };
        Some(row.parse().map(|(_, policy)| policy))
    }
}

/// Leaves out a row that cannot be read: one damaged row must not stop the others from being followed.
pub(crate) fn readable<T>(row: Result<T, StoreError>) -> Option<T> {
    row.inspect_err(|error| tracing::error!(error = %Chain(error), "a row is left out; its tokens are refused")).ok()
}

/// Something that gates must look at again.
pub(crate) enum Touched<'a> {
    Account(&'a AccountId),
    Key(&'a KeyId),
    Revocation(RevocationMark),
    Video(&'a VideoId),
}

/// A write in progress: no other writer of the store, in any process, is at work. Dropped, it never happened.
pub(crate) struct Write<'s> {
    pub(crate) actor: &'s Actor,
    /// Whether a line of the audit log goes with it.
    pub(crate) recorded: bool,
    followers: &'s Followers,
    /// Of this process, for those who keep what they read.
    writes: &'s AtomicU64,
    pub(crate) tx: Tx,
    last: Option<ChangeSeq>,
}

impl Store {
    /// All live keys and videos, and what accounts say: [`ChangeLog::snapshot`].
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.change_log().snapshot().await
    }

    /// The changes after `known`: [`ChangeLog::changes_since`].
    pub async fn changes_since(&self, known: Cursor) -> Result<Vec<Change>, StoreError> {
        self.change_log().changes_since(known).await
    }

    /// Follows the changes from now on: [`ChangeLog::follower`].
    #[must_use]
    pub fn follower(&self) -> Follower {
        self.change_log().follower()
    }

    pub(crate) async fn begin_write(&self) -> Result<Write<'_>, StoreError> {
        let (tx, followers) = (self.pool().begin_write().await?, &self.change_log().followers);
        Ok(Write { actor: self.actor(), recorded: false, followers, writes: self.count_of_writes(), tx, last: None })
    }
}

impl Write<'_> {
    /// Appends to the change log.
    pub(crate) async fn touch(&mut self, touched: Touched<'_>) -> Result<ChangeSeq, StoreError> {
        const NEXT: &str = "UPDATE change_counter SET seq = seq + 1 RETURNING seq";
        const APPEND: &str = "INSERT INTO change_log (seq, mark, kind, subject) VALUES ($1, $2, $3, $4)";
        let (kind, subject) = match touched {
            Touched::Account(id) => ("account", id.to_string()),
            Touched::Key(id) => ("key", id.to_string()),
            Touched::Revocation(mark) => ("revocation", mark.to_hex()),
            Touched::Video(uid) => ("video", uid.to_string()),
        };
        let seq: i64 = on_tx!(self.tx, db => sqlx::query_scalar(NEXT).fetch_one(db).await)?;
        let mark = i64::from_be_bytes(random::bytes()?);
        on_tx!(self.tx, db => {
            sqlx::query(APPEND).bind(seq).bind(mark).bind(kind).bind(subject).execute(db).await.map(|_| ())
        })?;
        if seq % SHORTENED_EVERY == 0 {
            self.shorten_log(seq).await?;
        }
        if let Tx::Postgres { tx, .. } = &mut self.tx {
            // Told when this commits, once for all changes of it.
            sqlx::query("SELECT pg_notify($1, '')").bind(wakeups::CHANNEL).execute(&mut **tx).await?;
        }
        self.followers.forget_beyond(ChangeSeq(seq - 1));
        self.last = Some(ChangeSeq(seq));
        Ok(ChangeSeq(seq))
    }

    async fn shorten_log(&mut self, seq: i64) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM change_log WHERE seq <= $1";
        let last = seq.saturating_sub(KEPT);
        Ok(on_tx!(self.tx, db => sqlx::query(SQL).bind(last).execute(db).await.map(|_| ()))?)
    }

    /// Writes the change down in the audit log, commits both, and waits until the live followers of this process have
    /// applied what was appended to the change log.
    ///
    /// # Errors
    /// [`StoreError::NotApplied`] where they have not in time; what was written stays.
    pub(crate) async fn commit(mut self, event: Event<'_>) -> Result<(), StoreError> {
        self.record(event).await?;
        self.finish().await
    }

    /// [`Self::commit`] of changes that are written down already, or of what changes nothing that an account has.
    pub(crate) async fn finish(self) -> Result<(), StoreError> {
        debug_assert!(self.recorded || self.last.is_none(), "a change is missing in the audit log");
        let committed = self.tx.commit().await;
        // Whether it worked or not: an error may come of an answer that was lost.
        self.writes.fetch_add(1, Ordering::Release);
        committed?;
        match self.last {
            Some(seq) => self.followers.announce(seq).await,
            None => Ok(()),
        }
    }

    /// Writes nothing, and waits until the live followers of this process have applied all that anybody committed:
    /// what was deleted by an earlier call is then refused, whatever that call was told.
    ///
    /// # Errors
    /// [`StoreError::NotApplied`] where they have not in time.
    pub(crate) async fn settle(mut self) -> Result<(), StoreError> {
        let seq = counter(&mut self.tx).await?;
        self.followers.forget_beyond(seq);
        let Self { followers, tx, .. } = self;
        // Others can write while this one waits.
        drop(tx);
        followers.announce(seq).await
    }
}
