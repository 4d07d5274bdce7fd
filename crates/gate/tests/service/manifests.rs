//! Manifests as players get them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::Method;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use vidpass_gate::{OriginConfig, OriginKind, OriginLimits};

use crate::logs::written;
use crate::site::{Answer, CHANGED, Site, limits, token};
use crate::upstream::{Step, Upstream, answer, whole};

const HLS: &str = "#EXTM3U\n#EXT-X-MAP:URI=\"/owner/private/hls/init.mp4\"\n#EXTINF:4,\n/private/hls/seg-1.m4s\n../../private/hls/a.ts\nb.ts\nhttps://cdn.example.com/c.ts\n";
const HLS_SERVED: &str = "#EXTM3U\n#EXT-X-MAP:URI=\"../hls/init.mp4\"\n#EXTINF:4,\n../hls/seg-1.m4s\n../hls/a.ts\nb.ts\nhttps://cdn.example.com/c.ts\n";
const DASH: &str =
    "<MPD><BaseURL>/owner/private/</BaseURL><Period><SegmentTemplate media=\"hls/$Number$.m4s\"/></Period></MPD>";

#[tokio::test]
async fn children_are_relative() {
    let site = with("private/manifest/video.m3u8", HLS);
    site.put("private/manifest/video.M3U8", HLS);
    site.put("private/manifest/video.m3u", HLS);
    site.put("private/manifest/video.mpd", DASH);
    check(&site, "manifest/video.m3u8", HLS_SERVED).await;
    check(&site, "manifest/video.M3U8", HLS_SERVED).await;
    check(&site, "manifest/video.m3u", HLS_SERVED).await;
    check(&site, "manifest/video.mpd", &DASH.replace("/owner/private/", "../")).await;
    site.put("private/manifest/video.txt", HLS);
    check(&site, "manifest/video.txt", HLS).await;
}

#[tokio::test]
async fn a_manifest_is_served_as_any_file_is() {
    let site = with("private/manifest/video.m3u8", HLS);
    let target = format!("/{}/manifest/video.m3u8", token("private", |_| {}));
    let whole = site.get(&target).await;
    let etag = &whole.header("etag").to_owned();
    assert_eq!(etag.len(), 34, "{etag}");
    assert_eq!((whole.header("last-modified"), whole.header("cache-control")), (CHANGED, "private, max-age=60"));
    assert_eq!(whole.header("content-length"), HLS_SERVED.len().to_string());
    let head = site.ask(Method::HEAD, &target, &[("range", "bytes=0-1")]).await;
    assert_eq!((head.summary().as_str(), head.all_headers()), ("200 ", whole.all_headers()));
    for (headers, expected) in [
        (vec![("range", "bytes=0-6")], "206 #EXTM3U"),
        (vec![("range", "bytes=-5")], "206 c.ts\n"),
        (vec![("range", "bytes=9999-")], "416 range_not_satisfiable"),
        (vec![("range", "bytes=0-6"), ("if-range", etag)], "206 #EXTM3U"),
        (vec![("range", "bytes=0-6"), ("if-range", "\"other\"")], &format!("200 {HLS_SERVED}")),
        (vec![("if-none-match", etag)], "304 "),
        (vec![("if-modified-since", CHANGED)], "304 "),
        (vec![("if-match", "\"other\"")], "412 precondition_failed"),
    ] {
        assert_eq!(site.ask(Method::GET, &target, &headers).await.summary(), expected, "{headers:?}");
    }
    let part = site.ask(Method::GET, &target, &[("range", "bytes=0-6")]).await;
    assert_eq!(part.header("content-range"), format!("bytes 0-6/{}", HLS_SERVED.len()));
}

#[tokio::test]
async fn the_tag_is_that_of_what_is_served() {
    let site = with("private/manifest/video.m3u8", HLS);
    let tag = async |video: &str| {
        let target = format!("/{}/manifest/video.m3u8", token(video, |_| {}));
        site.get(&target).await.header("etag").to_owned()
    };
    let before = tag("private").await;
    site.put("private/manifest/video.m3u8", &HLS.replace("/owner/private/", "../"));
    assert_eq!(tag("private").await, before, "another file that comes to the same");
    site.put("private/manifest/video.m3u8", &HLS.replace("b.ts", "c.ts"));
    assert_ne!(tag("private").await, before, "same size and date");
}

