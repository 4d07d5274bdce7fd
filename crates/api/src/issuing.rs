//! From what is asked for to a token, for the operations that issue them.

use vidpass_token::{
    MAX_TOKEN_LENGTH, SignError, SigningKey, Token, UnixTime, UnsignedToken, VideoId, restricts_nobody,
};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::metrics::SignedWith;
use crate::problem::{Note, Problem, ProblemKind};
use crate::signer::SigningError;
use crate::state::Api;
use crate::token_request::TokenRequest;

/// A token, and what is worth noting about it.
pub(crate) struct Issued {
    pub(crate) token: Token,
    pub(crate) notes: Vec<Note>,
}

/// Whether somebody asks for a token, or for many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    One,
    OfMany,
}

/// Issues a token for `video`, as `request` asks for it.
pub(crate) async fn issue(
    api: &Api,
    caller: &Caller,
    video: &VideoId,
    request: TokenRequest,
    order: Order,
) -> Result<Issued, ApiError> {
    let now = api.now();
    let mut notes = notes(api, caller, video, &request).await?;
    let (supplied, claims) = request.into_claims(video.clone(), now);
    let (key, signed_with) = match supplied {
        Some(key) => {
            // Apart, since few bring a key, and all would carry the room that asking for it takes.
            notes.extend(Box::pin(check_supplied_key(caller, &key, claims.expires)).await?);
            (key, SignedWith::Supplied)
        }
        None => (api.keys.managed(&caller.store, &caller.account, claims.expires, now).await?, SignedWith::Managed),
    };
    let unsigned = key.prepare(&claims).map_err(|error| refused(error.into()))?;
    let token = sign(api, unsigned, order).await.map_err(refused)?;
    api.store.count_key_use(key.id(), now);
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, key.id = %key.id(), video.id = %video,
        token.fingerprint = %token.fingerprint(), "a token was issued");
    api.metrics.count_token(signed_with);
    Ok(Issued { token, notes })
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

async fn sign(api: &Api, token: UnsignedToken, order: Order) -> Result<Token, SigningError> {
    match order {
        Order::One => api.signer.sign(token).await,
        Order::OfMany => api.signer.sign_of_many(token).await,
    }
}

/// Tells a caller's mistake from ours.
fn refused(error: SigningError) -> ApiError {
    match error {
        SigningError::Sign(SignError::TooLong { length }) => {
            let kind = ProblemKind::TokenTooLong { length, max: MAX_TOKEN_LENGTH };
            ApiError::invalid(Problem::at("/accessRules", kind))
        }
        other => other.into(),
    }
}
