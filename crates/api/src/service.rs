//! The API as a service, and what happens to every request and answer: an id, a span for the log, a count, safe headers, the body
//! of a refusal.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument as _;
use vidpass_token::RequestId;

use crate::envelope;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::routes::{Route, Routes};
use crate::state::Api;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The API as a service: everything below `/client/v4`, and `/healthz`, `/readyz` and `/docs/errors`. Cheap to clone.
///
/// Limits on connections, headers and time are the listener's.
#[derive(Clone)]
pub struct ApiService {
    api: Api,
    routes: Arc<Routes>,
}

impl ApiService {
    pub(crate) fn new(api: Api) -> Self {
        Self { api, routes: Arc::new(Routes::of_the_api()) }
    }

    /// Answers a request.
    pub async fn handle(self, request: Request) -> Response {
        // The server's own: an id that a caller brings could be used to fake lines of the log.
        let id = RequestId::random();
        let span = tracing::info_span!("api", request.id = %id);
        let (operation, allowance, response) = match self.routes.find(request.method(), request.uri().path()) {
            Ok((route, ids)) => {
                let exchange = Exchange::new(id.clone(), route.operation, ids);
                let response = self.answer(route, request, exchange.clone()).instrument(span.clone()).await;
                (route.operation.name, exchange.noted(), response)
            }
            Err(error) => ("none", None, error.into_response()),
        };
        span.in_scope(|| log(operation, &response));
        self.api.metrics.count_request(operation, response.status().as_u16());
        let mut response = envelope::write_refusal(&self.api.config.public_url, response);
        protect(response.headers_mut());
        if let Some(allowance) = allowance {
            allowance.write(response.headers_mut());
        }
        let id = HeaderValue::from_str(id.as_str()).expect("hex digits are a header's value");
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    async fn answer(&self, route: &Route, mut request: Request, exchange: Exchange) -> Response {
        request.extensions_mut().insert(exchange);
        let answer = async { route.answer(request, self.api.clone()).await };
        AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(panicked)
    }
}

/// Turns a panic into a refusal. What it said may hold a secret, so neither the answer nor the line about the request
/// repeats it; the panic hook of the process ran before this, and what it prints is the program's choice.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    ApiError::Panicked.into_response()
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

#[cfg(test)]
mod tests;
