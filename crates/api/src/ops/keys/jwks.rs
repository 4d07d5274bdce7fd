//! The public halves of an account's keys, for verifiers other than the gate.

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use quick_cache::sync::Cache;
use serde_json::json;
use vidpass_store::SigningKeyRecord;
use vidpass_token::{AccountId, UnixTime};

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
    let head = [(ETAG, set.tag.clone()), (CACHE_CONTROL, CACHE.to_owned())];
    if is_held(&headers, &set.tag) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    Ok((head, [(CONTENT_TYPE, "application/jwk-set+json")], set.text.clone()).into_response())
}

/// Sets that were made just now, for everybody who asks at once.
pub(crate) struct KeySets(Cache<AccountId, Arc<KeySet>>);

struct KeySet {
    text: String,
    tag: String,
    made: UnixTime,
}

impl KeySets {
    pub(crate) fn new() -> Self {
        Self(Cache::new(1000))
    }

    /// The account's keys have changed.
    pub(crate) fn forget(&self, account: &AccountId) {
        self.0.remove(account);
    }
}

/// Anybody may ask, and a thousand keys take a while: one set is made in a second for each account, where that holds
/// nobody up.
async fn key_set(api: &Api, account: &AccountId) -> Result<Arc<KeySet>, ApiError> {
    let now = api.now();
    if let Some(set) = api.key_sets.0.get(account).filter(|set| set.made == now) {
        return Ok(set);
    }
    let keys = api.store.list_signing_keys(account).await?;
    let set = Arc::new(api.compute(move || KeySet::of(&keys, now)).await?);
    api.key_sets.0.insert(account.clone(), Arc::clone(&set));
    Ok(set)
}

impl KeySet {
    fn of(keys: &[SigningKeyRecord], made: UnixTime) -> Self {
        let keys: Vec<_> = keys.iter().map(|key| key.public.to_jwk(&key.id)).collect();
        let text = json!({ "keys": keys }).to_string();
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let hex: String = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text, tag: format!("\"{hex}\""), made }
    }
}

/// RFC 9110, section 13.1.2. A tag is ours or it is not; no comma stands within one of ours.
fn is_held(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|held| held == "*" || held.trim_start_matches("W/") == tag)
}
