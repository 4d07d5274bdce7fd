//! Make a signing key, or take one in.

use axum::extract::State;
use vidpass_api_types::{CreateKey, CreatedKey, Envelope, Failure};
use vidpass_store::StoreError;
use vidpass_token::{KeyId, PublicKey, SigningKey, UnixTime};

use crate::body::JsonBody;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::key_request::KeyRequest;
use crate::problem::{Problem, ProblemKind};
use crate::state::Api;
use crate::time::rfc3339;

/// Create a signing key
///
/// The answer is the only time that a new private key is shown; the server keeps its public part alone. An account may
/// have 1,000 keys.
///
/// The body is an extension of vidpass: it chooses the algorithm, or brings a key along, of which the public half is
/// enough. A key whose private half others can find is refused.
#[utoipa::path(
    post,
    path = "/client/v4/accounts/{account_id}/stream/keys",
    tag = "Signing keys",
    params(("account_id" = String, Path, max_length = 32)),
    request_body = Option<CreateKey>,
    responses(
        (status = 200, description = "The account has the key", body = Envelope<CreatedKey>),
        (status = 400, description = "The key cannot be used, or the account has as many as it may have", body = Failure),
    ),
)]
pub(crate) async fn create_key(State(api): State<Api>, caller: Caller, JsonBody(body): JsonBody) -> Answer<CreatedKey> {
    let now = api.now();
    let request = api.compute(move || KeyRequest::parse(body.as_deref())).await?;
    let created = match request.map_err(ApiError::Invalid)? {
        KeyRequest::Make(algorithm) => made(&api.keys.make(&caller.store, &caller.account, algorithm, now).await?, now),
        KeyRequest::Import { id, public } => {
            let added = caller.store.add_signing_key(&caller.account, &public, id.clone(), now).await;
            added.map_err(|error| match error {
                StoreError::KeyIdTaken { id } => ApiError::invalid(Problem::at("/id", ProblemKind::KeyIdTaken { id })),
                other => other.into(),
            })?;
            imported(&id, &public, now)
        }
    };
    api.key_sets.forget(&caller.account);
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, key.id = %created.id, key.alg = %created.alg,
        "a key was created");
    Ok(api.done(created))
}

fn made(key: &SigningKey, now: UnixTime) -> CreatedKey {
    CreatedKey {
        pem: Some(key.to_pem_base64().to_string()),
        jwk: Some(key.to_jwk_base64().to_string()),
        ..imported(key.id(), key.public(), now)
    }
}

fn imported(id: &KeyId, key: &PublicKey, now: UnixTime) -> CreatedKey {
    CreatedKey { id: id.to_string(), pem: None, jwk: None, created: rfc3339(now), alg: key.algorithm().to_string() }
}
