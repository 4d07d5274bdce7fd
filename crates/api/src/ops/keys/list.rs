//! List signing keys.

use axum::extract::{RawQuery, State};
use vidpass_api_types::{Envelope, ListedKey};
use vidpass_store::SigningKeyRecord;
use vidpass_token::UnixTime;

use crate::caller::Caller;
use crate::envelope::Answer;
use crate::error::ApiError;
use crate::problem::{Problem, ProblemKind};
use crate::state::Api;
use crate::time::rfc3339;

/// List signing keys
///
/// The oldest comes first. Managed keys, which sign where a token request brings none, are listed only where `managed` is
/// `true`, an extension of vidpass: a program that knows Cloudflare Stream expects the keys that it made, and may delete
/// others.
#[utoipa::path(
    get,
    path = "/client/v4/accounts/{account_id}/stream/keys",
    tag = "Signing keys",
    params(
        ("account_id" = String, Path, max_length = 32),
        ("managed" = Option<bool>, Query, description = "Managed keys too. An extension of vidpass"),
    ),
    responses((status = 200, description = "The account's keys", body = Envelope<Vec<ListedKey>>)),
)]
pub(crate) async fn list_keys(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Answer<Vec<ListedKey>> {
    let with_managed = asks_for_managed(query.as_deref().unwrap_or_default())?;
    let now = api.now();
    let keys = caller.store.list_signing_keys(&caller.account).await?;
    let listed = keys.iter().filter(|key| with_managed || !key.is_managed());
    Ok(api.done(listed.map(|key| shown(key, now)).collect()))
}

fn asks_for_managed(query: &str) -> Result<bool, ApiError> {
    let refused = |kind| ApiError::invalid(Problem::elsewhere(kind));
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "managed");
    let Some((_, value)) = values.next() else { return Ok(false) };
    // Of two values, another reader might take the other one.
    if values.next().is_some() {
        return Err(refused(ProblemKind::QueryTwice { name: "managed" }));
    }
    let expected = ProblemKind::Query { name: "managed", expected: "`true` or `false`" };
    value.parse().map_err(|_| refused(expected))
}

fn shown(key: &SigningKeyRecord, now: UnixTime) -> ListedKey {
    ListedKey {
        id: key.id.to_string(),
        key_id: key.id.to_string(),
        created: rfc3339(key.created),
        alg: key.public.algorithm().to_string(),
        managed: key.is_managed(),
        state: key.state(now).to_string(),
        signs_from: key.term.map(|term| rfc3339(term.from)),
        last_used: key.last_used.map(rfc3339),
        tokens_issued: key.tokens_issued,
        latest_exp: key.latest_exp.map(rfc3339),
        safe_to_delete_from: key.safe_to_delete_from(now).map(rfc3339),
    }
}
