//! List revocations.

use axum::extract::State;
use vidpass_api_types::{Envelope, Revocation};

use super::shown;
use crate::caller::Caller;
use crate::envelope::Answer;
use crate::state::Api;

/// List revocations
///
/// An extension of vidpass. At most 1,000, the newest first.
#[utoipa::path(
    get,
    path = "/client/v4/accounts/{account_id}/stream/revocations",
    tag = "Revocations",
    params(("account_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "The account's revocations", body = Envelope<Vec<Revocation>>)),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn list_revocations(State(api): State<Api>, caller: Caller) -> Answer<Vec<Revocation>> {
    let revocations = caller.store.list_revocations(&caller.account).await?;
    Ok(api.done(revocations.into_iter().map(shown).collect()))
}
