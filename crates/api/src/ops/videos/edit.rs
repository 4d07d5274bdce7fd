//! Change a video.

use axum::extract::State;
use vidpass_api_types::{EditVideo, Envelope, Video};
use vidpass_token::VideoId;

use super::changes::Changes;
use super::shown;
use crate::body::JsonBody;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::path::Identifier;
use crate::state::Api;

/// Edit a video
///
/// Changes the members that the body names. What Cloudflare Stream knows besides (`maxDurationSeconds`, `uploadExpiry`,
/// `publicDetails`, `uid`) is taken, has no effect, and gets a note in `messages`.
#[utoipa::path(
    post,
    path = "/client/v4/accounts/{account_id}/stream/{identifier}",
    tag = "Videos",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 32)),
    request_body = EditVideo,
    responses((status = 200, description = "The video after the change", body = Envelope<Video>)),
)]
pub(crate) async fn edit_video(
    State(api): State<Api>,
    caller: Caller,
    Identifier(uid): Identifier<VideoId>,
    JsonBody(body): JsonBody,
) -> Answer<Video> {
    let now = api.now();
    let mut changes = Changes::parse(body.as_deref(), now)?;
    let notes = std::mem::take(&mut changes.notes);
    let edited = caller.store.update_video(&caller.account, &uid, now, |video| changes.apply(video)).await?;
    let video = edited.ok_or(ApiError::VideoUnknown)?;
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, video.id = %uid, "a video was edited");
    Ok(api.done_with(shown(video, &api.config.public_url), &notes))
}
