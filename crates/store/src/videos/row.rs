//! The rows of table `video`, and the statements on them.

use serde_json::{Map, Value};
use vidpass_token::{AllowedOrigin, UnixTime, VideoId, VideoPolicy};

use super::Video;
use crate::error::StoreError;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT uid, account_id, require_signed_urls, allowed_origins, downloads, dry_run, origin, meta, creator,
                    scheduled_deletion, thumbnail_timestamp_pct, created, modified
             FROM video WHERE account_id = $1 AND deleted IS NULL ",
            $rest
        )
    };
}

macro_rules! list {
    ($order:literal) => {
        concat!(
            select!(
                "AND created > $2 AND created < $3
                 AND ($4 IS NULL OR search_name LIKE $4 ESCAPE '\\') AND ($5 IS NULL OR creator = $5)
                 AND ($6 IS NULL OR uid = $6) "
            ),
            $order,
            " LIMIT $7"
        )
    };
}

pub(super) const ONE: &str = select!("AND uid = $2");
pub(super) const OLDEST_FIRST: &str = list!("ORDER BY created, registered");
pub(super) const NEWEST_FIRST: &str = list!("ORDER BY created DESC, registered DESC");

pub(super) const ALL_POLICIES: &str = "
    SELECT uid, account_id, require_signed_urls, allowed_origins, downloads, dry_run, origin
    FROM video WHERE deleted IS NULL";

pub(super) const INSERT: &str = "
    INSERT INTO video (uid, account_id, created, registered, require_signed_urls, allowed_origins, downloads, dry_run,
                       origin, meta, search_name, creator, scheduled_deletion, thumbnail_timestamp_pct, modified)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (uid) DO NOTHING";

pub(super) const UPDATE: &str = "
    UPDATE video SET require_signed_urls = $2, allowed_origins = $3, downloads = $4, dry_run = $5, origin = $6,
                     meta = $7, search_name = $8, creator = $9, scheduled_deletion = $10,
                     thumbnail_timestamp_pct = $11, modified = $12
    WHERE uid = $1 AND deleted IS NULL";

pub(super) const BURY: &str = "
    UPDATE video SET allowed_origins = '[]', dry_run = NULL, origin = NULL, meta = '{}', search_name = '',
                     creator = NULL, scheduled_deletion = NULL, modified = $2, deleted = $2
    WHERE uid = $1";

/// Binds what [`INSERT`] and [`UPDATE`] have in common, in the same order. A macro, since each driver's query is a
/// type of its own.
macro_rules! bind_content {
    ($query:expr, $video:expr) => {
        $query
            .bind(i64::from($video.policy.require_signed_urls))
            .bind($crate::videos::row::origins_to_text(&$video.policy.allowed_origins))
            .bind(i64::from($video.policy.downloads))
            .bind($video.policy.dry_run.map(i64::from))
            .bind($video.policy.origin.as_ref().map(vidpass_token::OriginName::as_str))
            .bind($crate::videos::row::meta_to_text(&$video.meta))
            .bind($crate::videos::row::search_name(&$video.meta))
            .bind(&$video.creator)
            .bind($video.scheduled_deletion.map(|moment| moment.0))
            .bind($video.thumbnail_timestamp_pct)
            .bind($video.modified.0)
    };
}

pub(super) use bind_content;

/// What a gate needs of a video's row.
#[derive(sqlx::FromRow)]
pub(crate) struct PolicyRow {
    pub(crate) uid: String,
    pub(crate) account_id: String,
    pub(crate) require_signed_urls: i64,
    pub(crate) allowed_origins: String,
    pub(crate) downloads: i64,
    pub(crate) dry_run: Option<i64>,
    pub(crate) origin: Option<String>,
}

impl PolicyRow {
    pub(crate) fn parse(self) -> Result<(VideoId, VideoPolicy), StoreError> {
        let bad = |column| inconsistent(&self.uid, column);
        let policy = VideoPolicy {
            account: self.account_id.parse().map_err(|_| bad("account_id"))?,
            require_signed_urls: self.require_signed_urls != 0,
            allowed_origins: origins_of_text(&self.allowed_origins).ok_or_else(|| bad("allowed_origins"))?,
            downloads: self.downloads != 0,
            dry_run: self.dry_run.map(|value| value != 0),
            origin: self.origin.map(|name| name.parse()).transpose().map_err(|_| inconsistent(&self.uid, "origin"))?,
        };
        Ok((self.uid.parse().map_err(|_| bad("uid"))?, policy))
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct VideoRow {
    #[sqlx(flatten)]
    policy: PolicyRow,
    meta: String,
    creator: Option<String>,
    scheduled_deletion: Option<i64>,
    thumbnail_timestamp_pct: f64,
    created: i64,
    modified: i64,
}

impl TryFrom<VideoRow> for Video {
    type Error = StoreError;

    fn try_from(row: VideoRow) -> Result<Self, StoreError> {
        let (uid, policy) = row.policy.parse()?;
        let Ok(meta) = serde_json::from_str(&row.meta) else { return Err(inconsistent(uid.as_str(), "meta")) };
        Ok(Self {
            uid,
            policy,
            meta,
            creator: row.creator,
            scheduled_deletion: row.scheduled_deletion.map(UnixTime),
            thumbnail_timestamp_pct: row.thumbnail_timestamp_pct,
            created: UnixTime(row.created),
            modified: UnixTime(row.modified),
        })
    }
}

fn inconsistent(uid: &str, column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "video", row: uid.to_owned(), column }
}

pub(super) fn origins_to_text(origins: &[AllowedOrigin]) -> String {
    Value::from_iter(origins.iter().map(ToString::to_string)).to_string()
}

fn origins_of_text(text: &str) -> Option<Vec<AllowedOrigin>> {
    let texts: Vec<String> = serde_json::from_str(text).ok()?;
    texts.iter().map(|text| text.parse().ok()).collect()
}

pub(super) fn meta_to_text(meta: &Map<String, Value>) -> String {
    serde_json::to_string(meta).expect("a JSON object can be written")
}

/// The name to search in, in lower case, as both engines must compare alike. PostgreSQL holds no NUL.
pub(super) fn search_name(meta: &Map<String, Value>) -> String {
    meta.get("name").and_then(Value::as_str).unwrap_or_default().to_lowercase().replace('\0', " ")
}

/// A pattern of `LIKE`, with `\` before each character that has a meaning there.
pub(super) fn search_pattern(search: &str) -> String {
    let mut pattern = String::from("%");
    for character in search.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern + "%"
}
