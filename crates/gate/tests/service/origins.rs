//! Remote origins, good and bad.

use std::time::{Duration, Instant};

use http::Method;
use vidpass_gate::{OriginKind, OriginLimits};

use crate::logs::written;
use crate::site::{PROXY, Site, limits, token};
use crate::upstream::{CHANGED, Step, TAG, Upstream, answer, whole};
use crate::wire::exchange;

const SEGMENT: &str = "/public/hls/seg-1.m4s";

#[tokio::test]
async fn only_what_is_allowed_comes_through() {
    let headers = "etag: \"a\"\r\nlast-modified: Fri, 15 Jan 2027 06:00:00 GMT\r\ncontent-type: text/html\r\nset-cookie: a=b\r\n\
        location: http://elsewhere/\r\nserver: nginx\r\nalt-svc: h3=\":443\"\r\nstrict-transport-security: max-age=1\r\n\
        cache-control: public\r\naccess-control-allow-origin: https://a.example\r\nx-amz-meta-secret: x\r\n";
    let origin = Upstream::start(move |head| vec![Step::Send(whole(head, b"0123456789", headers))]).await;
    let site = Site::start().with_origin(origin.kind());
    let answer = site.get(SEGMENT).await;
    assert_eq!(answer.summary(), "200 0123456789");
    assert_eq!(
        answer.all_headers(),
        "accept-ranges: bytes\n\
         access-control-allow-origin: *\n\
         access-control-expose-headers: Accept-Ranges, Content-Length, Content-Range, Date, ETag, Last-Modified, X-Vidpass-Decision, X-Vidpass-Denial\n\
         cache-control: public, max-age=300\n\
         content-length: 10\n\
         content-type: video/iso.segment\n\
         cross-origin-resource-policy: cross-origin\n\
         etag: \"a\"\n\
         last-modified: Fri, 15 Jan 2027 06:00:00 GMT\n\
         referrer-policy: no-referrer\n\
         x-content-type-options: nosniff\n"
    );
}

#[tokio::test]
async fn nothing_of_the_viewer_reaches_the_origin() {
    let origin = Upstream::with_file("0123456789").await;
    let site = Site::start().with_origin(origin.kind());
    site.name_origin("private", "origin");
    let credential = token("private", |_| {});
    let target = format!("/{credential}/hls/seg-1.m4s?token={credential}&x=/../y");
    let headers = [
        ("authorization", "Bearer secret"),
        ("cookie", "a=secret"),
        ("host", "secret.example"),
        ("origin", "https://secret.example"),
        ("referer", &format!("https://secret.example/{credential}")),
        ("user-agent", "secret"),
        ("x-forwarded-for", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("connection", "x-secret, keep-alive"),
        ("x-secret", "secret"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "Basic secret"),
        ("accept-encoding", "gzip, br"),
        ("accept", "secret/secret"),
        ("range", "bytes= 2-3 , "),
        ("if-range", "\"secret\", \"other\""),
    ];
    let answer = site.ask_from(PROXY, Method::GET, &target, &headers).await;
    assert_eq!(answer.summary(), "200 0123456789", "the condition makes no sense");
    let host = &origin.address;
    let request = |range: &str| {
        format!(
            "GET /owner/private/hls/seg-1.m4s HTTP/1.1\r\n{range}accept-encoding: identity\r\naccept: */*\r\n\
             user-agent: vidpass\r\nhost: {host}\r\n\r\n"
        )
    };
    assert_eq!(origin.asked(), [request("range: bytes=2-3\r\n"), request("")]);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Upstream::with_file("stolen").await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let to = format!("HTTP/1.1 {status}\r\nlocation: http://{}/x\r\ncontent-length: 0\r\n\r\n", elsewhere.address);
        let origin = Upstream::start(move |_| vec![Step::Send(to.clone().into())]).await;
        let site = Site::start().with_origin(origin.kind());
        assert_eq!(site.get(SEGMENT).await.summary(), "502 origin_failed", "{status}");
        assert_eq!(origin.asked().len(), 1);
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn what_makes_no_sense_is_a_bad_gateway() {
    for (text, expected) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", "404 not_found"),
        ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", "404 not_found"),
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", "502 origin_failed"),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "502 origin_failed"),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "502 origin_failed"),
        ("HTTP/1.1 503 Later\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n", "502 origin_failed"),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", "502 origin_failed"),
        ("HTTP/1.1 206 Partial\r\ncontent-range: bytes 0-0/1\r\ncontent-length: 1\r\n\r\nx", "502 origin_failed"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "502 origin_failed"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "502 origin_failed",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx", "502 origin_failed"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx", "502 origin_failed"),
        ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "502 origin_failed"),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n", "502 origin_failed"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "502 origin_failed"),
        ("", "502 origin_failed"),
    ] {
        let origin = Upstream::start(move |_| vec![Step::Send(text.into()), Step::Close]).await;
        let site = Site::start().with_origin(origin.kind());
        let answer = site.get(SEGMENT).await;
        assert_eq!((answer.summary().as_str(), answer.header("cache-control")), (expected, "no-store"), "{text:?}");
        assert_eq!((answer.header("set-cookie"), answer.header("location")), ("-", "-"));
        let log = written();
        assert!(!log.contains("\"level\":\"ERROR\""), "a viewer writes no error: {log}");
        assert_eq!(log.contains("an origin gives no file"), expected != "404 not_found", "{log}");
    }
}

