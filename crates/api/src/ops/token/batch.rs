//! Issuing many tokens with one request.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use tracing::{Instrument as _, Span};
use vidpass_api_types::{Envelope, IssueTokens, IssuedToken};
use vidpass_token::VideoId;

use crate::body::LargeBody;
use crate::caller::{Caller, count_as};
use crate::envelope::{done_below, refused_below};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::issuing::{Issued, Order, issue};
use crate::problem::Problem;
use crate::state::Api;
use crate::token_batch::{self, TokenBatch};
use crate::token_request::TokenRequest;

/// How many tokens of one request are worked on at a time: enough to fill the lanes of two cores that sign.
const AT_ONCE: usize = 32;

/// Issue many tokens
///
/// An extension of vidpass: up to 1,000 tokens with one request. Each is asked for as with the operation for one, with `uid`
/// beside. Each has an envelope of its own in `result`, in the order of the requests: the token, or every problem of the
/// request that was found, with pointers into the body as a whole. `success` of the outer envelope says that all were
/// looked at.
///
/// The answer is sent while tokens are signed. It counts as many requests as it asks for tokens where those are limited.
#[utoipa::path(
    post,
    path = "/client/v4/accounts/{account_id}/stream/tokens/batch",
    tag = "Tokens",
    params(("account_id" = String, Path, max_length = 32)),
    request_body = IssueTokens,
    responses((status = 200, description = "Each request was looked at", body = Envelope<Vec<Envelope<IssuedToken>>>)),
    extensions(("x-vidpass-extension" = json!(true))),
)]
pub(crate) async fn issue_tokens(
    State(api): State<Api>,
    Extension(exchange): Extension<Exchange>,
    caller: Caller,
    body: LargeBody,
) -> Result<Response, ApiError> {
    api.signer.require_room()?;
    let requests = parse(&api, body).await?;
    count_as(&api, &caller, &exchange, requests.len())?;
    tracing::info!(account.id = %caller.account, caller.id = %caller.credential, tokens = requests.len(),
        "many tokens were asked for");
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(envelope(api, caller, requests))).into_response())
}

/// A body of a mebibyte takes milliseconds, and each key in it one more.
async fn parse(api: &Api, body: LargeBody) -> Result<TokenBatch, ApiError> {
    let (now, config) = (api.now(), api.config.clone());
    let parse = move || {
        let json = body.parse()?;
        Ok(token_batch::parse(json.as_deref(), &config, now)?)
    };
    api.compute(parse).await?
}

/// One envelope, as with any other operation, so that every client can read it; but `result` is sent as it comes.
fn envelope(
    api: Api,
    caller: Caller,
    requests: TokenBatch,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    const BEGIN: Bytes = Bytes::from_static(br#"{"result":["#);
    const END: Bytes = Bytes::from_static(br#"],"success":true,"errors":[],"messages":[]}"#);
    let part = |part| stream::iter([Ok(part)]);
    part(BEGIN).chain(results(api, caller, requests).map(Ok)).chain(part(END))
}

fn results(api: Api, caller: Caller, requests: TokenBatch) -> impl Stream<Item = Bytes> + Send + 'static {
    let (caller, span) = (Arc::new(caller), Span::current());
    let answers = stream::iter(requests.into_iter().enumerate()).map(move |(place, request)| {
        let (api, caller) = (api.clone(), Arc::clone(&caller));
        async move { answer(&api, &caller, place, request).await }.instrument(span.clone())
    });
    // What is ready goes out in one piece.
    answers.buffered(AT_ONCE).ready_chunks(AT_ONCE).map(|ready| Bytes::from(ready.concat()))
}

/// The envelope of one token, and a comma before it where it is not the first.
async fn answer(
    api: &Api,
    caller: &Caller,
    place: usize,
    request: Result<(VideoId, TokenRequest), Vec<Problem>>,
) -> Vec<u8> {
    let (public_url, pointer) = (&api.config.public_url, format!("/tokens/{place}"));
    let issued = match request {
        Ok((video, request)) => issue(api, caller, &video, request, Order::OfMany).await,
        Err(problems) => Err(problems.into()),
    };
    let mut json = if place == 0 { Vec::new() } else { b",".to_vec() };
    match issued {
        Ok(Issued { token, notes }) => {
            let token = IssuedToken { token: token.as_str().to_owned() };
            write(&mut json, &done_below(public_url, &pointer, token, &notes));
        }
        Err(error) => {
            if error.status().is_server_error() {
                tracing::error!(error = %vidpass_token::Chain(&error), "one of many tokens could not be issued");
            }
            write(&mut json, &refused_below(public_url, &pointer, &error));
        }
    }
    json
}

fn write(json: &mut Vec<u8>, envelope: &impl Serialize) {
    serde_json::to_writer(json, envelope).expect("the envelope has only text keys");
}
