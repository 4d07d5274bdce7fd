//! The catalogue: which videos there are, and who may see them under which conditions.

mod row;

use serde_json::{Map, Value};
use vidpass_token::{AccountId, AllowedOrigin, OriginName, UnixTime, VideoId, VideoPolicy};

use crate::audit::{Action, Event};
use crate::changes::{ChangeSeq, MAX_DELETED_TOLD, Touched, Write, readable};
use crate::error::{StoreError, without_nul};
use crate::pool::{Tx, on_pool, on_tx};
use crate::store::{Deletion, Liveness, Store};

pub(crate) use row::PolicyRow;
use row::VideoRow;

/// How many videos [`Store::list_videos`] gives at most.
pub const MAX_VIDEOS_LISTED: u32 = 1000;

/// How many characters [`VideoQuery::search`] and [`VideoQuery::creator`] have at most. SQLite refuses a pattern of
/// more than 50,000 bytes.
pub const MAX_QUERY_TEXT: usize = 256;

/// How many videos are deleted in one transaction by [`Store::delete_scheduled_videos`].
const DELETED_AT_ONCE: i64 = 100;

/// A video of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    /// Its id.
    pub uid: VideoId,
    /// Its owner, and what a gate asks before it serves it.
    pub policy: VideoPolicy,
    /// What its owner noted about it; `name` is what [`VideoQuery::search`] looks at.
    pub meta: Map<String, Value>,
    /// Who made it, in the owner's own terms.
    pub creator: Option<String>,
    /// When it is to be deleted.
    pub scheduled_deletion: Option<UnixTime>,
    /// The moment that its thumbnail shows, as a part of its length from 0 to 1.
    pub thumbnail_timestamp_pct: f64,
    /// When it was registered.
    pub created: UnixTime,
    /// When it was last changed.
    pub modified: UnixTime,
}

/// A video to be registered.
#[derive(Clone, Debug)]
pub struct NewVideo {
    /// Its id; where `None`, 32 random hexadecimal digits.
    pub uid: Option<VideoId>,
    /// Whether it needs a token.
    pub require_signed_urls: bool,
    /// The sites on which it may be embedded; none listed means all.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Whether its MP4 is offered for download at all.
    pub downloads: bool,
    /// Whether viewers are recorded and not refused; `None` is as the account says.
    pub dry_run: Option<bool>,
    /// The origin that has its files; `None` is as the account says.
    pub origin: Option<OriginName>,
    /// As in [`Video`].
    pub meta: Map<String, Value>,
    /// As in [`Video`].
    pub creator: Option<String>,
    /// As in [`Video`].
    pub scheduled_deletion: Option<UnixTime>,
    /// As in [`Video`].
    pub thumbnail_timestamp_pct: f64,
}

impl NewVideo {
    /// A video that needs a token, may be embedded anywhere, and is not offered for download.
    #[must_use]
    pub fn private(uid: Option<VideoId>) -> Self {
        Self {
            uid,
            require_signed_urls: true,
            allowed_origins: Vec::new(),
            downloads: false,
            dry_run: None,
            origin: None,
            meta: Map::new(),
            creator: None,
            scheduled_deletion: None,
            thumbnail_timestamp_pct: 0.0,
        }
    }
}

/// Which videos to list, and in which order.
#[derive(Clone, Debug)]
pub struct VideoQuery {
    /// At most so many, and never more than [`MAX_VIDEOS_LISTED`].
    pub limit: u32,
    /// Registered after this moment.
    pub after: Option<UnixTime>,
    /// Registered before this moment.
    pub before: Option<UnixTime>,
    /// The oldest first instead of the newest.
    pub ascending: bool,
    /// With this id.
    pub uid: Option<VideoId>,
    /// With this text somewhere in `meta.name`, in any case; at most [`MAX_QUERY_TEXT`] characters.
    pub search: Option<String>,
    /// Of this creator; at most [`MAX_QUERY_TEXT`] characters.
    pub creator: Option<String>,
}

