//! `watch` and `iframe`: a page with nothing on it but the video. Other sites may embed the latter.
//!
//! The browser's own player does the work. One that does not read HLS takes the MP4, where the token opens downloads.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use http::{Method, Response};
use vidpass_token::{FilePath, Permit, UnixTime};

use super::cache::cache_control;
use crate::body::GateBody;
use crate::headers::add_common;

/// Its URLs are relative, so the token that opened the page opens the video.
const PAGE: &str = include_str!("watch.html");

/// Nothing but the page's own style (by its hash) and the video of this server.
const POLICY: &str = "default-src 'none'; img-src 'self'; media-src 'self'; \
    style-src 'sha256-C8yyMIE7YLOOzJXWC76cURbzcAXCv1O7uR3b5E6jQa8='; base-uri 'none'; form-action 'none'";

/// Where the page may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// In a frame of any site. Where only some may have the video, the decision has seen to that.
    Iframe,
    /// In a tab of its own.
    Watch,
}

impl Page {
    /// The page that is asked for; `None` where it is a file of the video.
    pub(crate) fn of(file: FilePath<'_>) -> Option<Self> {
        match file.as_str() {
            "iframe" => Some(Self::Iframe),
            "watch" => Some(Self::Watch),
            _ => None,
        }
    }

    fn policy(self) -> HeaderValue {
        let ancestors = match self {
            Self::Iframe => "*",
            Self::Watch => "'none'",
        };
        HeaderValue::try_from(format!("{POLICY}; frame-ancestors {ancestors}")).expect("the parts are constants")
    }
}

/// The page, for a viewer who may have the video.
pub(crate) fn answer(
    page: Page,
    permit: &Permit,
    method: &Method,
    same_for_all: bool,
    now: UnixTime,
) -> Response<GateBody> {
    let body =
        if method == Method::HEAD { GateBody::empty() } else { GateBody::bytes(Bytes::from_static(PAGE.as_bytes())) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    add_common(headers);
    headers.insert(CACHE_CONTROL, cache_control(permit, same_for_all, now));
    headers.insert(CONTENT_LENGTH, PAGE.len().into());
    headers.insert(CONTENT_SECURITY_POLICY, page.policy());
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
