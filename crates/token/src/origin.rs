//! Sites on which a video may be embedded.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// One entry of a video's `allowedOrigins`.
///
/// `example.com` is that host alone; `*.example.com` is every host below it, at any depth, and not `example.com`
/// itself. A port is named where it is not the scheme's own (80 or 443): `localhost:3000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin {
    /// `*.` before the host.
    below: bool,
    host: Box<str>,
    port: Option<u16>,
}

/// The site that a viewer says it is on: host, and port where it is not 80 or 443.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOrigin {
    host: Box<str>,
    port: Option<u16>,
}

/// Why a text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a host (such as `example.com`, `*.example.com` or `localhost:3000`; no scheme, no path)", .0.escape_debug())]
pub struct OriginError(String);

/// Why a text is not the origin of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an origin such as `https://example.com` or `http://localhost:3000`", .0.escape_debug())]
pub struct RequestOriginError(String);

impl AllowedOrigin {
    /// Whether a request from `origin` may have the video.
    #[must_use]
    pub fn allows(&self, origin: &RequestOrigin) -> bool {
        let host = if self.below {
            origin.host.strip_suffix(&*self.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            origin.host == self.host
        };
        host && origin.port == self.port
    }
}

impl FromStr for AllowedOrigin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (below, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        let (host, port) = host_and_port(rest).ok_or_else(|| OriginError(text.chars().take(128).collect()))?;
        Ok(Self { below, host, port: port.filter(|port| ![80, 443].contains(port)) })
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.below { "*." } else { "" })?;
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for RequestOrigin {
    type Err = RequestOriginError;

    /// Reads an `Origin` header (RFC 6454, section 7), or the URL of a `Referer`.
    fn from_str(text: &str) -> Result<Self, RequestOriginError> {
        let parse = || {
            let (scheme, rest) = text.split_once("://")?;
            let default = match scheme {
                "http" => 80,
                "https" => 443,
                _ => return None,
            };
            let authority = rest.split(['/', '?', '#']).next()?;
            let (host, port) = host_and_port(authority)?;
            Some(Self { host, port: port.filter(|port| *port != default) })
        };
        parse().ok_or_else(|| RequestOriginError(text.chars().take(128).collect()))
    }
}

impl fmt::Display for RequestOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Splits `host[:port]`; the host is a name of letters, digits, `-` and `.`, or an IPv6 address in brackets. It comes in the
/// one spelling by which hosts can be compared: lower case, and addresses as RFC 5952 writes them. Nothing else may stand in
/// the text: no user, no empty port, no port with a leading zero.
#[must_use]
pub fn host_and_port(text: &str) -> Option<(Box<str>, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (text, None),
    };
    let port = match port {
        Some(digits) => Some(digits.parse::<u16>().ok().filter(|port| port.to_string() == digits)?),
        None => None,
    };
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        // One address has many spellings; the standard library writes that one.
        Some(literal) => format!("[{}]", literal.parse::<Ipv6Addr>().ok()?),
        None => is_name(host).then(|| host.to_ascii_lowercase())?,
    };
    Some((host.into(), port))
}

fn is_name(host: &str) -> bool {
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_allows_what_the_documentation_says() {
        check("example.com", "https://example.com", true);
        check("example.com", "https://EXAMPLE.com:443", true);
        check("example.com", "https://www.example.com", false);
        check("example.com", "https://example.com:8443", false);
        check("*.example.com", "https://a.example.com", true);
        check("*.example.com", "https://a.b.example.com", true);
        check("*.example.com", "https://example.com", false);
        check("*.example.com", "https://badexample.com", false);
        check("localhost:3000", "http://localhost:3000", true);
        check("localhost", "http://localhost:3000", false);
        check("[::1]:3000", "http://[::1]:3000", true);
        check("[2001:DB8:0::1]", "http://[2001:db8::1]", true);
        check("[2001:db8::1]", "https://[2001:0db8:0:0:0:0:0:0001]:443", true);
        check("[2001:db8::1]:8080", "http://[2001:DB8::1]:8080/page", true);
        check("[::ffff:192.0.2.7]", "http://[::ffff:c000:207]", true);
        check("[2001:db8::1]", "http://[2001:db8::2]", false);
        check("example.com", "https://example.com/page?x=https://other.example", true);
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "https://example.com",
            "example.com/",
            "a..b",
            "exa mple.com",
            "a:99999",
            "a:",
            "[::g]",
            "a,b",
        ] {
            assert!(text.parse::<AllowedOrigin>().is_err(), "{text}");
        }
        for text in ["null", "", "example.com", "file:///x", "https://", "https://user@example.com", "https://a b"] {
            assert!(text.parse::<RequestOrigin>().is_err(), "{text}");
        }
    }

    #[track_caller]
    fn check(allowed: &str, origin: &str, expected: bool) {
        let entry: AllowedOrigin = allowed.parse().unwrap();
        assert_eq!(entry.allows(&origin.parse().unwrap()), expected, "{allowed} for {origin}");
    }
}
