//! Requests as bytes, through the real HTTP parser.

use std::convert::Infallible;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::site::{Site, token};

#[tokio::test]
async fn a_request_with_a_body_is_answered_and_its_connection_closed() {
    let site = Site::start();
    let smuggled = "GET /public/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\n\r\n";
    let length = smuggled.len();
    for framing in
        [format!("Content-Length: {length}\r\n\r\n"), format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n")]
    {
        let request =
            format!("GET /public/manifest/video.m3u8 HTTP/1.1\r\nHost: h\r\n{framing}{smuggled}\r\n0\r\n\r\n");
        let answer = exchange(&site, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    let post = "POST /public/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    let answer = exchange(&site, post.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn head_and_304_have_no_body_on_the_wire() {
    let site = Site::start();
    let head = exchange(&site, b"HEAD /public/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(head.contains("content-length: 10\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let unchanged = b"GET /public/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n";
    let unchanged = exchange(&site, unchanged).await;
    assert!(unchanged.starts_with("HTTP/1.1 304 ") && unchanged.ends_with("\r\n\r\n"), "{unchanged}");
    assert!(!unchanged.contains("content-length"), "{unchanged}");
}

#[tokio::test]
async fn a_file_that_is_cut_short_cuts_the_connection() {
    let site = Site::start();
    site.put("public/long.ts", &"x".repeat(4 << 20));
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let serving = tokio::spawn(serve(site.service.clone(), server));
    client.write_all(b"GET /public/long.ts HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut start = [0; 1000];
    client.read_exact(&mut start).await.unwrap();
    assert!(String::from_utf8_lossy(&start).contains("content-length: 4194304\r\n"));
    std::fs::File::options().write(true).open(site.path("public/long.ts")).unwrap().set_len(1000).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() < 4 << 20, "{} bytes", rest.len());
    let error = serving.await.unwrap().unwrap_err();
    assert!(error.is_user(), "{error:?}");
}

#[tokio::test]
async fn a_whole_file_arrives_as_it_is() {
    let site = Site::start();
    let content: String = (0..300_000).map(|n| char::from(b'a' + u8::try_from(n % 23).unwrap())).collect();
    site.put("private/long.ts", &content);
    let request = format!("GET /{}/long.ts HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", token("private", |_| {}));
    let answer = exchange(&site, request.as_bytes()).await;
    assert!(answer.split_once("\r\n\r\n").unwrap().1 == content);
}

/// Sends `request` over a connection of its own, ends the sending, and returns all that comes back.
pub(crate) async fn exchange(site: &Site, request: &[u8]) -> String {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let serving = tokio::spawn(serve(site.service.clone(), server));
    client.write_all(request).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    drop(serving.await.unwrap());
    String::from_utf8_lossy(&answer).into_owned()
}

async fn serve(gate: vidpass_gate::GateService, stream: tokio::io::DuplexStream) -> hyper::Result<()> {
    let peer = "192.0.2.7:50000".parse().unwrap();
    let service = service_fn(move |request| {
        let gate = gate.clone();
        async move { Ok::<_, Infallible>(gate.handle(request, peer).await) }
    });
    hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service).await
}
