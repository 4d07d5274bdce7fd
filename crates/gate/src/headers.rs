//! What answers have in common.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ALLOW, CONNECTION,
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;

use crate::body::GateBody;
use crate::decision_id::DecisionId;

/// The methods that are answered; also the value of `Allow`.
pub(crate) const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Carries a denial's code.
pub(crate) const X_VIDPASS_DENIAL: HeaderName = HeaderName::from_static("x-vidpass-denial");

/// Names the decision, for `vidpass why`.
pub(crate) const X_VIDPASS_DECISION: Field = field!("x-vidpass-decision");

/// An answer that is in memory as a whole, with what every answer has.
pub(crate) fn in_whole(content: Bytes, media_type: HeaderValue, method: &Method) -> Response<GateBody> {
    let length = content.len();
    let mut response = Response::new(if method == Method::HEAD { GateBody::empty() } else { GateBody::bytes(content) });
    let headers = response.headers_mut();
    add_common(headers);
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(CONTENT_TYPE, media_type);
    response
}

/// The name of a header of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    name: &'static str,
    line: &'static str,
}

/// A [`Field`] of this name, in lowercase.
macro_rules! field {
    ($name:literal) => {
        $crate::headers::Field::new($name, concat!("\r\n", $name, ": "))
    };
}
pub(crate) use field;

/// What every answer to a viewer says.
///
/// `*` never goes with credentials (Fetch, section 3.2), and needs no `Vary: Origin`.
pub(crate) const COMMON: [(Field, &str); 5] = [
    (field!("access-control-allow-origin"), "*"),
    (
        field!("access-control-expose-headers"),
        "Accept-Ranges, Content-Length, Content-Range, Date, ETag, Last-Modified, X-Vidpass-Decision, X-Vidpass-Denial",
    ),
    (field!("cross-origin-resource-policy"), "cross-origin"),
    (field!("referrer-policy"), "no-referrer"),
    (field!("x-content-type-options"), "nosniff"),
];

impl Field {
    pub(crate) const fn new(name: &'static str, line: &'static str) -> Self {
        Self { name, line }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        self.name
    }

    /// The name as a map has it.
    pub(crate) fn name(self) -> HeaderName {
        HeaderName::from_static(self.name)
    }

    /// The end of the line before, and the name with what separates it from its value (RFC 9112, section 5): all of it a constant,
    /// which is copied with a few instructions.
    pub(crate) const fn line(self) -> &'static str {
        self.line
    }
}

/// Adds what every answer has: players on other sites may read it, nobody guesses its type, and a page that it may
/// become sends its address, which holds the token, to nobody.
pub(crate) fn add_common(headers: &mut HeaderMap) {
    for (field, value) in COMMON {
        headers.insert(field.name(), HeaderValue::from_static(value));
    }
}

/// Adds the name of the decision.
pub(crate) fn add_decision(headers: &mut HeaderMap, decision: DecisionId) {
    let value = HeaderValue::try_from(decision.to_string()).expect("hex digits are a header value");
    headers.insert(X_VIDPASS_DECISION.name(), value);
}

/// Has an HTTP/1 connection closed after the answer where the request has a body that nobody reads: the body could be
/// taken for the next request.
pub(crate) fn close_after_body<B: Body>(request: &Request<B>, response: &mut Response<GateBody>) {
    if !request.body().is_end_stream() && request.version() < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// The answer to `OPTIONS`: the same for every path, so that it tells nothing about any. Scripts of other sites may send
/// the headers of reading, and `credential` where tokens are read from that.
pub(crate) fn preflight(credential: Option<&HeaderName>) -> Response<GateBody> {
    let mut response = Response::new(GateBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    add_common(headers);
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    const READING: &str = "If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Range";
    let allowed = match credential {
        Some(name) => HeaderValue::try_from(format!("{READING}, {name}")).expect("names of headers are a header value"),
        None => HeaderValue::from_static(READING),
    };
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// What tests ask with, or are answered. A name may come more than once.
#[cfg(test)]
pub(crate) fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}
