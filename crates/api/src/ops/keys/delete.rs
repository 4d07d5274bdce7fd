//! Delete a signing key.

use axum::extract::State;
use vidpass_api_types::Envelope;
use vidpass_store::Deletion;
use vidpass_token::KeyId;

use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::path::Identifier;
use crate::state::Api;

/// Delete a signing key
///
/// From the answer on every token that it signed is refused. Deleting it again is answered alike. The managed key may
/// be deleted too: the one before it signs again, where that is still there, or else the next one begins early; without any,
/// the next token request makes one.
#[utoipa::path(
    delete,
    path = "/client/v4/accounts/{account_id}/stream/keys/{identifier}",
    tag = "Signing keys",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 64)),
    responses((status = 200, description = "The key is deleted", body = Envelope<String>)),
)]
pub(crate) async fn delete_key(
    State(api): State<Api>,
    caller: Caller,
    Identifier(id): Identifier<KeyId>,
) -> Answer<&'static str> {
    match caller.store.delete_signing_key(&caller.account, &id, api.now()).await? {
        Deletion::Deleted => {
            api.keys.forget(&id);
            api.key_sets.forget(&caller.account);
            tracing::info!(account.id = %caller.account, caller.id = %caller.credential, key.id = %id, "a key was deleted");
        }
        // A request that is sent again after its answer was lost must not fail.
        // The first one may have been told that the gate did not follow, before it came to this.
        Deletion::AlreadyDeleted => api.keys.forget(&id),
        Deletion::Unknown => return Err(ApiError::KeyUnknown),
    }
    Ok(api.done("Revoked"))
}
