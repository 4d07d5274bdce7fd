//! The main job: issue a token.

use axum::extract::State;
use vidpass_api_types::{Envelope, IssueToken, IssuedToken};
use vidpass_token::{Claims, MAX_TOKEN_LENGTH, SignError, SigningKey, Token, UnixTime, VideoId, restricts_nobody};

use crate::body::JsonBody;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::metrics::SignedWith;
use crate::path::Identifier;
use crate::problem::{Note, Problem, ProblemKind};
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
    JsonBody(body): JsonBody,
) -> Answer<IssuedToken> {
    let now = api.now();
    let config = api.config.clone();
    // Checking a private key of 8192 bits keeps a core busy for many milliseconds.
    let request = api.compute(move || TokenRequest::parse(body.as_deref(), &config, now)).await??;
    let mut notes = notes(&api, &caller, &video, &request).await?;
    let claims = request.claims(video.clone(), now);
    let (key, signed_with) = match &request.key {
        Some(key) => {
            notes.extend(check_supplied_key(&caller, key, claims.expires).await?);
            (key.clone(), SignedWith::Supplied)
        }
        None => (api.keys.managed(&caller.store, &caller.account, claims.expires, now).await?, SignedWith::Managed),
    };
    let token = sign(&api, key.clone(), claims).await?;
    api.store.count_key_use(key.id(), now);
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, key.id = %key.id(), video.id = %video,
        token.fingerprint = %token.fingerprint(), "a token was issued");
    api.metrics.count_token(signed_with);
    Ok(api.done_with(IssuedToken { token: token.as_str().to_owned() }, &notes))
}

async fn notes(api: &Api, caller: &Caller, video: &VideoId, request: &TokenRequest) -> Result<Vec<Note>, ApiError> {
    let mut notes = Vec::new();
    let read = async || Ok(caller.store.video(&caller.account, video).await?.map(|_| ()));
    if api.videos.get(&caller.store, &(caller.account.clone(), video.clone()), read).await?.is_none() {
        notes.push(Note::VideoNotRegistered { uid: video.clone() });
    }
    if restricts_nobody(&request.access_rules) {
        notes.push(Note::RulesRestrictNobody);
    }
    Ok(notes)
}

/// Refuses a key whose tokens could never work here, or that is not the one that its id names.
///
/// Of a registered one it is kept when the last token is over that it signs here.
async fn check_supplied_key(caller: &Caller, key: &SigningKey, exp: UnixTime) -> Result<Option<Note>, ApiError> {
    let id = key.id().clone();
    match caller.store.signing_key(&caller.account, &id).await? {
        Some(known) if known.public == *key.public() => {
            let is_alive = caller.store.raise_latest_exp(&caller.account, &id, known.latest_exp, exp).await?;
            let deleted = || ApiError::invalid(Problem::at("/id", ProblemKind::KeyDeleted { id }));
            is_alive.then_some(None).ok_or_else(deleted)
        }
        Some(_) => Err(ApiError::invalid(Problem::at("/pem", ProblemKind::KeyMismatch { id }))),
        None if caller.store.is_signing_key_deleted(&caller.account, &id).await? => {
            Err(ApiError::invalid(Problem::at("/id", ProblemKind::KeyDeleted { id })))
        }
        None => Ok(Some(Note::KeyNotRegistered { id })),
    }
}

async fn sign(api: &Api, key: SigningKey, claims: Claims) -> Result<Token, ApiError> {
    let signed = api.compute(move || key.sign(&claims)).await?;
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else goes wrong is not the caller's doing")]
    signed.map_err(|error| match error {
        SignError::TooLong { length } => {
            let kind = ProblemKind::TokenTooLong { length, max: MAX_TOKEN_LENGTH };
            ApiError::invalid(Problem::at("/accessRules", kind))
        }
        other => ApiError::Sign(other),
    })
}
