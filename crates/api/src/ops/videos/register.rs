//! Register a video: ours, since here a video is not uploaded.

use axum::extract::State;
use vidpass_api_types::{Envelope, RegisterVideo, Video};
use vidpass_store::{NewVideo, StoreError, Video as Stored};
use vidpass_token::VideoId;

use super::changes::Changes;
use super::shown;
use crate::body::JsonBody;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::path::Identifier;
use crate::problem::{Problem, ProblemKind};
use crate::state::Api;

/// Register a video
///
/// An extension of vidpass: the video's files are put in their place by other means, and this tells the gate whose they
/// are and who may see them. A video needs a token unless the body says `"requireSignedURLs": false`.
///
/// The same request may be sent again. Where a video of this id exists with other values, or in another account, the
/// request is refused.
#[utoipa::path(
    put,
    path = "/client/v4/accounts/{account_id}/stream/{identifier}",
    tag = "Videos",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 32)),
    request_body = RegisterVideo,
    responses((status = 200, description = "The video is registered", body = Envelope<Video>)),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn register_video(
    State(api): State<Api>,
    caller: Caller,
    Identifier(uid): Identifier<VideoId>,
    JsonBody(body): JsonBody,
) -> Answer<Video> {
    // `…/stream/keys` and the like are paths of their own.
    if ["keys", "revocations"].contains(&uid.as_str()) {
        return Err(ApiError::invalid(Problem::elsewhere(ProblemKind::VideoUidTaken { uid })));
    }
    let now = api.now();
    let mut changes = Changes::parse(body.as_deref(), now)?;
    let notes = std::mem::take(&mut changes.notes);
    let mut new = NewVideo::private(Some(uid.clone()));
    changes.apply_new(&mut new);
    let video = match caller.store.register_video(&caller.account, new.clone(), now).await {
        Ok(video) => {
            tracing::info!(account.id = %caller.account, caller.id = %caller.credential, video.id = %uid,
                "a video was registered");
            video
        }
        Err(StoreError::VideoIdTaken { .. }) => {
            let own = caller.store.video(&caller.account, &uid).await?.filter(|own| is_as_asked(own, &new));
            own.ok_or_else(|| ApiError::invalid(Problem::elsewhere(ProblemKind::VideoUidTaken { uid })))?
        }
        Err(error) => return Err(error.into()),
    };
    Ok(api.done_with(shown(video, &api.config.public_url), &notes))
}

/// Whether the video is what the request would make it: then the request was sent before. Its downloads are not among
/// what a registration sets.
fn is_as_asked(video: &Stored, new: &NewVideo) -> bool {
    video.policy.require_signed_urls == new.require_signed_urls
        && video.policy.allowed_origins == new.allowed_origins
        && video.meta == new.meta
        && video.creator == new.creator
        && video.scheduled_deletion == new.scheduled_deletion
        && video.thumbnail_timestamp_pct.to_bits() == new.thumbnail_timestamp_pct.to_bits()
}
