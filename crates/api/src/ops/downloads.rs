//! Whether the MP4 of a video is offered for download. The file itself is where it was put.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;

use vidpass_api_types::{Download, Downloads};
use vidpass_store::Video;

use crate::config::PublicUrl;

/// The downloads of a video as the API shows them.
fn shown(video: &Video, public_url: &PublicUrl) -> Downloads {
    let url = format!("{public_url}/{}/downloads/default.mp4", video.uid);
    let ready = || Download { status: "ready".to_owned(), url, percent_complete: 100.0 };
    Downloads { default: video.policy.downloads.then(ready) }
}
