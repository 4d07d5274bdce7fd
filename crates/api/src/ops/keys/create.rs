//! Make a signing key.

use axum::extract::State;
use vidpass_api_types::{CreatedKey, Envelope, Failure};

use crate::caller::Caller;
use crate::envelope::Answer;
use crate::state::Api;
use crate::time::rfc3339;

/// Create a signing key
///
/// The answer is the only time that the private key is shown; the server keeps its public part alone. An account may
/// have 1,000 keys. A body is not read.
#[utoipa::path(
    post,
    path = "/client/v4/accounts/{account_id}/stream/keys",
    tag = "Signing keys",
    params(("account_id" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "The key was made", body = Envelope<CreatedKey>),
        (status = 400, description = "The account has as many keys as it may have", body = Failure),
    ),
)]
pub(crate) async fn create_key(State(api): State<Api>, caller: Caller) -> Answer<CreatedKey> {
    let now = api.now();
    let key = api.keys.make(&api.store, &caller.account, now).await?;
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, key.id = %key.id(), "a key was created");
    Ok(api.done(CreatedKey {
        id: key.id().to_string(),
        pem: key.to_pem_base64().to_string(),
        jwk: key.to_jwk_base64().to_string(),
        created: rfc3339(now),
    }))
}
