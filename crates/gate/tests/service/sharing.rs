//! Downloads that viewers share.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use vidpass_gate::{GateBody, OriginLimits};

use crate::logs::written;
use crate::site::{Site, limits};
use crate::upstream::{Step, Upstream, whole};

const SEGMENT: &str = "/public/hls/seg-1.m4s";

/// Long enough not to fit into the buffers on the way.
static CONTENT: LazyLock<Vec<u8>> = LazyLock::new(|| (0..2_000_000_u32).map(|n| n.to_le_bytes()[1]).collect());

/// Sends half of the content, and the rest when the test says so.
async fn halting(go_on: &Arc<Semaphore>) -> Upstream {
    let go_on = Arc::clone(go_on);
    let script = move |head: &str| {
        let mut first = whole(head, &CONTENT, "etag: \"a\"\r\n");
        let rest = first.split_off(1_000_000);
        vec![Step::Send(first), Step::Wait(Arc::clone(&go_on)), Step::Send(rest)]
    };
    Upstream::start(script).await
}

#[tokio::test]
async fn fifty_viewers_are_one_request() {
    let go_on = Arc::new(Semaphore::new(0));
    let origin = halting(&go_on).await;
    let site = Site::start().with_origin(origin.kind());
    let viewers: Vec<_> = join_all((0..50).map(|_| site.begin(SEGMENT))).await;
    assert!(viewers.iter().all(|viewer| viewer.status() == 200));
    go_on.add_permits(1);
    for answer in join_all(viewers.into_iter().map(|viewer| viewer.into_body().collect())).await {
        assert!(answer.unwrap().to_bytes() == *CONTENT);
    }
    assert_eq!(origin.asked().len(), 1);
    assert_eq!(site.metric("vidpass_gate_cache_joined_total"), 49);
    assert_eq!(site.metric("vidpass_gate_cache_misses_total"), 1);
    go_on.add_permits(1);
    assert!(site.get(SEGMENT).await.body == *CONTENT);
    assert_eq!(origin.asked().len(), 2, "nothing is kept without a cache");
}

#[tokio::test]
async fn who_leaves_takes_nothing_from_the_others() {
    let go_on = Arc::new(Semaphore::new(0));
    let origin = halting(&go_on).await;
    let site = Site::start().with_origin(origin.kind());
    let (first, mut second) = (site.begin(SEGMENT).await, site.begin(SEGMENT).await.into_body());
    drop(first);
    let start = second.frame().await.unwrap().unwrap().into_data().unwrap();
    let mut late = site.begin(SEGMENT).await.into_body();
    assert!(CONTENT.starts_with(&late.frame().await.unwrap().unwrap().into_data().unwrap()), "from the beginning");
    drop(late);
    go_on.add_permits(1);
    let rest = second.collect().await.unwrap().to_bytes();
    assert!([start, rest].concat() == *CONTENT);
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn a_download_that_nobody_waits_for_stops() {
    let go_on = Arc::new(Semaphore::new(0));
    let origin = halting(&go_on).await;
    let site = Site::start().with_origin(origin.kind());
    let viewers = [site.begin(SEGMENT).await, site.begin(SEGMENT).await];
    drop(viewers);
    origin.somebody_left().await;
    go_on.add_permits(1);
    assert!(site.get(SEGMENT).await.body == *CONTENT, "a later viewer gets all of it");
    assert_eq!(origin.asked().len(), 2);
}

#[tokio::test]
async fn a_viewer_who_leaves_before_the_answer_leaves_the_question_to_the_others() {
    let answer = Arc::new(Semaphore::new(0));
    let until = Arc::clone(&answer);
    let script = move |head: &str| vec![Step::Wait(Arc::clone(&until)), Step::Send(whole(head, b"0123456789", ""))];
    let origin = Upstream::start(script).await;
    let site = Arc::new(Site::start().with_origin(origin.kind()));
    let viewer = || {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.get(SEGMENT).await.summary() })
    };
    let (leaves, stays) = (viewer(), viewer());
    while site.metric("vidpass_gate_cache_joined_total") == 0 {
        tokio::task::yield_now().await;
    }
    leaves.abort();
    leaves.await.unwrap_err();
    answer.add_permits(1);
    assert_eq!((stays.await.unwrap().as_str(), origin.asked().len()), ("200 0123456789", 1));
}

