//! The catalogue.

pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod embed;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod register;

mod changes;
mod query;

use vidpass_api_types::{Playback, Video as Shown, VideoStatus};
use vidpass_store::Video;

use crate::config::PublicUrl;
use crate::time::rfc3339;

/// A video as the API shows it.
fn shown(video: Video, public_url: &PublicUrl) -> Shown {
    let base = format!("{public_url}/{}", video.uid);
    Shown {
        uid: video.uid.to_string(),
        creator: video.creator,
        thumbnail: format!("{base}/thumbnails/thumbnail.jpg"),
        thumbnail_timestamp_pct: video.thumbnail_timestamp_pct,
        ready_to_stream: true,
        status: VideoStatus { state: "ready".to_owned() },
        meta: video.meta,
        created: rfc3339(video.created),
        modified: rfc3339(video.modified),
        uploaded: rfc3339(video.created),
        scheduled_deletion: video.scheduled_deletion.map(rfc3339),
        preview: format!("{base}/watch"),
        allowed_origins: video.policy.allowed_origins.iter().map(ToString::to_string).collect(),
        require_signed_urls: video.policy.require_signed_urls,
        playback: Playback { hls: format!("{base}/manifest/video.m3u8"), dash: format!("{base}/manifest/video.mpd") },
    }
}
