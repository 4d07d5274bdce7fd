//! Manifests as players get them.

use http::Method;

use crate::site::{Answer, CHANGED, Site, token};
use crate::upstream::{Step, Upstream, whole};

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
    site.put("private/manifest/wide.mpd", "<!DOCTYPE MPD><MPD/>");
    let get = async |file: &str| site.get(&format!("/{}/manifest/{file}", token("private", |_| {}))).await;
    for (file, code, message) in [
        ("video.mpd", "manifest_unreadable", "The manifest of this video cannot be read."),
        ("wide.mpd", "manifest_unreadable", "The manifest of this video cannot be read."),
        ("large.m3u8", "manifest_too_large", "The manifest of this video is too large."),
    ] {
        let answer = get(file).await;
        assert_eq!((answer.summary(), answer.header("cache-control")), (format!("502 {code}"), "no-store"), "{file}");
        assert!(str::from_utf8(&answer.body).unwrap().contains(message), "{file}");
    }
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
    let site = Site::start().with_origin(origin.place());
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

fn with(path: &str, content: &str) -> Site {
    let site = Site::start();
    site.put(path, content);
    site
}

async fn check(site: &Site, file: &str, expected: &str) {
    let answer: Answer = site.get(&format!("/{}/{file}", token("private", |_| {}))).await;
    assert_eq!(answer.summary(), format!("200 {expected}"), "{file}");
}
