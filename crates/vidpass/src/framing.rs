//! What `hyper` lets pass and two servers in a row could read differently.
//!
//! Of a request with both `Content-Length` and `Transfer-Encoding` only the latter arrives here: `hyper` reads the chunks
//! and closes the connection after the answer (RFC 9112, section 6.3).

use axum::body::Body;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{Request, Response, StatusCode, Version};

const HOST_UNCLEAR: &str =
    "An HTTP/1.1 request has exactly one Host header, with a host in it (RFC 9112, section 3.2).\n";
const CODING_UNCLEAR: &str = "The only transfer coding that is read is chunked, named once (RFC 9112, section 6.1).\n";

/// The answer to a request whose host or framing is told in no way, in two, or in one that others may not read.
pub(crate) fn refusal<B>(request: &Request<B>) -> Option<Response<Body>> {
    let text = match (host_is_clear(request), coding_is_clear(request)) {
        (true, true) => return None,
        (false, _) => HOST_UNCLEAR,
        (true, false) => CODING_UNCLEAR,
    };
    let response = Response::builder()
        .status(StatusCode::BAD_REQUEST)
        .header(CONNECTION, "close")
        .header(CONTENT_TYPE, "text/plain; charset=utf-8");
    Some(response.body(Body::from(text)).expect("the parts are constants"))
}

fn host_is_clear<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => {
            host.is_empty() || Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        (Some(_), Some(_)) => false,
    }
}

fn coding_is_clear<B>(request: &Request<B>) -> bool {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_readable_host() {
        check(Version::HTTP_11, &["video.example:8080"], true);
        check(Version::HTTP_11, &["[::1]:8080"], true);
        check(Version::HTTP_11, &[""], true);
        check(Version::HTTP_11, &[], false);
        check(Version::HTTP_11, &["a", "a"], false);
        check(Version::HTTP_11, &["a/b?c"], false);
        check(Version::HTTP_11, &["user@a"], false);
        check(Version::HTTP_11, &["a b"], false);
        check(Version::HTTP_10, &[], true);
        check(Version::HTTP_10, &["a", "b"], false);
        check(Version::HTTP_2, &[], true);
    }

    #[test]
    fn one_transfer_coding_that_everybody_reads() {
        for (codings, clear) in [
            (&["chunked"][..], true),
            (&["Chunked"], true),
            (&["x, chunked"], false),
            (&["chunked", "chunked"], false),
            (&["x", "chunked"], false),
            (&["identity"], false),
        ] {
            let mut request = Request::builder().header(HOST, "a");
            for coding in codings {
                request = request.header(TRANSFER_ENCODING, *coding);
            }
            assert_eq!(refusal(&request.body(()).unwrap()).is_none(), clear, "{codings:?}");
        }
    }

    #[track_caller]
    fn check(version: Version, hosts: &[&str], clear: bool) {
        let mut request = Request::builder().version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let answer = refusal(&request.body(()).unwrap());
        assert_eq!(answer.map(|answer| answer.status()), (!clear).then_some(StatusCode::BAD_REQUEST), "{hosts:?}");
    }
}
