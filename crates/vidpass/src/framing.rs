//! What `hyper` lets pass and two servers in a row could read differently.
//!
//! A request with both `Content-Length` and `Transfer-Encoding` is `hyper`'s own affair: it reads the chunks and closes
//! the connection after the answer (RFC 9112, section 6.3).

use axum::body::Body;
use http::header::{CONNECTION, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{Request, Response, StatusCode, Version};

const REFUSAL: &str = "An HTTP/1.1 request has exactly one Host header, with a host in it (RFC 9112, section 3.2).\n";

/// The answer to a request whose host is not told, told twice, or told in no readable way.
pub(crate) fn refusal<B>(request: &Request<B>) -> Option<Response<Body>> {
    if host_is_clear(request) {
        return None;
    }
    let response = Response::builder()
        .status(StatusCode::BAD_REQUEST)
        .header(CONNECTION, "close")
        .header(CONTENT_TYPE, "text/plain; charset=utf-8");
    Some(response.body(Body::from(REFUSAL)).expect("the parts are constants"))
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