#[tokio::test]
async fn an_origin_that_is_down_slow_or_endless_is_given_up_in_time() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    check_given_up(OriginKind::Http(format!("http://{nobody}").parse().unwrap()), "502 origin_failed").await;
    for (steps, expected) in [
        (Step::Hang, "504 origin_timeout"),
        (Step::Flood("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".to_owned()), "504 origin_timeout"),
        (Step::Flood("x".repeat(60_000)), "502 origin_failed"),
        (Step::Flood("\r\n".repeat(30_000)), "502 origin_failed"),
    ] {
        let steps = std::sync::Mutex::new(Some(steps));
        let origin = Upstream::start(move |_| steps.lock().unwrap().take().into_iter().collect()).await;
        check_given_up(origin.kind(), expected).await;
    }
    // 1 GB of headers would take longer than the limit; it is not waited for.
    let headers =
        |_: &str| vec![Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Flood("x-header: value\r\n".repeat(4000))];
    check_given_up(Upstream::start(headers).await.kind(), "502 origin_failed").await;
    let one =
        |_: &str| vec![Step::Send(b"HTTP/1.1 200 OK\r\nx-header: ".to_vec()), Step::Flood("some value ".repeat(6000))];
    check_given_up(Upstream::start(one).await.kind(), "502 origin_failed").await;
    let silent = |head: &str| vec![Step::Send(whole(&format!("HEAD {head}"), &[0; 10], "")), Step::Hang];
    check_given_up(Upstream::start(silent).await.kind(), "504 origin_timeout").await;
}

async fn check_given_up(kind: OriginKind, expected: &str) {
    // What is refused for its size is refused whatever the time; what says nothing, for the time.
    let limits = match expected {
        "504 origin_timeout" => OriginLimits { response_timeout: Duration::from_millis(300), ..limits() },
        _ => limits(),
    };
    let site = Site::start().with_origins(vec![("origin", kind)], limits, None);
    let started = Instant::now();
    assert_eq!(site.get(SEGMENT).await.summary(), expected);
    assert!(started.elapsed() < Duration::from_secs(10), "{expected}: {:?}", started.elapsed());
    assert_eq!(site.get("/embedded/hls/seg-1.m4s").await.summary(), "403 origin_not_allowed");
    site.name_origin("private", "media");
    assert_eq!(site.get("/private/hls/seg-1.m4s").await.summary(), "200 0123456789", "another video");
}

