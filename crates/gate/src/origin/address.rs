//! The address of an origin: scheme, host, and perhaps a path.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use vidpass_token::is_segment;

/// An `http` or `https` URL without user, query or fragment, whose path is of the grammar of paths.
#[derive(Clone, PartialEq, Eq)]
pub struct OriginUrl(Url);

/// Why a text is not such a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginUrlError {
    /// It cannot be read as a URL at all.
    #[error("it is not a URL such as `https://vod.example.com/base`")]
    NotAUrl,
    /// It has more than scheme, host, port and path.
    #[error("it must have no user, password, query or fragment")]
    More,
    /// The path is outside the grammar.
    #[error("its path may have letters, digits, `.`, `_`, `~` and `-` only, and no segment with a dot in front")]
    Path,
    /// Another scheme.
    #[error("its scheme must be http or https")]
    Scheme,
}

impl OriginUrl {
    /// The URL of what `path` names below this one. `path` has segments of the grammar alone, so nothing in it is
    /// encoded, and nothing of it is taken for a query or a step upwards.
    pub(super) fn below(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{path}", self.path()));
        url
    }

    /// The same URL on the host `label.host`; `None` where that is not a host name, as for an address.
    pub(super) fn on_subdomain(&self, label: &str) -> Option<Self> {
        let mut url = self.0.clone();
        let host = format!("{label}.{}", url.domain()?);
        url.set_host(Some(&host)).ok()?;
        (url.host_str() == Some(&host)).then_some(Self(url))
    }

    pub(super) fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host, and the port where it is not the scheme's own.
    pub(super) fn host(&self) -> Box<str> {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.into(), |port| format!("{host}:{port}").into())
    }

    /// The path, without a `/` at its end: empty, or with one in front.
    pub(super) fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Whether there is nothing after the host.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.path().is_empty()
    }
}

impl FromStr for OriginUrl {
    type Err = OriginUrlError;

    fn from_str(text: &str) -> Result<Self, OriginUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginUrlError::NotAUrl)?;
        if !["http", "https"].contains(&scheme) {
            return Err(OriginUrlError::Scheme);
        }
        if rest.contains(['@', '?', '#']) {
            return Err(OriginUrlError::More);
        }
        // A parser repairs what is wrong with a path, so the text is looked at before it.
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.strip_suffix('/').unwrap_or(path);
        if !path.is_empty() && !path.split('/').all(is_segment) {
            return Err(OriginUrlError::Path);
        }
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-._:[]".contains(&c);
        if authority.is_empty() || !authority.bytes().all(plain) {
            return Err(OriginUrlError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| OriginUrlError::NotAUrl)?;
        Ok(Self(url))
    }
}

impl fmt::Display for OriginUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.0.scheme(), self.host(), self.path())
    }
}

impl fmt::Debug for OriginUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_extended_and_not_repaired() {
        check("http://h", "http://h", "http://h/acme/intro/x.ts");
        check("https://H.Example.com:443/", "https://h.example.com", "https://h.example.com/acme/intro/x.ts");
        check(
            "http://10.0.0.1:8080/a/b.c/",
            "http://10.0.0.1:8080/a/b.c",
            "http://10.0.0.1:8080/a/b.c/acme/intro/x.ts",
        );
        check("http://[::1]:9000/a", "http://[::1]:9000/a", "http://[::1]:9000/a/acme/intro/x.ts");
    }

    #[test]
    fn bad_urls_are_refused() {
        use OriginUrlError::{More, NotAUrl, Path, Scheme};
        for (text, error) in [
            ("", NotAUrl),
            ("h", NotAUrl),
            ("http:/h", NotAUrl),
            ("http://", NotAUrl),
            ("http:///a", NotAUrl),
            ("http://h:99999", NotAUrl),
            ("http://a b", NotAUrl),
            ("http://a\\b", NotAUrl),
            ("http://%68", NotAUrl),
            ("http://{account}.example.com", NotAUrl),
            ("http://[::1", NotAUrl),
            ("ftp://h", Scheme),
            ("file:///etc", Scheme),
            ("gopher://h", Scheme),
            ("HTTP://h", Scheme),
            ("http+unix://h", Scheme),
            ("http://user@h", More),
            ("http://user:password@h", More),
            ("http://h?x", More),
            ("http://h/a?x=y", More),
            ("http://h#x", More),
            ("http://h/a//b", Path),
            ("http://h/..", Path),
            ("http://h/a/../b", Path),
            ("http://h/%2e%2e", Path),
            ("http://h/a b", Path),
            ("http://h/a\\b", Path),
            ("http://h/.well-known", Path),
            ("http://h/{uid}", Path),
        ] {
            assert_eq!(text.parse::<OriginUrl>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_bucket_may_be_part_of_the_host() {
        let on = |url: &str, label| url.parse::<OriginUrl>().unwrap().on_subdomain(label).map(|url| url.to_string());
        assert_eq!(on("https://s3.example.com:9000", "vod").as_deref(), Some("https://vod.s3.example.com:9000"));
        assert_eq!(on("https://localhost", "vod").as_deref(), Some("https://vod.localhost"));
        assert_eq!(on("http://127.0.0.1:9000", "vod"), None);
        assert_eq!(on("http://[::1]", "vod"), None);
        assert_eq!(on("http://h", "a/b"), None);
    }

    #[track_caller]
    fn check(text: &str, shown: &str, below: &str) {
        let url: OriginUrl = text.parse().unwrap();
        assert_eq!((url.to_string().as_str(), url.below("acme/intro/x.ts").as_str()), (shown, below));
    }
}
