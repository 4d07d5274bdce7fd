//! Which requests the loop answers. All others are for a complete server.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

/// How many headers a request may have.
const MAX_HEADERS: usize = 64;

/// A request that can be read in one way only: `GET` or `HEAD`, HTTP/1.1, with one plain `Host`, and nothing that announces a
/// body or another protocol.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) request: Request<()>,
    /// How many bytes it takes.
    pub(super) length: usize,
    /// Whether the client wants to ask more.
    pub(super) keep_alive: bool,
}

/// What stands in place of a plain request at the beginning of what a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotPlain {
    /// A head that has not ended yet.
    Unfinished,
    /// Anything else, and perhaps no request at all.
    Other,
}

/// Reads a head.
///
/// # Errors
/// [`NotPlain`]
pub(super) fn read(received: &Bytes) -> Result<Head, NotPlain> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(received) {
        Ok(httparse::Status::Partial) => Err(NotPlain::Unfinished),
        Ok(httparse::Status::Complete(length)) => plain(received, &parsed, length).ok_or(NotPlain::Other),
        Err(_) => Err(NotPlain::Other),
    }
}

fn plain(received: &Bytes, parsed: &httparse::Request<'_, '_>, length: usize) -> Option<Head> {
    let method = match parsed.method? {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        _ => return None,
    };
    let target = parsed.path.filter(|target| target.starts_with('/'))?;
    if parsed.version != Some(1) || !lines_end_in_crlf(&received[..length]) {
        return None;
    }
    let uri = Uri::from_maybe_shared(received.slice_ref(target.as_bytes())).ok()?;
    let headers = headers(received, parsed.headers)?;
    let keep_alive = keep_alive(&headers)?;
    let announced = [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT, UPGRADE].iter().any(|name| headers.contains_key(name));
    if announced || !has_plain_host(&headers) {
        return None;
    }
    let mut request = Request::new(());
    (*request.method_mut(), *request.uri_mut(), *request.version_mut()) = (method, uri, Version::HTTP_11);
    *request.headers_mut() = headers;
    Some(Head { request, length, keep_alive })
}

/// The values share the memory of what was received.
fn headers(received: &Bytes, parsed: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(parsed.len());
    for header in parsed {
        let name = name(header.name)?;
        // An empty value may point anywhere.
        let value = if header.value.is_empty() { Bytes::new() } else { received.slice_ref(header.value) };
        headers.append(name, HeaderValue::from_maybe_shared(value).ok()?);
    }
    Some(headers)
}

/// Names that proxies and browsers send and no standard list has: as constants they need no memory of their own.
static FREQUENT: [HeaderName; 9] = [
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
];

fn name(text: &str) -> Option<HeaderName> {
    let frequent = FREQUENT.iter().find(|frequent| frequent.as_str().eq_ignore_ascii_case(text));
    frequent.cloned().or_else(|| HeaderName::from_bytes(text.as_bytes()).ok())
}

/// A bare line feed ends a line for some servers and not for others (RFC 9112, section 2.2).
fn lines_end_in_crlf(head: &[u8]) -> bool {
    // Without a branch for each byte, as in `is_segment` of the paths.
    let bare = |all, (before, byte): (&u8, &u8)| all | (*byte == b'\n') & (*before != b'\r');
    head.first() != Some(&b'\n') && !head.iter().zip(&head[1..]).fold(false, bare)
}

/// Whether the client wants to ask more; `None` where `Connection` says anything else.
fn keep_alive(headers: &HeaderMap) -> Option<bool> {
    let mut values = headers.get_all(CONNECTION).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(true),
        (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"keep-alive") => Some(true),
        (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"close") => Some(false),
        (Some(_), _) => None,
    }
}

/// Whether there is one `Host`: a name or an address, and perhaps a port.
fn has_plain_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let host = host.as_bytes();
            let (name, port) = match host.iter().position(|&c| c == b':') {
                Some(colon) => (&host[..colon], &host[colon + 1..]),
                None => (host, &b"80"[..]),
            };
            let is_port = (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
            !name.is_empty() && name.iter().all(|&c| plain(c)) && is_port
        }
        (None | Some(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_and_carries_nothing_is_plain() {
        check("GET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n", "plain");
        check("HEAD /v1/x?y HTTP/1.1\r\nHost: a.example:8080\r\nRange: bytes=1-2\r\n\r\n", "plain");
        check("GET / HTTP/1.1\r\nHost: 192.0.2.7\r\nConnection: Keep-Alive\r\n\r\n", "plain");
        check("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "plain, the last one");
        check("GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", "plain");
        for start in ["", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n"] {
            check(start, "more");
        }
    }

    #[test]
    fn all_else_is_for_a_complete_server() {
        for line in ["GET http://a/ HTTP/1.1", "GET * HTTP/1.1", "GET a HTTP/1.1", "GET / HTTP/1.0", "POST / HTTP/1.1"]
        {
            check(&format!("{line}\r\nHost: a\r\n\r\n"), "other");
        }
        for line in ["OPTIONS / HTTP/1.1", "get / HTTP/1.1", "GET / HTTP/2.0", "GET  / HTTP/1.1", "GET /\u{0} HTTP/1.1"]
        {
            check(&format!("{line}\r\nHost: a\r\n\r\n"), "other");
        }
        for header in [
            "Content-Length: 0",
            "Content-Length: 3",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Upgrade: h2c",
            "Connection: upgrade",
            "Connection: keep-alive, x",
            "Connection: keep-alive\r\nConnection: close",
            "Host: a",
            "Space : x",
            "X: a\r\n b",
            "X: \u{1}",
        ] {
            check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n"), "other");
        }
        for host in ["", "a/b", "a b", "u@a", "[::1]", "a:", "a:x", "a:1:2", ":80", "a:123456"] {
            check(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), "other");
        }
        check("GET / HTTP/1.1\r\n\r\n", "other");
        check("GET / HTTP/1.1\nHost: a\r\n\r\n", "other");
        check("GET / HTTP/1.1\r\nHost: a\n\n", "other");
        check("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "other");
        let many = "X: y\r\n".repeat(MAX_HEADERS);
        check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "other");
    }

    #[test]
    fn what_follows_is_the_next_request() {
        let two = Bytes::from("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = read(&two).unwrap();
        assert_eq!((head.request.uri().path(), head.length), ("/a", two.len() / 2));
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = match read(&Bytes::copy_from_slice(text.as_bytes())) {
            Err(NotPlain::Unfinished) => "more",
            Err(NotPlain::Other) => "other",
            Ok(Head { keep_alive: true, .. }) => "plain",
            Ok(Head { keep_alive: false, .. }) => "plain, the last one",
        };
        assert_eq!(got, expected, "{text:?}");
    }
}