#[tokio::test]
async fn a_body_that_breaks_off_cuts_the_connection() {
    let content = vec![b'x'; 300_000];
    let breaks = |tag: &'static str, then: fn() -> Step| {
        let content = content.clone();
        move |head: &str| {
            let mut bytes = whole(head, &content, tag);
            bytes.truncate(100_000);
            vec![Step::Send(bytes), then()]
        }
    };
    for (script, why) in [
        (breaks("", || Step::Close), "closed"),
        (breaks("etag: W/\"weak\"\r\n", || Step::Close), "closed, with a weak tag"),
        (breaks("etag: \"a\"\r\n", || Step::Close), "closed again when asked for the rest"),
        (breaks("", || Step::Hang), "silent"),
    ] {
        let origin = Upstream::start(script).await;
        let limits = OriginLimits { read_timeout: Duration::from_millis(300), ..limits() };
        let site = Site::start().with_origins(vec![("origin", origin.kind())], limits, None);
        let started = Instant::now();
        let answer = exchange(&site, format!("GET {SEGMENT} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("content-length: 300000\r\n"), "{why}");
        assert!(answer.len() < 110_000, "{why}: {} bytes", answer.len());
        assert!(started.elapsed() < Duration::from_secs(10), "{why}: {:?}", started.elapsed());
        assert_eq!(site.metric("vidpass_gate_origin_broken_off_total{origin=\"origin\"}"), 1, "{why}");
        let again = usize::from(why.contains("again"));
        let outcomes = [("found", 1), ("not_resumed", again), ("resumed", 0)];
        for (outcome, count) in outcomes {
            let metric = format!("vidpass_gate_origin_requests_total{{origin=\"origin\",outcome=\"{outcome}\"}}");
            assert_eq!(site.metric(&metric), i64::try_from(count).unwrap(), "{outcome}: {why}");
        }
        assert_eq!(origin.asked().len(), 1 + again, "each request has one outcome: {why}");
        assert_eq!(written().contains("an origin does not give the rest of a file"), again == 1, "{why}");
    }
}

#[tokio::test]
async fn the_rest_of_the_same_file_is_asked_for_once() {
    let content: &'static str = "0123456789".repeat(30_000).leak();
    let script = move |head: &str| {
        let mut bytes = answer(head, content.as_bytes());
        if head.contains("range:") {
            return vec![Step::Send(bytes)];
        }
        bytes.truncate(100_000);
        vec![Step::Send(bytes), Step::Close]
    };
    let origin = Upstream::start(script).await;
    let site = Site::start().with_origin(origin.kind());
    assert!(site.get(SEGMENT).await.body == content);
    let asked = origin.asked_for();
    let (whole, rest) = (&asked[0], &asked[1]);
    assert_eq!(whole, "GET /owner/public/hls/seg-1.m4s");
    assert!(rest.ends_with("-299999 if-match: \"tag-1\""), "{rest}");
    assert_eq!(site.metric("vidpass_gate_origin_requests_total{origin=\"origin\",outcome=\"resumed\"}"), 1);
}

#[tokio::test]
async fn a_connection_that_ended_without_an_answer_is_made_anew_once() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let origin = Upstream::start(move |head| match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        1 => vec![Step::Close],
        _ => vec![Step::Send(answer(head, b"0123456789"))],
    });
    let origin = origin.await;
    let site = Site::start().with_origin(origin.kind());
    for requests in [1, 3, 4] {
        assert_eq!(site.get(SEGMENT).await.summary(), "200 0123456789");
        assert_eq!(origin.asked().len(), requests);
    }
    let origin = Upstream::start(|_| vec![Step::Close]).await;
    let site = Site::start().with_origin(origin.kind());
    assert_eq!((site.get(SEGMENT).await.summary().as_str(), origin.asked().len()), ("502 origin_failed", 2));
}

