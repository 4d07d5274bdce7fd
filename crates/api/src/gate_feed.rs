//! What gates elsewhere are told, as lines of JSON, and who may ask for it.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use vidpass_api_types::{GateAccount, GateKey, GateLine, GateTaken, GateVideo};
use vidpass_store::{CredentialId, Cursor, Refused, Subject};
use vidpass_token::{AccountPolicy, PublicKey, RevocationExtent, Taken, VideoPolicy};

use crate::caller;
use crate::error::ApiError;
use crate::state::Api;

/// How many bytes are sent at once, and a line more.
const CHUNK: usize = 32 * 1024;

/// A gate elsewhere, by its credential. Callers of the API are none, and it is no caller.
pub(crate) struct FeedReader {
    /// What it presented.
    pub(crate) credential: CredentialId,
}

impl FromRequestParts<Api> for FeedReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let text = caller::bearer_of(&parts.headers)?;
        // Looked at first, and limited only where it is wrong: a neighbour who guesses must not cut a gate off.
        match api.store.authenticate_gate(text).await? {
            Some(credential) => Ok(Self { credential }),
            None => Err(caller::failed_login(api, parts, Refused::Unknown)),
        }
    }
}

/// `subjects` line by line, as fast as the gate reads them. `while_sent` is kept until the last one.
pub(crate) fn answer(
    subjects: impl Iterator<Item = Subject> + Send + 'static,
    end: (Cursor, bool),
    while_sent: impl Send + 'static,
) -> Response {
    let (cursor, complete) = end;
    let end = GateLine::End { cursor: cursor.to_string(), complete };
    let mut lines = subjects.map(gate_line).chain([end]);
    let chunks = std::iter::from_fn(move || {
        let _kept = &while_sent;
        chunk(&mut lines)
    });
    let body = Body::from_stream(stream::iter(chunks.map(Ok::<_, Infallible>)));
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

fn chunk(lines: &mut impl Iterator<Item = GateLine>) -> Option<Bytes> {
    let mut chunk = Vec::with_capacity(CHUNK + 1024);
    while chunk.len() < CHUNK
        && let Some(line) = lines.next()
    {
        serde_json::to_writer(&mut chunk, &line).expect("a line has only text keys, and memory takes it");
        chunk.push(b'\n');
    }
    (!chunk.is_empty()).then(|| chunk.into())
}

/// How the feed tells of something that a gate decides from.
#[must_use]
pub fn gate_line(subject: Subject) -> GateLine {
    match subject {
        Subject::Account(id, policy) => GateLine::Account { id: id.to_string(), policy: policy.map(account) },
        Subject::Key(id, key) => {
            GateLine::Key { id: id.to_string(), key: key.map(|(account, public)| self::key(&account, &public)) }
        }
        Subject::Revocation(mark, taken) => {
            GateLine::Revocation { mark: mark.to_hex(), taken: taken.iter().map(self::taken).collect() }
        }
        Subject::Video(uid, policy) => GateLine::Video { uid: uid.to_string(), video: policy.map(video) },
    }
}

fn account(policy: AccountPolicy) -> GateAccount {
    GateAccount { dry_run: policy.dry_run, origin: policy.origin.map(|origin| origin.to_string()) }
}

fn key(account: &vidpass_token::AccountId, public: &PublicKey) -> GateKey {
    GateKey { account: account.to_string(), spki: STANDARD.encode(public.spki_der()) }
}

fn taken(taken: &Taken) -> GateTaken {
    let (viewer_version, issued_before) = match taken.extent {
        RevocationExtent::All => (None, None),
        RevocationExtent::Versions(version) => (Some(version.0), None),
        RevocationExtent::IssuedBefore(time) => (None, Some(time.0)),
    };
    GateTaken { viewer_version, issued_before, until: taken.until.map(|time| time.0) }
}

fn video(policy: VideoPolicy) -> GateVideo {
    GateVideo {
        account: policy.account.to_string(),
        require_signed_urls: policy.require_signed_urls,
        allowed_origins: policy.allowed_origins.iter().map(ToString::to_string).collect(),
        downloads: policy.downloads,
        dry_run: policy.dry_run,
        origin: policy.origin.map(|origin| origin.to_string()),
    }
}
