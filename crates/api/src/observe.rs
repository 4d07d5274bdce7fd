//! What happens to every request and answer: an id, a span for the log, a count, safe headers, the body of a refusal.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument as _;
use vidpass_token::TokenId;

use crate::envelope;
use crate::error::ApiError;
use crate::rate_limit::Allowance;
use crate::state::Api;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the operation that answered, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation(pub(crate) &'static str);

/// What a request and its answer share: an extension of the request.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The id of both.
    pub(crate) id: TokenId,
    /// What is left to the caller, where that is limited.
    allowance: Arc<Mutex<Option<Allowance>>>,
}

impl Exchange {
    /// Notes what is left to the caller, for the answer's headers.
    pub(crate) fn note(&self, allowance: Allowance) {
        *self.allowance.lock().unwrap_or_else(PoisonError::into_inner) = Some(allowance);
    }

    fn noted(&self) -> Option<Allowance> {
        *self.allowance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn observe(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    // The server's own: an id that a caller brings could be used to fake lines of the log.
    let id = TokenId::random();
    let exchange = Exchange { id: id.clone(), allowance: Arc::default() };
    request.extensions_mut().insert(exchange.clone());
    let span = tracing::info_span!("api", request.id = %id);
    let response = next.run(request).instrument(span.clone()).await;
    let operation = response.extensions().get().map_or("none", |Operation(name)| name);
    span.in_scope(|| log(operation, &response));
    api.metrics.count_request(operation, response.status().as_u16());
    let mut response = envelope::write_refusal(&api.config.public_url, response);
    protect(response.headers_mut());
    if let Some(allowance) = exchange.noted() {
        allowance.write(response.headers_mut());
    }
    response
        .headers_mut()
        .insert(REQUEST_ID, HeaderValue::from_str(id.as_str()).expect("hex digits are a header's value"));
    response
}

/// Turns a panic into a refusal. What it said may hold a secret, so neither the answer nor the line about the request
/// repeats it; the panic hook of the process ran before this, and what it prints is the program's choice.
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    axum::response::IntoResponse::into_response(ApiError::Panicked)
}

fn log(operation: &str, response: &Response) {
    let Some(error) = envelope::refusal(response) else { return };
    // Of these there are as many as a flood brings; a metric counts them.
    let is_flood = matches!(*error, ApiError::Overloaded);
    let (status, error) = (response.status(), vidpass_token::Chain(&*error));
    if status.is_server_error() && !is_flood {
        tracing::error!(operation, status = status.as_u16(), %error, "a request failed");
    } else {
        tracing::debug!(operation, status = status.as_u16(), %error, "a request was refused");
    }
}

/// Nothing here is a page: no browser may run, frame, guess the type of, or keep an answer, which may be a secret.
/// What may be kept says so itself.
fn protect(headers: &mut HeaderMap) {
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