#[tokio::test]
async fn an_origin_has_no_more_requests_than_it_may() {
    let origin = Upstream::start(|head| match head.contains("slow") {
        true => vec![Step::Send(whole(&format!("HEAD {head}"), &[0; 10], "")), Step::Send(b"x".to_vec()), Step::Hang],
        false => vec![Step::Send(answer(head, b"fast"))],
    });
    let origin = origin.await;
    let limits = OriginLimits { max_requests: 1, ..limits() };
    let site = Site::start().with_origins(vec![("origin", origin.kind())], limits, None);
    let slow = site.begin("/public/slow.m4s").await;
    let answer = site.ask(Method::GET, "/public/fast.m4s", &[("range", "bytes=0-")]).await;
    assert_eq!((answer.summary().as_str(), answer.header("retry-after")), ("503 origin_busy", "1"));
    drop(slow);
    assert_eq!(site.get("/public/fast.m4s").await.summary(), "200 fast", "the slow one has left");
}

/// Every row with the same answers of a folder and of servers of all kinds, tags and dates aside.
#[tokio::test]
async fn ranges_and_conditions_are_the_same_everywhere() {
    let correct = Upstream::with_file("0123456789").await;
    let ignorant = Upstream::start(|head| {
        let kept = |line: &&str| !line.starts_with("if-");
        vec![Step::Send(answer(&head.lines().filter(kept).collect::<Vec<_>>().join("\r\n"), b"0123456789"))]
    });
    let (ignorant, folder) = (ignorant.await, Site::start());
    folder.name_origin("public", "media");
    let etag = folder.get(SEGMENT).await.header("etag").to_owned();
    let places = [correct.kind(), ignorant.kind()].map(|place| Site::start().with_origin(place));
    for (method, headers) in rows() {
        let by = |tag: &str| headers.iter().map(|(name, value)| (*name, value.replace("TAG", tag))).collect::<Vec<_>>();
        let expected = ask(&folder, &method, &by(&etag)).await.replace(&etag, "TAG");
        for site in &places {
            assert_eq!(ask(site, &method, &by(TAG)).await.replace(TAG, "TAG"), expected, "{method} {headers:?}");
        }
    }
}

async fn ask(site: &Site, method: &Method, headers: &[(&str, String)]) -> String {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = site.ask(method.clone(), SEGMENT, &headers).await;
    format!("{}\n{}", answer.summary(), answer.all_headers())
}

fn rows() -> Vec<(Method, Vec<(&'static str, &'static str)>)> {
    let (earlier, later) = ("Fri, 15 Jan 2027 06:59:59 GMT", "Fri, 15 Jan 2027 07:00:01 GMT");
    let ranges = [
        "bytes=0-0",
        "bytes=2-4",
        "bytes=0-",
        "bytes=8-",
        "bytes=8-99",
        "bytes=-3",
        "bytes=-99",
        "bytes=-0",
        "bytes=10-",
        "bytes=99-",
        "bytes=0-0,2-2",
        "bytes=4-2",
        "lines=0-0",
        "nonsense",
        "bytes=9223372036854775807-",
        "bytes=0-9223372036854775807",
        "bytes=-9223372036854775808",
    ];
    let mut rows: Vec<Vec<(&str, &str)>> = ranges.iter().map(|range| vec![("range", *range)]).collect();
    for condition in [
        ("if-none-match", "TAG"),
        ("if-none-match", "W/TAG"),
        ("if-none-match", "\"a\", TAG"),
        ("if-none-match", "\"a\""),
        ("if-none-match", "*"),
        ("if-modified-since", CHANGED),
        ("if-modified-since", earlier),
        ("if-modified-since", later),
        ("if-match", "TAG"),
        ("if-match", "\"a\""),
        ("if-match", "*"),
        ("if-unmodified-since", CHANGED),
        ("if-unmodified-since", earlier),
        ("if-range", "TAG"),
        ("if-range", "W/TAG"),
        ("if-range", "\"a\""),
        ("if-range", CHANGED),
        ("if-range", later),
    ] {
        rows.extend([
            vec![condition],
            vec![("range", "bytes=2-4"), condition],
            vec![("range", "bytes=99-"), condition],
        ]);
    }
    rows.push(vec![("if-none-match", "\"a\""), ("if-modified-since", CHANGED)]);
    rows.push(vec![("if-match", "\"a\""), ("if-none-match", "TAG")]);
    rows.push(vec![]);
    let both = |headers: Vec<(&'static str, &'static str)>| [(Method::GET, headers.clone()), (Method::HEAD, headers)];
    rows.into_iter().flat_map(both).collect()
}

