//! List signing keys.

use axum::extract::State;
use vidpass_api_types::{Envelope, ListedKey};

use crate::caller::Caller;
use crate::envelope::Answer;
use crate::state::Api;
use crate::time::rfc3339;

/// List signing keys
///
/// The oldest comes first. The managed key, which signs where a token request brings none, is not listed.
#[utoipa::path(
    get,
    path = "/client/v4/accounts/{account_id}/stream/keys",
    tag = "Signing keys",
    params(("account_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "The account's keys", body = Envelope<Vec<ListedKey>>)),
)]
pub(crate) async fn list_keys(State(api): State<Api>, caller: Caller) -> Answer<Vec<ListedKey>> {
    let keys = caller.store.list_signing_keys(&caller.account).await?;
    let own = keys.into_iter().filter(|key| !key.managed);
    let listed = own.map(|key| ListedKey {
        id: key.id.to_string(),
        key_id: key.id.to_string(),
        created: rfc3339(key.created),
        alg: key.public.algorithm().to_string(),
    });
    Ok(api.done(listed.collect()))
}
