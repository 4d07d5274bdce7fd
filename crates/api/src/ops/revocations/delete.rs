//! Take a revocation away.

use axum::extract::State;
use vidpass_api_types::Envelope;
use vidpass_store::Deletion;
use vidpass_token::RevocationId;

use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::path::Identifier;
use crate::state::Api;

/// Delete a revocation
///
/// An extension of vidpass. Tokens that are not over are good again.
#[utoipa::path(
    delete,
    path = "/client/v4/accounts/{account_id}/stream/revocations/{identifier}",
    tag = "Revocations",
    params(("account_id" = String, Path, max_length = 32), ("identifier" = String, Path, max_length = 32)),
    responses((status = 200, description = "It is deleted", body = Envelope<String>)),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn delete_revocation(
    State(api): State<Api>,
    caller: Caller,
    Identifier(id): Identifier<RevocationId>,
) -> Answer<&'static str> {
    match caller.store.delete_revocation(&caller.account, &id, api.now()).await? {
        Deletion::Deleted => {
            tracing::info!(account.id = %caller.account, caller.id = %caller.credential, revocation.id = %id,
                "a revocation was deleted");
        }
        Deletion::AlreadyDeleted | Deletion::Unknown => return Err(ApiError::RevocationUnknown),
    }
    Ok(api.done("Deleted"))
}
