//! Show the downloads of a video.

use axum::extract::State;
use vidpass_api_types::{Downloads, Envelope};
use vidpass_token::VideoId;

use super::shown;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::path::Identifier;
use crate::state::Api;

/// Get the downloads of a video
///
/// The result is empty where the MP4 is not offered.
#[utoipa::path(
    get,
    path = "/client/v4/accounts/{account_id}/stream/{identifier}/downloads",
    tag = "Downloads",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 32)),
    responses((status = 200, description = "The downloads", body = Envelope<Downloads>)),
)]
pub(crate) async fn get_downloads(
    State(api): State<Api>,
    caller: Caller,
    Identifier(uid): Identifier<VideoId>,
) -> Answer<Downloads> {
    let video = caller.store.video(&caller.account, &uid).await?.ok_or(ApiError::VideoUnknown)?;
    Ok(api.done(shown(&video, &api.config.public_url)))
}
