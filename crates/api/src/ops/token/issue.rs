//! The main job: issue a token.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use vidpass_api_types::{Envelope, IssueToken, IssuedToken};
use vidpass_token::{Token, VideoId};

use crate::body::SmallBody;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::issuing::{Issued, Order, issue};
use crate::path::Identifier;
use crate::state::Api;
use crate::token_request::TokenRequest;

/// Issue a token
///
/// The token opens one video until it expires, for everybody whom its access rules let in. The body is optional: none,
/// an empty one and `{}` ask for the defaults.
///
/// Without `id` and `pem` the account's managed key signs. A key that comes with the request is used and forgotten. A
/// token for a video or with a key that is not registered here is issued all the same, with a note in `messages`.
#[utoipa::path(
    post,
    path = "/client/v4/accounts/{account_id}/stream/{identifier}/token",
    tag = "Tokens",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 32)),
    request_body = IssueToken,
    responses((status = 200, description = "The token was issued", body = Envelope<IssuedToken>)),
)]
pub(crate) async fn issue_token(
    State(api): State<Api>,
    caller: Caller,
    Identifier(video): Identifier<VideoId>,
    body: SmallBody,
) -> Result<Response, ApiError> {
    // What would have to wait for too long is refused before anything is asked of the store.
    api.signer.require_room()?;
    let request = parse(&api, body).await?;
    let Issued { token, notes } = issue(&api, &caller, &video, request, Order::One).await?;
    if notes.is_empty() {
        return Ok(([(CONTENT_TYPE, "application/json")], done(&token)).into_response());
    }
    Ok(api.done_with(IssuedToken { token: token.as_str().to_owned() }, &notes).into_response())
}

/// [`Envelope::done`] as text. A token has nothing to escape, and looking for that in a kilobyte would be most of the answer's cost.
fn done(token: &Token) -> String {
    [r#"{"result":{"token":""#, token.as_str(), r#""},"success":true,"errors":[],"messages":[]}"#].concat()
}

async fn parse(api: &Api, body: SmallBody) -> Result<TokenRequest, ApiError> {
    let now = api.now();
    {
        let json = body.parse()?;
        if json.as_deref().is_none_or(|json| json.get("pem").is_none()) {
            return Ok(TokenRequest::parse(json.as_deref(), &api.config, now)?);
        }
    }
    // Checking a private key of 8192 bits keeps a core busy for many milliseconds; all else is done sooner than it is handed over.
    let config = api.config.clone();
    let parse = move || Ok(TokenRequest::parse(body.parse()?.as_deref(), &config, now)?);
    Box::pin(api.compute(parse)).await?
}

#[cfg(test)]
mod tests {
    use vidpass_token::{Algorithm, Claims, KeyId, SigningKey, UnixTime};

    use super::*;

    #[test]
    fn the_answer_is_the_envelope_that_all_others_have() {
        let key = SigningKey::generate(Algorithm::Es256, KeyId::random()).unwrap();
        let token = key.sign(&Claims::new("v1".parse().unwrap(), UnixTime(1))).unwrap();
        let envelope = Envelope::done(IssuedToken { token: token.as_str().to_owned() }, Vec::new());
        assert_eq!(done(&token), serde_json::to_string(&envelope).unwrap());
    }
}
