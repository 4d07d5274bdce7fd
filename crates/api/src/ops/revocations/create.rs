//! Take tokens back.

use axum::extract::State;
use vidpass_api_types::{Envelope, Revocation, Revoke};
use vidpass_store::NewRevocation;
use vidpass_token::{Denial, RevocationExtent, RevokedSubject, SignedClaims, UnverifiedToken};

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
            let claims = verified(&api, &caller, token).await?;
            if claims.expires() <= now {
                return Err(ApiError::invalid(Problem::at("/token", ProblemKind::TokenOver)));
            }
            NewRevocation {
                subject: RevokedSubject::Token(claims.digest()),
                extent: RevocationExtent::All,
                reason,
                until: Some(claims.expires()),
            }
        }
        RevocationRequest::Other(new) => new,
    };
    let made = api.store.revoke(&caller.account, &new, now).await?;
    // Not of whom: a viewer's name may be an address of mail.
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, revocation.id = %made.id,
        kind = %made.kind, "tokens were taken back");
    Ok(api.done(shown(made)))
}

/// A token of the account: what is no token, or another's, needs nobody to take it back.
async fn verified(api: &Api, caller: &Caller, token: &str) -> Result<SignedClaims, ApiError> {
    let refused = |denial: Denial| ApiError::invalid(Problem::at("/token", ProblemKind::Token(denial)));
    let unverified = UnverifiedToken::parse(token).map_err(|error| refused(error.into()))?;
    let id = unverified.key_id().clone();
    let key = api.store.signing_key(&caller.account, &id).await?;
    let key = key.ok_or_else(|| refused(Denial::KeyUnknown { key: id }))?;
    unverified.verify(&key.public).map_err(|error| refused(error.into()))
}