impl Default for VideoQuery {
    fn default() -> Self {
        Self {
            limit: MAX_VIDEOS_LISTED,
            after: None,
            before: None,
            ascending: false,
            uid: None,
            search: None,
            creator: None,
        }
    }
}

impl Store {
    /// Registers a video.
    ///
    /// # Errors
    /// [`StoreError::VideoIdTaken`], also where another account deleted a video of that id;
    /// [`StoreError::AccountUnknown`].
    pub async fn register_video(&self, account: &AccountId, new: NewVideo, now: UnixTime) -> Result<Video, StoreError> {
        let video = new.into_video(account, now);
        check(&video)?;
        let mut write = self.begin_write().await?;
        write.require_account(account).await?;
        write.free_video_id(&video).await?;
        let seq = write.touch(Touched::Video(&video.uid)).await?;
        write.insert_video(&video, seq).await?;
        write.commit(Event::new(Action::VideoRegister, account, video.uid.as_str(), now)).await?;
        Ok(video)
    }

    /// The account's video of that id.
    pub async fn video(&self, account: &AccountId, uid: &VideoId) -> Result<Option<Video>, StoreError> {
        let row: Option<VideoRow> = on_pool!(self.pool(), db => {
            sqlx::query_as(row::ONE).bind(account.as_str()).bind(uid.as_str()).fetch_optional(db).await
        })?;
        row.map(Video::try_from).transpose()
    }

    /// The account's videos that the query asks for.
    ///
    /// # Errors
    /// [`StoreError::TextTooLong`], [`StoreError::NulInText`]
    pub async fn list_videos(&self, account: &AccountId, query: &VideoQuery) -> Result<Vec<Video>, StoreError> {
        let sql = if query.ascending { row::OLDEST_FIRST } else { row::NEWEST_FIRST };
        check_query_text("search", query.search.as_deref())?;
        check_query_text("creator", query.creator.as_deref())?;
        let after = query.after.map_or(i64::MIN, |moment| moment.0);
        let before = query.before.map_or(i64::MAX, |moment| moment.0);
        let pattern = query.search.as_deref().map(row::search_pattern);
        let rows: Vec<VideoRow> = on_pool!(self.pool(), db => {
            let select = sqlx::query_as(sql).bind(account.as_str()).bind(after).bind(before).bind(pattern);
            let select = select.bind(&query.creator).bind(query.uid.as_ref().map(VideoId::as_str));
            select.bind(i64::from(query.limit.min(MAX_VIDEOS_LISTED))).fetch_all(db).await
        })?;
        rows.into_iter().map(Video::try_from).collect()
    }

    /// Changes the account's video of that id as `edit` does, and returns it; `None` where there is none.
    ///
    /// The video is read, edited and written with no other writer in between, so that of two edits at one time both
    /// count. What `edit` does to the id, the owner and the times of creation and modification is ignored.
    pub async fn update_video(
        &self,
        account: &AccountId,
        uid: &VideoId,
        now: UnixTime,
        edit: impl FnOnce(&mut Video) + Send,
    ) -> Result<Option<Video>, StoreError> {
        let mut write = self.begin_write().await?;
        let Some(before) = write.video(account, uid).await? else { return Ok(None) };
        let mut video = before.clone();
        edit(&mut video);
        video.uid = before.uid.clone();
        video.policy.account = before.policy.account.clone();
        video.created = before.created;
        video.modified = now;
        check(&video)?;
        write.overwrite_video(&video).await?;
        write.touch(Touched::Video(uid)).await?;
        let event = Event::new(Action::VideoEdit, account, uid.as_str(), now);
        write.commit(event.with("changed", video.differs_in(&before))).await?;
        Ok(Some(video))
    }

