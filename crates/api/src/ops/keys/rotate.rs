//! Give the managed key a successor.

use axum::extract::State;
use vidpass_api_types::{Envelope, Failure, NewManagedKey, RotateKeys, RotatedKeys};
use vidpass_store::Occasion;

use crate::body::JsonBody;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::rotation::{NextKey, Rotation};
use crate::rotation_request::RotationRequest;
use crate::state::Api;
use crate::time::rfc3339;

/// Rotate the managed key
///
/// An extension of vidpass. A new managed key is made. It signs where a token request brings no key as soon as every gate
/// knows it; until then the one before it goes on. The tokens of that one stay good until they are over, and a minute later
/// it is deleted by itself.
///
/// With `every` a schedule is kept, and a key is made now only if it asks for one.
#[utoipa::path(
    post,
    path = "/client/v4/accounts/{account_id}/stream/keys/rotate",
    tag = "Signing keys",
    params(("account_id" = String, Path, max_length = 32)),
    request_body = Option<RotateKeys>,
    responses(
        (status = 200, description = "The key has a successor, or the schedule is kept", body = Envelope<RotatedKeys>),
        (status = 400, description = "The request is wrong, or the account has as many managed keys as it may have", body = Failure),
    ),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn rotate_keys(
    State(api): State<Api>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Answer<RotatedKeys> {
    let now = api.now();
    let request = RotationRequest::parse(body.as_deref())?;
    let (account, occasion) = match request.every {
        Some(every) => {
            let account =
                caller.store.update_account(&caller.account, now, |account| account.rotate_every = every).await?;
            (account, Occasion::Scheduled)
        }
        None => (caller.store.account(&caller.account).await?, Occasion::Asked),
    };
    // It was deleted while the request was under way.
    let account = account.ok_or(ApiError::AccountForeign)?;
    let rotation = Rotation { algorithm: request.algorithm, occasion, learnt_after: api.config.learnt_after };
    let next = api.keys.rotate(&caller.store, &account.id, rotation, now).await?;
    if let Some(next) = &next {
        api.key_sets.forget(&account.id);
        tracing::info!(account.id = %account.id, caller.id = %caller.credential, key.id = %next.id, "a managed key was rotated");
    }
    Ok(api.done(RotatedKeys {
        every: account.rotate_every.map_or(0, |every| every.get().as_secs()),
        key: next.map(|next| shown(&api, next)),
    }))
}

fn shown(api: &Api, next: NextKey) -> NewManagedKey {
    // Until it retires, the one before may sign tokens that live for as long as any.
    let last = next.signs_from.plus(api.config.max_token_lifetime);
    NewManagedKey {
        id: next.id.to_string(),
        alg: next.algorithm.to_string(),
        signs_from: rfc3339(next.signs_from),
        replaced_safe_to_delete_from: next.replaces.as_ref().map(|_| rfc3339(last)),
        replaces: next.replaces.map(|id| id.to_string()),
    }
}
