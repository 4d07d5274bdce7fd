//! Plain requests over real sockets, which the loop of its own answers: as the complete server does, and no worse treated.

use std::convert::Infallible;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use vidpass_gate::{GateBody, GateService, Handover, PlainLimits, PlainRequest, serve_plain};
use vidpass_token::{RevokedSubject, UnixTime, VideoPolicy};

use crate::cut_off::revoke;
use crate::denials::rules;
use crate::site::{ACCOUNT, NOW, PROXY, Site, key_id, token};

/// Longer than all buffers between server and client.
const LONG: usize = 48 << 20;

/// A gate that listens, with the loop or without.
pub(crate) struct Listening {
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The loop, and what it hands over.
    Plain,
    /// The same, for viewers behind a proxy that is trusted.
    BehindProxy,
    /// The complete server for everything.
    Complete,
}

impl Listening {
    pub(crate) async fn start(site: &Site, server: Server, patience: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let gate = site.service.clone();
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(connection(gate.clone(), stream, peer, server, patience, stopping.clone()));
            }
        });
        Self { address, stop }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// All that comes back on a connection of its own.
    async fn exchange(&self, request: &str) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }
}

async fn connection(
    gate: GateService,
    stream: TcpStream,
    peer: SocketAddr,
    server: Server,
    patience: Duration,
    stop: watch::Receiver<bool>,
) {
    let limits = PlainLimits { header_timeout: patience, write_timeout: patience };
    let peer = if server == Server::BehindProxy { PROXY.parse().unwrap() } else { peer };
    let rest = match server {
        Server::Plain | Server::BehindProxy => {
            let answers = gate.clone();
            let answer = move |request: &PlainRequest<'_>| answers.answer_plain(request);
            serve_plain(stream, peer, &limits, &(Arc::new(|| UnixTime(NOW)) as _), stop, answer).await
        }
        Server::Complete => Some(Handover { stream, read: bytes::Bytes::new() }),
    };
    if let Some(rest) = rest {
        let answer = move |request| {
            let gate = gate.clone();
            async move { gate.handle(request, peer).await }
        };
        complete_server(rest, answer).await;
    }
}

/// Goes on with a connection, from the request that it is handed over with.
pub(crate) async fn complete_server<F: Future<Output = Response<GateBody>>>(
    Handover { stream, read }: Handover,
    answer: impl Fn(Request<Incoming>) -> F,
) {
    let (reading, writing) = stream.into_split();
    let stream = TokioIo::new(tokio::io::join(Cursor::new(read).chain(reading), writing));
    let service = service_fn(|request| {
        let answered = answer(request);
        async { Ok::<_, Infallible>(answered.await) }
    });
    drop(hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await);
}

