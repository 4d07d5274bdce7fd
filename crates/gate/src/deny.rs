//! The one place where a refusal becomes a status; a proxy that does not understand it gets another one of its preset.
//!
//! A viewer learns the code and one fixed sentence, never more.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_RANGE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, Response, StatusCode};
use vidpass_token::Denial;

use crate::body::GateBody;
use crate::headers::{self, METHODS, X_VIDPASS_DENIAL, add_decision};
use crate::judge::Refused;
use crate::serve::player::{self, Page};

/// Why there are no bytes although nobody denied them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The file is there and cannot be read.
    FileUnreadable,
    /// The gate has more requests than it can answer.
    GateBusy,
    /// The manifest is larger than any that is served.
    ManifestTooLarge,
    /// The manifest is none that can be read without doubt.
    ManifestUnreadable,
    /// The method is not one of reading.
    MethodNotAllowed,
    /// The video has no such file.
    NotFound,
    /// The origin has as many requests as it may have at once.
    OriginBusy,
    /// The origin cannot be reached, or gives an answer that makes no sense.
    OriginFailed,
    /// The origin does not answer.
    OriginTimeout,
    /// The video has an origin that the configuration lacks.
    OriginUnknown,
    /// The file is in another state than the viewer demands.
    PreconditionFailed,
    /// The range lies outside the file.
    RangeNotSatisfiable {
        /// The file's length in bytes.
        length: u64,
    },
}

/// The answer to a viewer who is refused.
pub(crate) fn denied(refused: &Refused, method: &Method) -> Response<GateBody> {
    let denial = &refused.denial;
    as_denial(refusal(status_of(denial), denial.code(), denial.message(), method), refused)
}

/// The answer to a viewer who is refused a page, and looks at a browser.
pub(crate) fn denied_page(refused: &Refused, page: Page, method: &Method) -> Response<GateBody> {
    let mut response = player::refusal(page, refused, method);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    as_denial(response, refused)
}

fn as_denial(mut response: Response<GateBody>, refused: &Refused) -> Response<GateBody> {
    let denial = &refused.denial;
    let status = status_of(denial);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(X_VIDPASS_DENIAL, HeaderValue::from_static(denial.code()));
    add_decision(headers, refused.decision);
    if status == StatusCode::UNAUTHORIZED {
        // Demanded by RFC 9110, section 11.6.1. No browser knows the scheme, so none asks for a password.
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Vidpass-Token"));
    }
    response
}

/// The answer to a viewer who may, and cannot.
pub(crate) fn failed(failure: Failure, method: &Method) -> Response<GateBody> {
    let (status, message) = match failure {
        Failure::FileUnreadable => (StatusCode::INTERNAL_SERVER_ERROR, "This file cannot be read at the moment."),
        Failure::GateBusy => (StatusCode::SERVICE_UNAVAILABLE, "There are too many viewers at the moment."),
        Failure::ManifestTooLarge => (StatusCode::BAD_GATEWAY, "The manifest of this video is too large."),
        Failure::ManifestUnreadable => (StatusCode::BAD_GATEWAY, "The manifest of this video cannot be read."),
        Failure::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Only GET, HEAD and OPTIONS are answered here."),
        Failure::NotFound => (StatusCode::NOT_FOUND, "This video has no such file."),
        Failure::OriginBusy => (StatusCode::SERVICE_UNAVAILABLE, "Too many viewers want this at the moment."),
        Failure::OriginFailed => (StatusCode::BAD_GATEWAY, "This file cannot be fetched at the moment."),
        Failure::OriginTimeout => (StatusCode::GATEWAY_TIMEOUT, "This file takes too long to fetch."),
        Failure::OriginUnknown => (StatusCode::INTERNAL_SERVER_ERROR, "This video is not set up correctly."),
        Failure::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "This file has changed."),
        Failure::RangeNotSatisfiable { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "This file has no such bytes."),
    };
    let mut response = refusal(status, failure.code(), message, method);
    match failure {
        Failure::MethodNotAllowed => {
            response.headers_mut().insert(ALLOW, METHODS);
        }
        Failure::RangeNotSatisfiable { length } => {
            let range = HeaderValue::try_from(format!("bytes */{length}")).expect("a number is a header value");
            response.headers_mut().insert(CONTENT_RANGE, range);
        }
        Failure::GateBusy | Failure::OriginBusy => {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Failure::FileUnreadable
        | Failure::ManifestTooLarge
        | Failure::ManifestUnreadable
        | Failure::NotFound
        | Failure::OriginFailed
        | Failure::OriginTimeout
        | Failure::OriginUnknown
        | Failure::PreconditionFailed => {}
    }
    response
}

impl Failure {
    /// The stable name of the reason. It is part of the interface.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::GateBusy => "gate_busy",
            Self::ManifestTooLarge => "manifest_too_large",
            Self::ManifestUnreadable => "manifest_unreadable",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotFound => "not_found",
            // One name for what is one thing to a viewer; the status tells whose disk it was.
            Self::FileUnreadable | Self::OriginFailed => "origin_failed",
            Self::OriginBusy => "origin_busy",
            Self::OriginTimeout => "origin_timeout",
            Self::OriginUnknown => "origin_unknown",
            Self::PreconditionFailed => "precondition_failed",
            Self::RangeNotSatisfiable { .. } => "range_not_satisfiable",
        }
    }
}

