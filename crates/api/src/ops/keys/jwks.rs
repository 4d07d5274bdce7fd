//! The public halves of an account's keys, for verifiers other than the gate.

use aws_lc_rs::digest;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use vidpass_token::AccountId;

use crate::error::ApiError;
use crate::path::Account;
use crate::state::Api;

/// How long a verifier may keep the answer, in seconds: so long a deleted key may still be believed elsewhere.
const CACHE: &str = "public, max-age=60";

/// Get an account's public keys
///
/// An extension of vidpass: a JWK set (RFC 7517, section 5) of the keys that are alive, the managed one among them, for
/// verifiers other than this gate. It needs no credentials. Of an account that is not there the set is empty.
#[utoipa::path(
    get,
    path = "/client/v4/accounts/{account_id}/.well-known/jwks.json",
    tag = "Signing keys",
    security(()),
    params(("account_id" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "The set", body = serde_json::Value, content_type = "application/jwk-set+json"),
        (status = 304, description = "The set is the one of `If-None-Match`"),
    ),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn get_jwks(
    State(api): State<Api>,
    Account(account): Account,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let set = key_set(&api, &account).await?;
    let tag = entity_tag(&set);
    let head = [(ETAG, tag.clone()), (CACHE_CONTROL, CACHE.to_owned())];
    if is_held(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    Ok((head, [(CONTENT_TYPE, "application/jwk-set+json")], set).into_response())
}

async fn key_set(api: &Api, account: &AccountId) -> Result<String, ApiError> {
    let keys = api.store.list_signing_keys(account).await?;
    let keys: Vec<_> = keys.iter().map(|key| key.public.to_jwk(&key.id)).collect();
    Ok(json!({ "keys": keys }).to_string())
}

fn entity_tag(set: &str) -> String {
    let hash = digest::digest(&digest::SHA256, set.as_bytes());
    let hex: String = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// RFC 9110, section 13.1.2. A tag is ours or it is not; no comma stands within one of ours.
fn is_held(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|held| held == "*" || held.trim_start_matches("W/") == tag)
}
