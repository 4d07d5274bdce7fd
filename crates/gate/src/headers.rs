//! Headers that answers have in common.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};

use crate::body::GateBody;

/// The methods that are answered; also the value of `Allow`.
pub(crate) const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Carries a denial's code.
pub(crate) const X_VIDPASS_DENIAL: HeaderName = HeaderName::from_static("x-vidpass-denial");

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Adds what every answer has: players on other sites may read it, nobody guesses its type, and a page that it may
/// become sends its address, which holds the token, to nobody.
pub(crate) fn add_common(headers: &mut HeaderMap) {
    // `*` never goes with credentials (Fetch, section 3.2), and needs no `Vary: Origin`.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(
            "Accept-Ranges, Content-Length, Content-Range, Date, ETag, Last-Modified, X-Vidpass-Denial",
        ),
    );
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// The answer to `OPTIONS`: the same for every path, so that it tells nothing about any.
pub(crate) fn preflight() -> Response<GateBody> {
    let mut response = Response::new(GateBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    add_common(headers);
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Range"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}
