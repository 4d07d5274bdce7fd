//! Videos of the catalogue.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Video {
    /// Its id.
    #[schema(max_length = 32)]
    pub uid: String,
    /// Who made it, in the account's own terms.
    pub creator: Option<String>,
    /// Where its thumbnail is.
    pub thumbnail: String,
    /// The moment that the thumbnail shows, as a part of the video's length.
    #[schema(minimum = 0, maximum = 1)]
    pub thumbnail_timestamp_pct: f64,
    /// Whether it can be played. The server does not look at the files, so this is always true.
    pub ready_to_stream: bool,
    /// Its state.
    pub status: VideoStatus,
    /// What the account noted about it; `name` is what a search looks at.
    #[schema(value_type = Object)]
    pub meta: Map<String, Value>,
    /// When it was registered (RFC 3339).
    #[schema(format = DateTime)]
    pub created: String,
    /// When it was last changed (RFC 3339).
    #[schema(format = DateTime)]
    pub modified: String,
    /// When it was registered (RFC 3339), under another name.
    #[schema(format = DateTime)]
    pub uploaded: String,
    /// When it is to be deleted (RFC 3339).
    #[schema(format = DateTime)]
    pub scheduled_deletion: Option<String>,
    /// Where its page is.
    pub preview: String,
    /// The sites on which it may be embedded; none listed means all.
    pub allowed_origins: Vec<String>,
    /// Whether it needs a token.
    #[serde(rename = "requireSignedURLs")]
    pub require_signed_urls: bool,
    /// Where its manifests are.
    pub playback: Playback,
}

/// The state of a video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VideoStatus {
    /// Always `ready`.
    #[schema(example = "ready")]
    pub state: String,
}

/// Where the manifests of a video are. Of a video that requires signed URLs, a token must stand in the place of the id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Playback {
    /// The HLS manifest.
    pub hls: String,
    /// The DASH manifest.
    pub dash: String,
}

/// What to change of a video. What is left out stays as it is.
// Not `Deserialize`: it would read a null, which clears, as a member that was left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditVideo {
    /// The sites on which it may be embedded; none listed means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 100, nullable = false)]
    pub allowed_origins: Option<Vec<String>>,
    /// Who made it; null for nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, value_type = Option<String>)]
    pub creator: Option<Option<String>>,
    /// What the account notes about it, in the place of all that was noted; at most 8 KiB as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false)]
    pub meta: Option<Map<String, Value>>,
    /// Whether it needs a token.
    #[serde(rename = "requireSignedURLs", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub require_signed_urls: Option<bool>,
    /// When it is to be deleted (RFC 3339), a moment in the future; null for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, value_type = Option<String>)]
    pub scheduled_deletion: Option<Option<String>>,
    /// The moment that the thumbnail shows, as a part of the video's length.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1, nullable = false)]
    pub thumbnail_timestamp_pct: Option<f64>,
}

/// A video to be registered. What is left out has the safe value: a video needs a token unless this says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterVideo {
    /// Whether it needs a token; true where it is left out.
    #[serde(rename = "requireSignedURLs", skip_serializing_if = "Option::is_none")]
    #[schema(default = true, nullable = false)]
    pub require_signed_urls: Option<bool>,
    /// The sites on which it may be embedded; none listed means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 100, nullable = false)]
    pub allowed_origins: Option<Vec<String>>,
    /// What the account notes about it, at most 8 KiB as JSON; `name` is what a search looks at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false)]
    pub meta: Option<Map<String, Value>>,
    /// Who made it, in the account's own terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub creator: Option<String>,
    /// When it is to be deleted (RFC 3339), a moment in the future.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub scheduled_deletion: Option<String>,
    /// The moment that the thumbnail shows, as a part of the video's length.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1, nullable = false)]
    pub thumbnail_timestamp_pct: Option<f64>,
}