#[tokio::test]
async fn what_is_not_served() {
    let site = with("private/manifest/video.mpd", "<MPD><BaseURL>/owner/private/</BaseURL>");
    site.put("private/manifest/large.m3u8", &"#\n".repeat((8 << 20) + 1));
    site.put("private/manifest/many.mpd", &format!("<MPD>{}</MPD>", "<Period/>".repeat(400_000)));
    site.put("private/manifest/wide.mpd", "<!DOCTYPE MPD><MPD/>");
    let get = async |file: &str| site.get(&format!("/{}/manifest/{file}", token("private", |_| {}))).await;
    for (file, code, message) in [
        ("video.mpd", "manifest_unreadable", "The manifest of this video cannot be read."),
        ("wide.mpd", "manifest_unreadable", "The manifest of this video cannot be read."),
        ("many.mpd", "manifest_too_large", "The manifest of this video is too large."),
        ("large.m3u8", "manifest_too_large", "The manifest of this video is too large."),
    ] {
        let answer = get(file).await;
        assert_eq!((answer.summary(), answer.header("cache-control")), (format!("502 {code}"), "no-store"), "{file}");
        assert!(str::from_utf8(&answer.body).unwrap().contains(message), "{file}");
    }
    let log = written();
    assert!(log.contains("cannot be read as a DASH manifest: it has a document type"), "{log}");
    assert_eq!(get("none.m3u8").await.summary(), "404 not_found");
    assert_eq!(site.get("/private/manifest/video.mpd").await.summary(), "401 token_required");
}

#[tokio::test]
async fn a_large_one_is_served_whole() {
    let text = "/private/hls/seg-1.m4s\n".repeat(20_000);
    let site = with("private/manifest/video.m3u8", &text);
    check(&site, "manifest/video.m3u8", &text.replace("/private/", "../")).await;
}

#[tokio::test]
async fn a_token_in_the_query_goes_along() {
    let site = Site::start().with_token_in("query:token");
    site.put("private/manifest/video.m3u8", HLS);
    let token = token("private", |_| {});
    let answer = site.get(&format!("/private/manifest/video.m3u8?x=y&token={token}")).await;
    let with_token = |text: &str| {
        text.replace(".m4s", &format!(".m4s?token={token}")).replace("init.mp4", &format!("init.mp4?token={token}"))
    };
    let expected = with_token(HLS_SERVED).replace("/a.ts\nb.ts", &format!("/a.ts?token={token}\nb.ts?token={token}"));
    assert_eq!(answer.summary(), format!("200 {expected}"));
    let public = site.get("/public/manifest/video.m3u8").await;
    assert_eq!(public.summary(), "200 #EXTM3U\n");
}

#[tokio::test]
async fn the_host_of_the_origin_is_home() {
    // The origin names itself by the host that it was asked by.
    let manifest = |head: &str| {
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        format!(
            "https://{host}/owner/public/hls/a.ts\n//{host}/owner/other/a.ts\nhttps://cdn.example.com/owner/public/a.ts\n"
        )
    };
    let origin = Upstream::start(move |head| vec![Step::Send(whole(head, manifest(head).as_bytes(), ""))]).await;
    let site = Site::start().with_origin(origin.kind());
    let answer = site.get("/public/manifest/video.m3u8").await;
    let body = str::from_utf8(&answer.body).unwrap();
    let expected =
        format!("../hls/a.ts\n//{}/owner/other/a.ts\nhttps://cdn.example.com/owner/public/a.ts\n", origin.address);
    assert_eq!((answer.status.as_u16(), body), (200, expected.as_str()));
    let unchanged = [("if-none-match", answer.header("etag"))];
    assert_eq!(site.ask(Method::GET, "/public/manifest/video.m3u8", &unchanged).await.summary(), "304 ");
    let head = site.ask(Method::HEAD, "/public/manifest/video.m3u8", &[]).await;
    assert_eq!(head.header("content-length"), expected.len().to_string());
}

#[tokio::test]
async fn a_manifest_of_a_remote_origin_is_served_as_any_file_is() {
    let origin = Upstream::start(|head| match head.contains("nothing") {
        true => vec![Step::Send(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_vec())],
        false => vec![Step::Send(answer(head, b"/public/a.ts\n"))],
    });
    let site = Site::start().with_origin(origin.await.kind());
    let served = site.get("/public/manifest/video.m3u8").await;
    assert_eq!((served.summary().as_str(), served.header("last-modified")), ("200 ../a.ts\n", CHANGED));
    assert_eq!(site.get("/public/nothing.m3u8").await.summary(), "404 not_found");
    site.name_origin("public", "gone");
    assert_eq!(site.get("/public/manifest/video.m3u8").await.summary(), "500 origin_unknown");
}

