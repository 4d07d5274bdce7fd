//! Verify the credentials of the caller.

use axum::Json;
use axum::extract::State;
use vidpass_api_types::{Envelope, VerifiedCredential};

use crate::caller::Caller;
use crate::envelope::Answer;
use crate::problem::Note;
use crate::state::Api;
use crate::time::rfc3339;

/// Verify the caller's credentials
///
/// No scope is needed. What is expired is refused (`credentials_expired`), so the status is always `active`.
#[utoipa::path(
    get,
    path = "/client/v4/user/tokens/verify",
    tag = "Credentials",
    responses((status = 200, description = "They are good", body = Envelope<VerifiedCredential>)),
)]
pub(crate) async fn verify_user_token(State(api): State<Api>, caller: Caller) -> Answer<VerifiedCredential> {
    Ok(verified(&api, &caller))
}

/// Verify the caller's credentials for an account
///
/// As `verify_user_token`.
#[utoipa::path(
    get,
    path = "/client/v4/accounts/{account_id}/tokens/verify",
    tag = "Credentials",
    params(("account_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "They are good", body = Envelope<VerifiedCredential>)),
)]
pub(crate) async fn verify_account_token(State(api): State<Api>, caller: Caller) -> Answer<VerifiedCredential> {
    Ok(verified(&api, &caller))
}

fn verified(api: &Api, caller: &Caller) -> Json<Envelope<VerifiedCredential>> {
    let result = VerifiedCredential {
        id: caller.credential.to_string(),
        status: "active".to_owned(),
        expires_on: caller.expires.map(rfc3339),
    };
    api.done_with(result, &[Note::CredentialActive])
}
