//! Downloads of a video.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which downloads a video offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Downloads {
    /// The MP4; absent where it is not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub default: Option<Download>,
}

/// A file that a video offers for download.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Download {
    /// Always `ready`: the file is where it was put.
    #[schema(example = "ready")]
    pub status: String,
    /// Where it is. Of a video that requires signed URLs, a token with `downloadable` must stand in the place of the id.
    pub url: String,
    /// Always 100.
    #[schema(minimum = 0, maximum = 100, example = 100.0)]
    pub percent_complete: f64,
}
