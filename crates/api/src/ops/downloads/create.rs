//! Offer a video for download.

use axum::extract::State;
use vidpass_api_types::{Downloads, Envelope};
use vidpass_token::VideoId;

use super::shown;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::path::Identifier;
use crate::state::Api;

/// Offer the download of a video
///
/// From the answer on `downloads/default.mp4` is served: to everybody where the video needs no token, else to tokens
/// with `downloadable`. A body is not read.
#[utoipa::path(
    post,
    path = "/client/v4/accounts/{account_id}/stream/{identifier}/downloads",
    tag = "Downloads",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 32)),
    responses((status = 200, description = "The downloads", body = Envelope<Downloads>)),
)]
pub(crate) async fn create_downloads(
    State(api): State<Api>,
    caller: Caller,
    Identifier(uid): Identifier<VideoId>,
) -> Answer<Downloads> {
    let offer = |video: &mut vidpass_store::Video| video.policy.downloads = true;
    let video =
        caller.store.update_video(&caller.account, &uid, api.now(), offer).await?.ok_or(ApiError::VideoUnknown)?;
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, video.id = %uid,
        "downloads of a video were allowed");
    Ok(api.done(shown(&video, &api.config.public_url)))
}
