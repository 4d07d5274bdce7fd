//! `watch` and `iframe`: a page with nothing on it but the video. Other sites may embed the latter.
//!
//! All that a page asks for is relative to it and of this server, so the token that opened the page opens the video.

mod assets;

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use http::{Method, Response};
use vidpass_token::{AllowedOrigin, FilePath, Permit};

pub(crate) use self::assets::asset;
use super::cache::CacheControl;
use super::files::FileRequest;
use crate::asked::{RequestHeaders, visible};
use crate::body::GateBody;
use crate::credential_place::ParameterName;
use crate::headers;
use crate::judge::Refused;

static PLAYER: LazyLock<String> =
    LazyLock::new(|| assets::with_versions(include_str!("../../assets/player/player.html")));

static REFUSAL: LazyLock<String> =
    LazyLock::new(|| assets::with_versions(include_str!("../../assets/player/refusal.html")));

/// What a page may use: nothing but this server. hls.js hands over what it fetched as a `blob:`, and captions as a track
/// whose file is an empty `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    media-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'";

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Where the page may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// In a frame of the sites that may embed the video.
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

    /// The page that a refused viewer waits for in a browser; `None` for programs, which read JSON.
    pub(crate) fn refused(file: Option<FilePath<'_>>, headers: RequestHeaders<'_>) -> Option<Self> {
        let lines = headers.all(&ACCEPT).filter_map(visible);
        let html = lines.flat_map(|line| line.split(',')).any(|range| range.trim().starts_with("text/html"));
        file.and_then(Self::of).filter(|_| html)
    }

    fn policy(self, embedders: Option<&[AllowedOrigin]>) -> HeaderValue {
        let ancestors = match self {
            Self::Iframe => embedders.map_or_else(nobody, ancestors),
            Self::Watch => nobody(),
        };
        HeaderValue::try_from(format!("{POLICY}; frame-ancestors {ancestors}")).expect("hosts and constants")
    }
}

/// The page, for a viewer who may have the video. `embedders` are the sites that may embed it, none of which means all, and
/// `None` nobody; `parameter` is what the query has the token in, if it is there.
pub(crate) fn answer(
    page: Page,
    permit: &Permit,
    request: &FileRequest<'_>,
    embedders: Option<&[AllowedOrigin]>,
    parameter: Option<&ParameterName>,
) -> Response<GateBody> {
    let html = PLAYER.replace("{token-parameter}", parameter.map_or("", ParameterName::as_str));
    let mut response = headers::in_whole(Bytes::from(html), HTML, request.method);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, CacheControl::of(permit, request.same_for_all, request.now).header());
    headers.insert(CONTENT_SECURITY_POLICY, page.policy(embedders));
    response
}

/// The refusal of a page, for people. Its frame may be anybody's: who may not see the video may see why.
pub(crate) fn refusal(page: Page, refused: &Refused, method: &Method) -> Response<GateBody> {
    let denial = &refused.denial;
    let html = REFUSAL.replace("{message}", denial.message()).replace("{code}", denial.code());
    let html = html.replace("{decision}", &refused.decision.to_string());
    let mut response = headers::in_whole(Bytes::from(html), HTML, method);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, page.policy(Some(&[])));
    response
}

/// The sites as a browser is told them, in both schemes, which `allowedOrigins` does not tell apart.
fn ancestors(embedders: &[AllowedOrigin]) -> String {
    if embedders.is_empty() {
        return "*".to_owned();
    }
    // A policy cannot name an IPv6 address (CSP, section 2.3.1), so no page at one can frame ours.
    let hosts = embedders.iter().map(ToString::to_string).filter(|host| !host.starts_with('['));
    let sources: Vec<String> = hosts.map(|host| format!("http://{host} https://{host}")).collect();
    if sources.is_empty() { nobody() } else { sources.join(" ") }
}

fn nobody() -> String {
    "'none'".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_who_may_embed() {
        for (origins, expected) in [
            (vec![], "*"),
            (vec!["example.com"], "http://example.com https://example.com"),
            (
                vec!["*.a.example", "localhost:3000"],
                "http://*.a.example https://*.a.example http://localhost:3000 https://localhost:3000",
            ),
            (vec!["a.example", "[::1]:3000"], "http://a.example https://a.example"),
            (vec!["[::1]:3000"], "'none'"),
        ] {
            let origins: Vec<AllowedOrigin> = origins.iter().map(|origin| origin.parse().unwrap()).collect();
            let iframe = Page::Iframe.policy(Some(&origins));
            assert!(iframe.to_str().unwrap().ends_with(&format!("; frame-ancestors {expected}")), "{iframe:?}");
            assert!(Page::Watch.policy(Some(&origins)).to_str().unwrap().ends_with("; frame-ancestors 'none'"));
        }
        assert!(Page::Iframe.policy(None).to_str().unwrap().ends_with("; frame-ancestors 'none'"));
    }

    #[test]
    fn pages_have_no_script_or_style_of_their_own() {
        for page in [&*PLAYER, &*REFUSAL] {
            for inline in ["<style", "style=", "<script>", " on", "javascript:", "//"] {
                assert!(!page.contains(inline), "{inline} in {page}");
            }
            assert!(!page.replace("{token-parameter}", "").replace("{message}", "").contains("{player"), "{page}");
        }
    }
}