/// Status line, headers but the date in one order, and the body.
pub(crate) fn comparable(answer: &[u8]) -> (String, Vec<String>, Vec<u8>) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let status = lines.next().unwrap();
    // The complete server has a clock of its own; each refusal has a name of its own.
    let own = |line: String| match line.split_once(": ") {
        Some((name @ ("date" | "x-vidpass-decision"), _)) => name.to_owned(),
        Some(_) | None => line,
    };
    let mut headers: Vec<String> = lines.map(own).collect();
    headers.sort();
    (status, headers, answer[end + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loop_answers_as_the_complete_server_does() {
    let site = Site::start();
    for (name, length) in [("empty.ts", 0_usize), ("short.ts", 10), ("part.ts", 1 << 20), ("long.ts", 3_000_000)] {
        let content: String = (0..length).map(|n| char::from(b'a' + u8::try_from((n * n / 7) % 23).unwrap())).collect();
        site.put(&format!("private/{name}"), &content);
    }
    site.put("private/manifest/video.m3u8", "#EXTM3U\n/owner/private/hls/seg-1.m4s\n");
    let dry = VideoPolicy { dry_run: Some(true), ..VideoPolicy::private(ACCOUNT.parse().unwrap()) };
    site.gate.update(|catalogue| catalogue.insert_video("neighbour".parse().unwrap(), dry));
    site.put("neighbour/short.ts", "0123456789");
    let patience = Duration::from_secs(60);
    let plain = Listening::start(&site, Server::Plain, patience).await;
    let complete = Listening::start(&site, Server::Complete, patience).await;
    let requests = request();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    for _ in 0..400 {
        let request = requests.new_tree(&mut runner).unwrap().current();
        let got = comparable(&plain.exchange(&request).await);
        let mut expected = comparable(&complete.exchange(&request).await);
        // A decision's name stands in the body of a refusal too.
        if got.0.contains(" 40") && got.2.len() == expected.2.len() {
            expected.2.clone_from(&got.2);
        }
        assert!(got == expected, "{request}\n{:?}\n{:?}", (&got.0, &got.1), (&expected.0, &expected.1));
    }
}

fn request() -> impl Strategy<Value = String> {
    let good = token("private", |_| {});
    let over = token("private", |claims| claims.expires = UnixTime(NOW));
    let credential = prop_oneof![6 => Just(good), 1 => Just(over), 1 => Just("public".to_owned()), 1 => Just("x.y.z".to_owned()),
        1 => Just("neighbour".to_owned())];
    let file = prop::sample::select(vec![
        "empty.ts",
        "short.ts",
        "part.ts",
        "long.ts",
        "missing.ts",
        "manifest/video.m3u8",
        "downloads/default.mp4",
        "watch",
    ]);
    let number = prop_oneof![0..20_u64, 1_048_570..1_048_580_u64, 0..3_100_000_u64];
    let range = prop_oneof![
        3 => (number.clone(), number.clone()).prop_map(|(first, length)| format!("Range: bytes={first}-{}\r\n", first + length)),
        1 => number.clone().prop_map(|first| format!("Range: bytes={first}-\r\n")),
        1 => number.prop_map(|last| format!("Range: bytes=-{last}\r\n")),
        1 => Just("Range: bytes=0-1,5-6\r\n".to_owned()),
        2 => Just(String::new()),
    ];
    let condition = prop::sample::select(vec!["", "", "", "If-None-Match: *\r\n", "If-Match: \"x\"\r\n"]);
    let method = prop::sample::select(vec!["GET", "GET", "GET", "HEAD"]);
    (method, credential, file, range, condition).prop_map(|(method, credential, file, range, condition)| {
        format!("{method} /{credential}/{file} HTTP/1.1\r\nHost: h\r\n{range}{condition}Connection: close\r\n\r\n")
    })
}

#[tokio::test]
async fn what_is_sent_at_once_is_answered_in_order_and_the_rest_handed_over() {
    let site = Site::start();
    let gate = Listening::start(&site, Server::Plain, Duration::from_secs(60)).await;
    let answer = gate
        .exchange(
            "GET /public/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\n\r\n\
             HEAD /public/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\n\r\n\
             GET /public/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\nRange: bytes=3-4\r\n\r\n\
             OPTIONS /public/x HTTP/1.1\r\nHost: h\r\n\r\n\
             POST /public/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /",
        )
        .await;
    let answer = String::from_utf8(answer).unwrap();
    let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "206", "204", "405"], "{answer}");
    assert_eq!(answer.matches("0123456789").count(), 1);
    assert!(answer.contains("\r\n\r\n34HTTP/1.1 204 "), "{answer}");
}

