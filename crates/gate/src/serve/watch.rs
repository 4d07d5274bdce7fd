//! `watch`: a page with nothing on it but the video.
//!
//! The browser's own player does the work. One that does not read HLS takes the MP4, where the token opens downloads.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use http::{Method, Response};
use vidpass_token::{Permit, UnixTime};

use super::cache::cache_control;
use crate::body::GateBody;
use crate::headers::add_common;
use crate::path::FilePath;

/// Its URLs are relative, so the token that opened the page opens the video.
const PAGE: &str = include_str!("watch.html");

/// Nothing but the page's own style (by its hash) and the video of this server.
const POLICY: &str = "default-src 'none'; img-src 'self'; media-src 'self'; \
    style-src 'sha256-C8yyMIE7YLOOzJXWC76cURbzcAXCv1O7uR3b5E6jQa8='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether the page is asked for, and not a file of the video.
pub(crate) fn is_asked_for(file: FilePath<'_>) -> bool {
    file.as_str() == "watch"
}

/// The page, for a viewer who may have the video.
pub(crate) fn page(permit: &Permit, method: &Method, same_for_all: bool, now: UnixTime) -> Response<GateBody> {
    let body =
        if method == Method::HEAD { GateBody::empty() } else { GateBody::bytes(Bytes::from_static(PAGE.as_bytes())) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    add_common(headers);
    headers.insert(CACHE_CONTROL, cache_control(permit, same_for_all, now));
    headers.insert(CONTENT_LENGTH, PAGE.len().into());
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;
    use base64::Engine as _;

    use super::*;

    #[test]
    fn the_policy_allows_the_style_of_the_page() {
        let style = PAGE.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = digest::digest(&digest::SHA256, style.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(hash);
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
    }
}