#[tokio::test]
async fn few_questions_are_asked() {
    let origin = Upstream::with_file("0123456789").await;
    let site = Site::start().with_origin(origin.kind());
    let mut before = 0;
    for (method, headers, expected) in [
        ("GET", vec![], "GET"),
        ("HEAD", vec![("range", "bytes=1-2")], "HEAD"),
        ("GET", vec![("range", "bytes=1-2")], "GET range: bytes=1-2"),
        ("GET", vec![("range", "bytes=-3")], "HEAD, GET range: bytes=7-9"),
        ("GET", vec![("range", "bytes=1-2"), ("if-range", TAG)], "GET range: bytes=1-2 if-match: \"tag-1\""),
        ("GET", vec![("range", "bytes=1-2"), ("if-range", "\"a\"")], "GET range: bytes=1-2 if-match: \"a\", GET"),
        ("GET", vec![("if-none-match", TAG)], "GET if-none-match: \"tag-1\""),
        ("GET", vec![("if-none-match", "\"a\", \"b\"")], "GET if-none-match: \"a\", \"b\""),
        ("GET", vec![("if-modified-since", CHANGED)], "GET if-modified-since: Fri, 15 Jan 2027 07:00:00 GMT"),
        ("GET", vec![("range", "bytes=99-")], "GET range: bytes=99-, HEAD"),
    ] {
        site.ask(method.parse().unwrap(), SEGMENT, &headers).await;
        let asked = origin.asked_for().split_off(before);
        before += asked.len();
        assert_eq!(asked.join(", ").replace(" /owner/public/hls/seg-1.m4s", ""), expected, "{method} {headers:?}");
    }
}

#[tokio::test]
async fn an_origin_without_ranges_sends_all() {
    let origin = Upstream::start(|head| vec![Step::Send(whole(head, b"0123456789", ""))]).await;
    let site = Site::start().with_origin(origin.kind());
    for (range, expected, content_range) in [
        ("bytes=1-2", "200 0123456789", "-"),
        ("bytes=-3", "200 0123456789", "-"),
        ("bytes=0-", "206 0123456789", "bytes 0-9/10"),
        ("bytes=10-", "416 range_not_satisfiable", "bytes */10"),
    ] {
        let answer = site.ask(Method::GET, SEGMENT, &[("range", range)]).await;
        assert_eq!((answer.summary().as_str(), answer.header("content-range")), (expected, content_range), "{range}");
        assert_eq!(answer.header("etag"), "-");
    }
}

#[tokio::test]
async fn an_origin_that_contradicts_itself_is_asked_a_few_times_only() {
    let origin = Upstream::start(|head| {
        let status = if head.starts_with("HEAD") { "200 OK" } else { "416 Range Not Satisfiable" };
        vec![Step::Send(format!("HTTP/1.1 {status}\r\ncontent-length: 10\r\n\r\n").into()), Step::Close]
    });
    let origin = origin.await;
    let site = Site::start().with_origin(origin.kind());
    let answer = site.ask(Method::GET, SEGMENT, &[("range", "bytes=1-2")]).await;
    assert_eq!((answer.summary().as_str(), origin.asked().len()), ("502 origin_failed", 4));
}

#[tokio::test]
async fn an_empty_file() {
    let origin = Upstream::with_file("").await;
    let site = Site::start().with_origin(origin.kind());
    assert_eq!(site.get(SEGMENT).await.summary(), "200 ");
    for (range, expected) in
        [("bytes=0-", "416 range_not_satisfiable"), ("bytes=-5", "200 "), ("bytes=-0", "416 range_not_satisfiable")]
    {
        assert_eq!(site.ask(Method::GET, SEGMENT, &[("range", range)]).await.summary(), expected, "{range}");
    }
}
