//! Which requests the loop answers. All others are for a complete server.

use std::mem::MaybeUninit;
use std::net::SocketAddr;

use http::Method;

use super::plain::PlainRequest;

/// How many headers a request may have.
const MAX_HEADERS: usize = 64;

/// A plain request that stood at the beginning of what a client sent, and was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<T> {
    /// What was found.
    pub(super) found: T,
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

/// Reads a head of `peer`, and has `look` look at it where it is a [`PlainRequest`].
///
/// # Errors
/// [`NotPlain`]
pub(super) fn read<T>(
    received: &[u8],
    peer: SocketAddr,
    look: impl FnOnce(&PlainRequest<'_>) -> T,
) -> Result<Head<T>, NotPlain> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(received, &mut lines) {
        Ok(httparse::Status::Partial) => Err(NotPlain::Unfinished),
        Ok(httparse::Status::Complete(length)) => {
            let (request, keep_alive) = plain(received, &parsed, length, peer).ok_or(NotPlain::Other)?;
            Ok(Head { found: look(&request), length, keep_alive })
        }
        Err(_) => Err(NotPlain::Other),
    }
}

/// The request, and whether the client wants to ask more.
fn plain<'a>(
    received: &'a [u8],
    parsed: &'a httparse::Request<'a, 'a>,
    length: usize,
    peer: SocketAddr,
) -> Option<(PlainRequest<'a>, bool)> {
    let method = match parsed.method? {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        _ => return None,
    };
    let target = parsed.path.filter(|target| is_plain_target(target))?;
    if parsed.version != Some(1) || !lines_end_in_crlf(&received[..length], parsed.headers) {
        return None;
    }
    let keep_alive = goes_on(parsed.headers)?;
    Some((PlainRequest { method, target, lines: parsed.headers, received: &received[..length], peer }, keep_alive))
}

/// Whether it begins with `/` and has nothing but what a path and a query may have (RFC 3986, sections 3.3 and 3.4).
fn is_plain_target(target: &str) -> bool {
    // Without a branch for each byte, which a compiler turns into a few instructions for sixteen of them.
    let is_plain = |c: u8| {
        let is_letter = (c | 0x20).wrapping_sub(b'a') < 26;
        // From `$` to `;` are the digits, most marks that separate, `%` and `/`.
        is_letter
            | (c.wrapping_sub(b'$') <= b';' - b'$')
            | (c == b'!')
            | (c == b'=')
            | (c == b'?')
            | (c == b'@')
            | (c == b'_')
            | (c == b'~')
    };
    target.starts_with('/') && target.bytes().fold(true, |all, c| all & is_plain(c))
}

/// A bare line feed ends a line for some servers and not for others (RFC 9112, section 2.2). Within a line there is none, or the
/// head would not have been read.
fn lines_end_in_crlf(head: &[u8], lines: &[httparse::Header<'_>]) -> bool {
    let start = |line: &httparse::Header<'_>| line.name.as_ptr().addr() - head.as_ptr().addr();
    // No empty lines in front.
    head.first().is_some_and(u8::is_ascii_alphabetic)
        && lines.iter().all(|line| head[..start(line)].ends_with(b"\r\n"))
        && head.ends_with(b"\r\n\r\n")
}

/// Whether the client wants to ask more; `None` where there is not one plain `Host`, where `Connection` says anything else, and
/// where a body or another protocol is announced.
fn goes_on(lines: &[httparse::Header<'_>]) -> Option<bool> {
    let (mut host, mut connection) = (None, None);
    for line in lines {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        let is_new = if is("host") {
            host.replace(line.value).is_none()
        } else if is("connection") {
            connection.replace(line.value).is_none()
        } else {
            !["content-length", "transfer-encoding", "expect", "upgrade"].into_iter().any(is)
        };
        if !is_new {
            return None;
        }
    }
    match connection {
        _ if !host.is_some_and(is_plain_host) => None,
        None => Some(true),
        Some(value) if value.eq_ignore_ascii_case(b"keep-alive") => Some(true),
        Some(value) if value.eq_ignore_ascii_case(b"close") => Some(false),
        Some(_) => None,
    }
}

/// Whether it is a name or an address, and perhaps a port.
fn is_plain_host(host: &[u8]) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    let (name, port) = match host.iter().position(|&c| c == b':') {
        Some(colon) => (&host[..colon], &host[colon + 1..]),
        None => (host, &b"80"[..]),
    };
    let is_port = (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    !name.is_empty() && name.iter().all(|&c| plain(c)) && is_port
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
            "X: \u{7f}",
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
        check("\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "other");
        let many = "X: y\r\n".repeat(MAX_HEADERS);
        check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "other");
    }

    #[test]
    fn one_bare_line_feed_is_enough() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nX: y \r\nY:\r\n\r\n";
        check(head, "plain");
        for (at, _) in head.match_indices("\r\n") {
            check(&format!("{}{}", &head[..at], &head[at + 1..]), "other");
        }
    }

    #[test]
    fn what_follows_is_the_next_request() {
        let two = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
        let head = look(two).unwrap();
        assert_eq!((&*head.found, head.length), ("/a", two.len() / 2));
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = match look(text.as_bytes()) {
            Err(NotPlain::Unfinished) => "more",
            Err(NotPlain::Other) => "other",
            Ok(Head { keep_alive: true, .. }) => "plain",
            Ok(Head { keep_alive: false, .. }) => "plain, the last one",
        };
        assert_eq!(got, expected, "{text:?}");
    }

    fn look(received: &[u8]) -> Result<Head<String>, NotPlain> {
        read(received, SocketAddr::from(([192, 0, 2, 7], 1)), |request| {
            let whole = request.to_request().unwrap();
            assert_eq!(whole.uri().path_and_query().unwrap().as_str(), request.target, "both read the same");
            assert_eq!(whole.headers().len(), request.lines.len());
            request.path().to_owned()
        })
    }
}
