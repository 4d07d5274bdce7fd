//! Take tokens back.

use axum::extract::State;
use vidpass_api_types::{Envelope, Revocation, Revoke};
use vidpass_store::NewRevocation;

use super::shown;
use crate::body::JsonBody;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::problem::{Problem, ProblemKind};
use crate::revocation_request::RevocationRequest;
use crate::state::Api;

/// Take tokens back
///
/// An extension of vidpass. From the answer on the tokens are refused (`token_revoked`). Each revocation stands for itself:
/// of one subject there may be several, and what any of them takes back is refused.
#[utoipa::path(
    post,
    path = "/client/v4/accounts/{account_id}/stream/revocations",
    tag = "Revocations",
    params(("account_id" = String, Path, max_length = 32)),
    request_body = Revoke,
    responses((status = 200, description = "They are taken back", body = Envelope<Revocation>)),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn create_revocation(
    State(api): State<Api>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Answer<Revocation> {
    let now = api.now();
    let new = match RevocationRequest::parse(body.as_deref(), now)? {
        RevocationRequest::Token { token, reason } => {
            // What is no token, or another account's, needs nobody to take it back.
            let claims = caller
                .store
                .verify(&caller.account, token)
                .await?
                .map_err(|denial| at_token(ProblemKind::Token(denial)))?;
            if claims.expires() <= now {
                return Err(at_token(ProblemKind::TokenOver));
            }
            NewRevocation::of_token(&claims, reason)
        }
        RevocationRequest::Other(new) => new,
    };
    let made = caller.store.revoke(&caller.account, &new, now).await?;
    // Not of whom: a viewer's name may be an address of mail.
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, revocation.id = %made.id,
        kind = %made.kind, "tokens were taken back");
    Ok(api.done(shown(made)))
}

fn at_token(kind: ProblemKind) -> ApiError {
    ApiError::invalid(Problem::at("/token", kind))
}
