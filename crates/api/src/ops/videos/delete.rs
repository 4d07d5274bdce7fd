//! Delete a video.

use axum::extract::State;
use vidpass_api_types::Envelope;
use vidpass_store::Deletion;
use vidpass_token::VideoId;

use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::path::Identifier;
use crate::state::Api;

/// Delete a video
///
/// Takes the video out of the catalogue: from the answer on its tokens are refused. Its files stay where they are.
/// Deleting it again is answered alike.
#[utoipa::path(
    delete,
    path = "/client/v4/accounts/{account_id}/stream/{identifier}",
    tag = "Videos",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 32)),
    responses((status = 200, description = "The video is deleted; the result is an empty text", body = Envelope<String>)),
)]
pub(crate) async fn delete_video(
    State(api): State<Api>,
    caller: Caller,
    Identifier(uid): Identifier<VideoId>,
) -> Answer<&'static str> {
    match caller.store.delete_video(&caller.account, &uid, api.now()).await? {
        Deletion::Deleted => {
            tracing::info!(account.id = %caller.account, caller.id = %caller.credential, video.id = %uid,
                "a video was deleted");
        }
        // A request that is sent again after its answer was lost must not fail.
        Deletion::AlreadyDeleted => {}
        Deletion::Unknown => return Err(ApiError::VideoUnknown),
    }
    Ok(api.done(""))
}
