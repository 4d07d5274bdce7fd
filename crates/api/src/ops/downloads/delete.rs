//! Offer a video no longer for download.

use axum::extract::State;
use vidpass_api_types::Envelope;
use vidpass_token::VideoId;

use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::path::Identifier;
use crate::state::Api;

/// Withdraw the download of a video
///
/// From the answer on `downloads/default.mp4` is refused. The file stays where it is.
#[utoipa::path(
    delete,
    path = "/client/v4/accounts/{account_id}/stream/{identifier}/downloads",
    tag = "Downloads",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 32)),
    responses((status = 200, description = "The download is withdrawn", body = Envelope<String>)),
)]
pub(crate) async fn delete_downloads(
    State(api): State<Api>,
    caller: Caller,
    Identifier(uid): Identifier<VideoId>,
) -> Answer<&'static str> {
    let withdraw = |video: &mut vidpass_store::Video| video.policy.downloads = false;
    caller.store.update_video(&caller.account, &uid, api.now(), withdraw).await?.ok_or(ApiError::VideoUnknown)?;
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, video.id = %uid,
        "downloads of a video were withdrawn");
    Ok(api.done("Ok"))
}