    /// Deletes a video from the catalogue; its files are not touched. Only the same account can register its id again.
    ///
    /// # Errors
    /// [`StoreError::NotApplied`], also for a video that was deleted before: call again until it is gone for the gate
    /// too.
    pub async fn delete_video(
        &self,
        account: &AccountId,
        uid: &VideoId,
        now: UnixTime,
    ) -> Result<Deletion, StoreError> {
        const SQL: &str = "SELECT deleted FROM video WHERE account_id = $1 AND uid = $2";
        let mut write = self.begin_write().await?;
        let deleted: Option<Option<i64>> = on_tx!(write.tx, db => {
            sqlx::query_scalar(SQL).bind(account.as_str()).bind(uid.as_str()).fetch_optional(db).await
        })?;
        match Liveness::of_row(deleted) {
            Liveness::Live => {
                write.bury_video(uid, now).await?;
                write.commit(Event::new(Action::VideoDelete, account, uid.as_str(), now)).await?;
                Ok(Deletion::Deleted)
            }
            Liveness::Deleted => {
                write.settle().await?;
                Ok(Deletion::AlreadyDeleted)
            }
            Liveness::Unknown => Ok(Deletion::Unknown),
        }
    }

    /// Deletes the videos of all accounts whose scheduled deletion has come, and says how many.
    pub async fn delete_scheduled_videos(&self, now: UnixTime) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let deleted = self.delete_some_scheduled_videos(now).await?;
            total += deleted;
            if deleted == 0 {
                return Ok(total);
            }
        }
    }

    async fn delete_some_scheduled_videos(&self, now: UnixTime) -> Result<u64, StoreError> {
        const SQL: &str = "
            SELECT uid, account_id FROM video WHERE scheduled_deletion <= $1 AND deleted IS NULL
            ORDER BY scheduled_deletion LIMIT $2";
        // Asked regularly and mostly for nothing: no need to keep writers waiting.
        let due = on_pool!(self.pool(), db => {
            sqlx::query_as::<_, (String, String)>(SQL).bind(now.0).bind(1_i64).fetch_optional(db).await
        })?;
        if due.is_none() {
            return Ok(0);
        }
        let mut write = self.begin_write().await?;
        let due: Vec<(String, String)> =
            on_tx!(write.tx, db => sqlx::query_as(SQL).bind(now.0).bind(DELETED_AT_ONCE).fetch_all(db).await)?;
        for (uid, account) in &due {
            match uid.parse() {
                Ok(uid) => write.bury_video(&uid, now).await?,
                Err(_) => {
                    // It must not stop the others. No gate has to hear of it: none can know a video by this id.
                    tracing::error!(row = uid, "a video whose id cannot be read is deleted as scheduled");
                    write.bury_row(uid, now).await?;
                }
            }
            let event = Event::of_row(Action::VideoDelete, account, uid, now);
            write.record(event.with("scheduled", true)).await?;
        }
        write.finish().await?;
        Ok(due.len() as u64)
    }
}

impl NewVideo {
    fn into_video(self, account: &AccountId, now: UnixTime) -> Video {
        let policy = VideoPolicy {
            account: account.clone(),
            require_signed_urls: self.require_signed_urls,
            allowed_origins: self.allowed_origins,
            downloads: self.downloads,
            dry_run: self.dry_run,
            origin: self.origin,
        };
        Video {
            uid: self.uid.unwrap_or_else(VideoId::random),
            policy,
            meta: self.meta,
            creator: self.creator,
            scheduled_deletion: self.scheduled_deletion,
            thumbnail_timestamp_pct: self.thumbnail_timestamp_pct,
            created: now,
            modified: now,
        }
    }
}