fn status_of(denial: &Denial) -> StatusCode {
    match denial {
        Denial::PathRefused => StatusCode::BAD_REQUEST,
        Denial::GateCutOff | Denial::GateNotLoaded => StatusCode::SERVICE_UNAVAILABLE,
        Denial::KeyUnknown { .. }
        | Denial::KidMismatch { .. }
        | Denial::SignatureInvalid { .. }
        | Denial::TokenExpired { .. }
        | Denial::TokenLifetimeExceeded { .. }
        | Denial::TokenMalformed(_)
        | Denial::TokenNotYetValid { .. }
        | Denial::TokenRequired
        | Denial::TokenRevoked { .. }
        | Denial::VideoNotOwned { .. } => StatusCode::UNAUTHORIZED,
        Denial::CountryUnavailable { .. }
        | Denial::DownloadNotAllowed
        | Denial::DownloadNotEnabled
        | Denial::OriginNotAllowed { .. }
        | Denial::ProxyHeaderUnclear { .. }
        | Denial::ProxyNotTrusted
        | Denial::RuleBlocked { .. }
        | Denial::VideoMismatch { .. }
        | Denial::ViewerAddressUnknown => StatusCode::FORBIDDEN,
    }
}

/// A refusal as JSON; to `HEAD`, the head of it.
fn refusal(status: StatusCode, code: &str, message: &str, method: &Method) -> Response<GateBody> {
    let json = serde_json::json!({ "code": code, "message": message }).to_string();
    let mut response = headers::in_whole(Bytes::from(json), HeaderValue::from_static("application/json"), method);
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use vidpass_token::{HeaderProblem, MalformedToken, RevocationKind, UnixTime};

    use super::*;
    use crate::decision_id::DecisionId;

    #[test]
    fn every_failure_has_the_status_of_the_contract() {
        for (failure, code, status) in [
            (Failure::FileUnreadable, "origin_failed", 500),
            (Failure::GateBusy, "gate_busy", 503),
            (Failure::ManifestTooLarge, "manifest_too_large", 502),
            (Failure::ManifestUnreadable, "manifest_unreadable", 502),
            (Failure::MethodNotAllowed, "method_not_allowed", 405),
            (Failure::NotFound, "not_found", 404),
            (Failure::OriginBusy, "origin_busy", 503),
            (Failure::OriginFailed, "origin_failed", 502),
            (Failure::OriginTimeout, "origin_timeout", 504),
            (Failure::OriginUnknown, "origin_unknown", 500),
            (Failure::PreconditionFailed, "precondition_failed", 412),
            (Failure::RangeNotSatisfiable { length: 7 }, "range_not_satisfiable", 416),
        ] {
            let response = failed(failure, &Method::GET);
            assert_eq!((failure.code(), response.status().as_u16()), (code, status));
            assert_eq!(response.headers().contains_key(RETRY_AFTER), code.ends_with("busy"));
        }
    }

    #[test]
    fn every_code_has_the_status_of_the_contract() {
        let key = || "k".parse().unwrap();
        let (time, later) = (UnixTime(1), UnixTime(2));
        for (denial, code, status) in [
            (Denial::PathRefused, "path_refused", 400),
            (Denial::TokenRequired, "token_required", 401),
            (Denial::GateCutOff, "gate_cut_off", 503),
            (Denial::GateNotLoaded, "gate_not_loaded", 503),
            (Denial::TokenRevoked { by: RevocationKind::Viewer }, "token_revoked", 401),
            (Denial::TokenMalformed(MalformedToken::KeyMissing), "token_malformed", 401),
            (Denial::KeyUnknown { key: key() }, "key_unknown", 401),
            (Denial::SignatureInvalid { key: key() }, "signature_invalid", 401),
            (Denial::KidMismatch { header: Box::new(key()), payload: Box::new(key()) }, "kid_mismatch", 401),
            (
                Denial::VideoNotOwned { video: "v".parse().unwrap(), account: "a".parse().unwrap() },
                "video_not_owned",
                401,
            ),
            (Denial::TokenNotYetValid { not_before: later, now: time }, "token_not_yet_valid", 401),
            (Denial::TokenExpired { expires: time, now: later }, "token_expired", 401),
            (Denial::TokenLifetimeExceeded { expires: later, latest: time }, "token_lifetime_exceeded", 401),
            (Denial::RuleBlocked { index: 0 }, "rule_blocked", 403),
            (Denial::CountryUnavailable { index: 0 }, "country_unavailable", 403),
            (
                Denial::VideoMismatch { named: "v".parse().unwrap(), granted: "w".parse().unwrap() },
                "video_mismatch",
                403,
            ),
            (
                Denial::ProxyHeaderUnclear { header: "x-original-uri", problem: HeaderProblem::Missing },
                "proxy_header_unclear",
                403,
            ),
            (Denial::ProxyNotTrusted, "proxy_not_trusted", 403),
            (Denial::ViewerAddressUnknown, "viewer_address_unknown", 403),
            (Denial::OriginNotAllowed { origin: None }, "origin_not_allowed", 403),
            (Denial::DownloadNotAllowed, "download_not_allowed", 403),
            (Denial::DownloadNotEnabled, "download_not_enabled", 403),
        ] {
            let refused = Refused { denial, decision: DecisionId::next() };
            let response = denied(&refused, &Method::GET);
            assert_eq!(
                (response.status().as_u16(), response.headers()[X_VIDPASS_DENIAL].as_bytes()),
                (status, code.as_bytes())
            );
        }
    }
}
