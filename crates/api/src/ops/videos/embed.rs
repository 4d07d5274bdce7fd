//! The code that embeds a video in a page.

use axum::extract::State;
use axum::response::Html;
use vidpass_token::VideoId;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::path::Identifier;
use crate::state::Api;

/// Get the embed code of a video
///
/// The answer is the HTML itself and not an envelope, because that is what the official SDKs hand on as a text. Of a
/// video that requires signed URLs, a token must stand in the place of the id.
#[utoipa::path(
    get,
    path = "/client/v4/accounts/{account_id}/stream/{identifier}/embed",
    tag = "Videos",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 32)),
    responses((status = 200, description = "The HTML", body = String, content_type = "text/html")),
)]
pub(crate) async fn get_embed(
    State(api): State<Api>,
    caller: Caller,
    Identifier(uid): Identifier<VideoId>,
) -> Result<Html<String>, ApiError> {
    caller.store.video(&caller.account, &uid).await?.ok_or(ApiError::VideoUnknown)?;
    // Neither part has a character that HTML would have escaped.
    let address = format!("{}/{uid}/iframe", api.config.public_url);
    Ok(Html(format!(
        "<iframe src=\"{address}\" style=\"border: none\" allow=\"autoplay; encrypted-media; fullscreen; \
         picture-in-picture\" allowfullscreen></iframe>"
    )))
}