#[tokio::test]
async fn a_failure_is_shared_and_not_remembered() {
    let answer = Arc::new(Semaphore::new(0));
    let until = Arc::clone(&answer);
    let script = move |_: &str| {
        let failure = b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_vec();
        vec![Step::Wait(Arc::clone(&until)), Step::Send(failure)]
    };
    let origin = Upstream::start(script).await;
    let site = Site::start().with_origin(origin.kind());
    let all = join_all((0..10).map(|_| site.get(SEGMENT)));
    let (answers, ()) = tokio::join!(all, async { answer.add_permits(1) });
    assert!(answers.iter().all(|answer| answer.summary() == "502 origin_failed"));
    assert_eq!(origin.asked().len(), 1);
    answer.add_permits(1);
    assert_eq!(site.get(SEGMENT).await.summary(), "502 origin_failed");
    assert_eq!(origin.asked().len(), 2);
}

#[tokio::test]
async fn a_shared_download_that_breaks_off_cuts_every_viewer() {
    let script = |head: &str| {
        let mut bytes = whole(head, &CONTENT, "");
        bytes.truncate(1_000_000);
        vec![Step::Send(bytes), Step::Close]
    };
    let origin = Upstream::start(script).await;
    let site = Site::start().with_origin(origin.kind());
    for viewer in join_all((0..5).map(|_| site.begin(SEGMENT))).await {
        assert_eq!(viewer.status(), 200);
        let error = read(viewer.into_body()).await.unwrap_err();
        assert_eq!(error, "cannot fetch origin:owner/public/hls/seg-1.m4s");
    }
    assert_eq!(origin.asked().len(), 1);
    let log = written();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("an origin broke off a file")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains(r#""account.id":"owner","video.id":"public""#), "{log}");
    assert!(
        lines[0].contains("\"level\":\"WARN\"") && lines[0].contains("the connection to the origin failed: "),
        "{log}"
    );
}

async fn read(body: GateBody) -> Result<Bytes, String> {
    body.collect().await.map(|body| body.to_bytes()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn what_does_not_fit_is_not_shared() {
    let origin = Upstream::start(|head| vec![Step::Send(whole(head, &CONTENT, ""))]).await;
    for (limits, requests) in [
        (OriginLimits { max_object: 1_999_999, ..limits() }, 3),
        (OriginLimits { max_shared: 31_999_999, ..limits() }, 3),
        (OriginLimits { max_object: 2_000_000, max_shared: 32_000_000, ..limits() }, 1),
    ] {
        let before = origin.asked().len();
        let site = Site::start().with_origins(vec![("origin", origin.kind())], limits, None);
        for viewer in join_all((0..3).map(|_| site.begin(SEGMENT))).await {
            assert!(read(viewer.into_body()).await.unwrap() == *CONTENT);
        }
        assert_eq!(origin.asked().len() - before, requests, "{limits:?}");
    }
}

#[tokio::test]
async fn memory_is_given_back() {
    let origin = Upstream::start(|head| vec![Step::Send(whole(head, &CONTENT, ""))]).await;
    let limits = OriginLimits { max_shared: 16 << 21, ..limits() };
    let site = Site::start().with_origins(vec![("origin", origin.kind())], limits, None);
    for rounds in 1..=2 {
        let targets: Vec<String> = (0..16).map(|number| format!("/public/{number}.m4s")).collect();
        let viewers = join_all([&targets[..], &targets[..1]].concat().iter().map(|target| site.begin(target))).await;
        for _ in 0..2 {
            let alone = site.begin("/public/hls/seg-2.m4s").await;
            assert!(read(alone.into_body()).await.unwrap() == *CONTENT, "without room for another download");
        }
        for viewer in viewers {
            assert!(read(viewer.into_body()).await.unwrap() == *CONTENT);
        }
        assert_eq!(origin.asked().len(), 18 * rounds);
        assert_eq!(site.metric("vidpass_gate_cache_joined_total"), i64::try_from(rounds).unwrap());
    }
}

#[tokio::test]
async fn parts_are_asked_for_apart() {
    let go_on = Arc::new(Semaphore::new(0));
    let origin = halting(&go_on).await;
    let site = Site::start().with_origin(origin.kind());
    let running = site.begin(SEGMENT).await;
    go_on.add_permits(2);
    let part = site.ask(Method::GET, SEGMENT, &[("range", "bytes=5-9")]).await;
    assert_eq!(part.status, 200, "this origin knows no ranges");
    drop(running);
    assert_eq!(origin.asked_for()[1], "GET /owner/public/hls/seg-1.m4s range: bytes=5-9");
}
