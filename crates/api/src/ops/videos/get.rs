//! Show a video.

use axum::extract::State;
use vidpass_api_types::{Envelope, Video};
use vidpass_token::VideoId;

use super::shown;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::path::Identifier;
use crate::state::Api;

/// Get a video
#[utoipa::path(
    get,
    path = "/client/v4/accounts/{account_id}/stream/{identifier}",
    tag = "Videos",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 32)),
    responses((status = 200, description = "The video", body = Envelope<Video>)),
)]
pub(crate) async fn get_video(
    State(api): State<Api>,
    caller: Caller,
    Identifier(uid): Identifier<VideoId>,
) -> Answer<Video> {
    let video = caller.store.video(&caller.account, &uid).await?.ok_or(ApiError::VideoUnknown)?;
    Ok(api.done(shown(video, &api.config.public_url)))
}