impl Video {
    fn differs_in(&self, other: &Self) -> Vec<&'static str> {
        let (policy, others) = (&self.policy, &other.policy);
        let all = [
            ("require_signed_urls", policy.require_signed_urls != others.require_signed_urls),
            ("allowed_origins", policy.allowed_origins != others.allowed_origins),
            ("downloads", policy.downloads != others.downloads),
            ("dry_run", policy.dry_run != others.dry_run),
            ("origin", policy.origin != others.origin),
            ("meta", self.meta != other.meta),
            ("creator", self.creator != other.creator),
            ("scheduled_deletion", self.scheduled_deletion != other.scheduled_deletion),
            (
                "thumbnail_timestamp_pct",
                self.thumbnail_timestamp_pct.to_bits() != other.thumbnail_timestamp_pct.to_bits(),
            ),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

/// Refuses what one of the engines cannot hold.
fn check(video: &Video) -> Result<(), StoreError> {
    without_nul("creator", video.creator.as_deref().unwrap_or_default())
}

fn check_query_text(field: &'static str, text: Option<&str>) -> Result<(), StoreError> {
    let text = text.unwrap_or_default();
    let length = text.chars().count();
    if length > MAX_QUERY_TEXT {
        return Err(StoreError::TextTooLong { field, length, max: MAX_QUERY_TEXT });
    }
    without_nul(field, text)
}

impl Write<'_> {
    async fn video(&mut self, account: &AccountId, uid: &VideoId) -> Result<Option<Video>, StoreError> {
        let row: Option<VideoRow> = on_tx!(self.tx, db => {
            sqlx::query_as(row::ONE).bind(account.as_str()).bind(uid.as_str()).fetch_optional(db).await
        })?;
        row.map(Video::try_from).transpose()
    }

    /// Clears away what an account left of a video that it deleted, where it registers the id again.
    async fn free_video_id(&mut self, video: &Video) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM video WHERE uid = $1 AND account_id = $2 AND deleted IS NOT NULL";
        let (uid, account) = (video.uid.as_str(), video.policy.account.as_str());
        on_tx!(self.tx, db => sqlx::query(SQL).bind(uid).bind(account).execute(db).await.map(|_| ()))?;
        Ok(())
    }

    async fn insert_video(&mut self, video: &Video, seq: ChangeSeq) -> Result<(), StoreError> {
        let inserted = on_tx!(self.tx, db => {
            let insert = sqlx::query(row::INSERT).bind(video.uid.as_str()).bind(video.policy.account.as_str());
            let insert = insert.bind(video.created.0).bind(seq.get());
            row::bind_content!(insert, video).execute(db).await.map(|done| done.rows_affected())
        })?;
        if inserted == 0 {
            return Err(StoreError::VideoIdTaken { uid: video.uid.clone() });
        }
        Ok(())
    }

    async fn overwrite_video(&mut self, video: &Video) -> Result<(), StoreError> {
        on_tx!(self.tx, db => {
            let update = sqlx::query(row::UPDATE).bind(video.uid.as_str());
            row::bind_content!(update, video).execute(db).await.map(|_| ())
        })?;
        Ok(())
    }

    /// Leaves of a video nothing but that it was there, and whose it was.
    async fn bury_video(&mut self, uid: &VideoId, now: UnixTime) -> Result<(), StoreError> {
        self.bury_row(uid.as_str(), now).await?;
        self.touch(Touched::Video(uid)).await?;
        Ok(())
    }

    async fn bury_row(&mut self, uid: &str, now: UnixTime) -> Result<(), StoreError> {
        on_tx!(self.tx, db => sqlx::query(row::BURY).bind(uid).bind(now.0).execute(db).await.map(|_| ()))?;
        Ok(())
    }
}

/// The videos of all accounts, without those whose row cannot be read.
pub(crate) async fn all_live(tx: &mut Tx) -> Result<Vec<(VideoId, VideoPolicy)>, StoreError> {
    let rows: Vec<PolicyRow> = on_tx!(*tx, db => sqlx::query_as(row::ALL_POLICIES).fetch_all(db).await)?;
    Ok(rows.into_iter().map(PolicyRow::parse).filter_map(readable).collect())
}

/// The videos of all accounts that were deleted last, as many as a gate is told of.
pub(crate) async fn last_deleted(tx: &mut Tx) -> Result<Vec<VideoId>, StoreError> {
    const SQL: &str = "SELECT uid FROM video WHERE deleted IS NOT NULL ORDER BY deleted DESC LIMIT $1";
    let uids: Vec<String> = on_tx!(*tx, db => sqlx::query_scalar(SQL).bind(MAX_DELETED_TOLD).fetch_all(db).await)?;
    Ok(uids.into_iter().filter_map(|uid| uid.parse().ok()).collect())
}