#[tokio::test]
async fn homes_are_where_the_origin_is_and_where_it_is_known() {
    let text = "/base/public/a.ts\n/x/owner/public/b.ts\nhttps://cdn.example.com/vod/public/c.ts\n\
        http://nas/public/d.ts\n//cdn.example.com/vod/other/e.ts\n/owner/public/f.ts\n";
    let config = |kind, path: &str, known_as: &str| OriginConfig {
        kind,
        path: path.parse().unwrap(),
        known_as: vec![known_as.parse().unwrap()],
    };
    let served = async |config| Site::start().with_config(config).get("/public/manifest/video.m3u8").await.summary();

    let origin = Upstream::start(move |head| vec![Step::Send(answer(head, text.as_bytes()))]).await;
    let http = OriginKind::Http(format!("http://{}/base", origin.address).parse().unwrap());
    let http = served(config(http, "{uid}", "https://cdn.example.com/vod/{uid}/")).await;
    let expected = text.replace("/base/public/", "../").replace("https://cdn.example.com/vod/public/", "../");
    assert_eq!(http, format!("200 {expected}"));

    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("x/owner/public/manifest/video.m3u8");
    std::fs::create_dir_all(manifest.parent().unwrap()).unwrap();
    std::fs::write(manifest, text).unwrap();
    let nas = OriginKind::Folder(folder.path().to_owned());
    let nas = served(config(nas, "x/{account}/{uid}", "http://nas/{uid}")).await;
    let expected = text.replace("/x/owner/public/", "../").replace("http://nas/public/", "../");
    assert_eq!(nas, format!("200 {expected}"));
}

#[tokio::test]
async fn what_breaks_off_says_why() {
    for (hangs, expected) in [(false, "502 origin_failed"), (true, "504 origin_timeout")] {
        let script = move |head: &str| {
            let mut bytes = whole(head, &[b'\n'; 10_000], "");
            bytes.truncate(5_000);
            vec![Step::Send(bytes), if hangs { Step::Hang } else { Step::Close }]
        };
        let origin = Upstream::start(script).await;
        let limits = OriginLimits { read_timeout: Duration::from_millis(100), ..limits() };
        let site = Site::start().with_origins(vec![("origin", origin.kind())], limits, None);
        assert_eq!(site.get("/public/manifest/video.m3u8").await.summary(), expected);
    }
}

/// Whoever waits for room holds nothing of the file, so few can fill the memory.
#[tokio::test]
async fn no_more_large_ones_are_in_memory_than_there_is_room_for() {
    let go_on = Arc::new(Semaphore::new(0));
    let until = Arc::clone(&go_on);
    let origin = Upstream::start(move |head| match head.contains("small") {
        true => vec![Step::Send(answer(head, b"#EXTM3U\n"))],
        false => {
            let mut first = whole(head, &[b'\n'; 100_000], "");
            let rest = first.split_off(50_000);
            vec![Step::Send(first), Step::Wait(Arc::clone(&until)), Step::Send(rest)]
        }
    });
    let site = Arc::new(Site::start().with_origin(origin.await.kind()));
    let get = |name: String| {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.get(&format!("/public/{name}.m3u8")).await.summary() })
    };
    let mut large: FuturesUnordered<_> = (0..9).map(|number| get(format!("large-{number}"))).collect();
    assert_eq!(large.next().await.unwrap().unwrap(), "503 origin_busy");
    assert_eq!(get("small".to_owned()).await.unwrap(), "200 #EXTM3U\n", "small ones need no room");
    go_on.add_permits(9);
    while let Some(answer) = large.next().await {
        assert_eq!(answer.unwrap(), format!("200 {}", "\n".repeat(100_000)));
    }
    assert_eq!(get("large".to_owned()).await.unwrap().len(), 100_004, "there is room again");
}

#[tokio::test]
async fn viewers_who_do_not_take_large_ones_hold_no_more_than_there_is_memory_for() {
    let script = |head: &str| {
        let lines = if head.contains("small") { 65_536 } else { 100_000 };
        vec![Step::Send(whole(head, &b"\n".repeat(lines), ""))]
    };
    let origin = Upstream::start(script).await;
    let limits = OriginLimits { max_manifests: 300 << 10, ..limits() };
    let site = Site::start().with_origins(vec![("origin", origin.kind())], limits, None);
    let large = "/public/large.m3u8";
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(site.begin(large).await.into_body());
    }
    let busy = site.get(large).await;
    assert_eq!((&busy.summary()[..15], busy.header("retry-after")), ("503 origin_busy", "1"));
    assert_eq!(site.ask(Method::HEAD, large, &[]).await.status, 503, "it would be made in memory too");
    assert_eq!(site.get("/public/small.m3u8").await.body.len(), 65_536, "small ones are served all the same");

    let sending = waiting[0].frame().await.unwrap().unwrap().into_data().unwrap();
    drop(waiting.remove(0));
    assert_eq!(site.get(large).await.status, 503, "a connection has the bytes, and has not sent them");
    drop(sending);
    for _ in 0..3 {
        assert_eq!(site.get(large).await.body.len(), 100_000, "sent, it makes room again");
    }
    waiting.clear();
    for _ in 0..3 {
        waiting.push(site.begin(large).await.into_body());
    }
    assert!(waiting.iter().all(|body| body.size_hint().exact() == Some(100_000)), "given up, it makes room again");
}

fn with(path: &str, content: &str) -> Site {
    let site = Site::start();
    site.put(path, content);
    site
}

async fn check(site: &Site, file: &str, expected: &str) {
    let answer: Answer = site.get(&format!("/{}/{file}", token("private", |_| {}))).await;
    assert_eq!(answer.summary(), format!("200 {expected}"), "{file}");
}