#[tokio::test]
async fn every_change_holds_from_the_next_request_of_a_kept_connection_on() {
    const HOME: &str = "192.0.2.7";
    let site = Site::start();
    let gate = Listening::start(&site, Server::BehindProxy, Duration::from_secs(60)).await;
    let office = r#"[{"type":"ip.src","action":"allow","ip":["192.0.2.0/24"]},{"type":"any","action":"block"}]"#;
    let token = token("private", |claims| claims.access_rules = rules(office));
    let mut connection = gate.connect().await;
    let mut status = async |viewer: &str| {
        let request = format!("GET /{token}/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {viewer}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = connection.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[9..read.min(12)]).into_owned()
    };
    assert_eq!(status(HOME).await, "200");
    assert_eq!(status(HOME).await, "200", "its signature was seen");
    assert_eq!(status("203.0.113.9").await, "403", "another address");
    let policy = VideoPolicy::private(ACCOUNT.parse().unwrap());
    let elsewhere = VideoPolicy { allowed_origins: vec!["example.com".parse().unwrap()], ..policy.clone() };
    for (policy, expected) in [(elsewhere, "403"), (policy, "200")] {
        site.gate.update(|catalogue| catalogue.insert_video("private".parse().unwrap(), policy));
        assert_eq!(status(HOME).await, expected, "another rule for the video");
    }
    let video = RevokedSubject::Video("private".parse().unwrap());
    revoke(&site, &video);
    assert_eq!(status(HOME).await, "401", "taken back");
    let mark = video.mark(&ACCOUNT.parse().unwrap());
    site.gate.update(|catalogue| catalogue.set_revocations(mark, Box::default()));
    assert_eq!(status(HOME).await, "200");
    site.gate.update(|catalogue| catalogue.remove_key(&key_id()));
    assert_eq!(status(HOME).await, "401", "the key was deleted");
}

#[tokio::test]
async fn a_head_may_come_byte_by_byte() {
    let site = Site::start();
    let gate = Listening::start(&site, Server::Plain, Duration::from_secs(60)).await;
    let mut stream = gate.connect().await;
    stream.set_nodelay(true).unwrap();
    for byte in b"GET /public/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(comparable(&answer).2, b"0123456789");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_cut_short_ends_its_connection_and_no_other() {
    let site = Site::start();
    let (received, other) = interrupted(&site, "public", |site| {
        std::fs::File::options().write(true).open(site.path("public/long.ts")).unwrap().set_len(1000).unwrap();
    })
    .await;
    assert!(received < LONG, "{received} bytes");
    assert_eq!(other, "HTTP/1.1 200 OK");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_replaced_or_deleted_arrives_as_it_was() {
    for replace in [true, false] {
        let site = Site::start();
        let (received, _) = interrupted(&site, "public", |site| {
            std::fs::remove_file(site.path("public/long.ts")).unwrap();
            if replace {
                site.put("public/long.ts", "another");
            }
        })
        .await;
        assert_eq!(received, LONG);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_whose_token_is_taken_back_ends_short() {
    let site = Site::start();
    let (received, other) = interrupted(&site, "private", |site| {
        revoke(site, &RevokedSubject::Video("private".parse().unwrap()));
    })
    .await;
    assert!(received < LONG, "{received} bytes");
    assert_eq!(other, "HTTP/1.1 200 OK");
}

/// Reads the start of a long file, lets something happen, and reads on: how many bytes of the file came. Then another viewer
/// asks for something else.
async fn interrupted(site: &Site, video: &str, event: impl FnOnce(&Site)) -> (usize, String) {
    site.put(&format!("{video}/long.ts"), &"x".repeat(LONG));
    let gate = Listening::start(site, Server::Plain, Duration::from_secs(60)).await;
    let credential = if video == "public" { video.to_owned() } else { token(video, |_| {}) };
    let mut stream = gate.connect().await;
    let request = format!("GET /{credential}/long.ts HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 2000];
    stream.read_exact(&mut answer).await.unwrap();
    event(site);
    // A connection that is cut may end in a reset.
    drop(stream.read_to_end(&mut answer).await);
    let other = gate.exchange("GET /public/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    (comparable(&answer).2.len(), comparable(&other).0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_or_reads_nothing_is_cut_off_in_time() {
    let site = Site::start();
    site.put("public/long.ts", &"x".repeat(LONG));
    let gate = Listening::start(&site, Server::Plain, Duration::from_millis(500)).await;
    for start in ["", "G", "GET /public/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nX: "] {
        let began = Instant::now();
        gate.exchange(start).await;
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(20), "{start:?}: {took:?}");
    }
    let mut stream = gate.connect().await;
    stream.write_all(b"GET /public/long.ts HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut received = Vec::new();
    drop(stream.read_to_end(&mut received).await);
    assert!(received.len() < LONG, "all of it came");
}

#[tokio::test]
async fn a_connection_that_waits_ends_at_once_when_the_server_stops() {
    let site = Site::start();
    let gate = Listening::start(&site, Server::Plain, Duration::from_secs(600)).await;
    let mut stream = gate.connect().await;
    stream.write_all(b"GET /public/hls/seg-1.m4s HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    gate.stop.send_replace(true);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0123456789"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_sent_to_while_the_server_stops_ends_after_that() {
    let site = Site::start();
    site.put("public/long.ts", &"x".repeat(LONG));
    let gate = Listening::start(&site, Server::Plain, Duration::from_secs(600)).await;
    let mut stream = gate.connect().await;
    // So that it has slept before it is asked.
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(b"GET /public/long.ts HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 2000];
    stream.read_exact(&mut answer).await.unwrap();
    gate.stop.send_replace(true);
    // It is told while there is no room for more.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let rest = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
    rest.expect("the connection stays open").unwrap();
    assert_eq!(comparable(&answer).2.len(), LONG);
}
