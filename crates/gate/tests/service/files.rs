//! Whole files, parts of files, and the news that nothing changed.

use http::Method;

use crate::site::{CHANGED, NOW, Site, token};

#[tokio::test]
async fn a_manifest_with_all_its_headers() {
    let site = Site::start();
    let answer = site.get(&format!("/{}/manifest/video.m3u8?x=y", token("private", |_| {}))).await;
    assert_eq!(answer.summary(), "200 #EXTM3U\n");
    let etag = answer.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    assert_eq!(
        answer.all_headers().replace(&etag, "(etag)"),
        "accept-ranges: bytes\n\
         access-control-allow-origin: *\n\
         access-control-expose-headers: Accept-Ranges, Content-Length, Content-Range, Date, ETag, Last-Modified, X-Vidpass-Decision, X-Vidpass-Denial\n\
         cache-control: private, max-age=60\n\
         content-length: 8\n\
         content-type: application/vnd.apple.mpegurl\n\
         cross-origin-resource-policy: cross-origin\n\
         etag: (etag)\n\
         last-modified: Fri, 15 Jan 2027 07:00:00 GMT\n\
         referrer-policy: no-referrer\n\
         x-content-type-options: nosniff\n"
    );
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let site = Site::start();
    let target = format!("/{}/hls/seg-1.m4s", token("private", |_| {}));
    let (get, head) = (site.get(&target).await, site.ask(Method::HEAD, &target, &[("range", "bytes=0-1")]).await);
    assert_eq!((head.summary().as_str(), head.all_headers()), ("200 ", get.all_headers()));
}

#[tokio::test]
async fn ranges() {
    let site = Site::start();
    let target = format!("/{}/hls/seg-1.m4s", token("private", |_| {}));
    for (range, expected, content_range) in [
        ("bytes=0-0", "206 0", "bytes 0-0/10"),
        ("bytes=2-4", "206 234", "bytes 2-4/10"),
        ("bytes=0-", "206 0123456789", "bytes 0-9/10"),
        ("bytes=8-", "206 89", "bytes 8-9/10"),
        ("bytes=8-99", "206 89", "bytes 8-9/10"),
        ("bytes=-3", "206 789", "bytes 7-9/10"),
        ("bytes=-99", "206 0123456789", "bytes 0-9/10"),
        ("bytes=10-", "416 range_not_satisfiable", "bytes */10"),
        ("bytes=10-12", "416 range_not_satisfiable", "bytes */10"),
        ("bytes=-0", "416 range_not_satisfiable", "bytes */10"),
        ("bytes=0-0,2-2", "200 0123456789", "-"),
        ("bytes=4-2", "200 0123456789", "-"),
        ("lines=0-0", "200 0123456789", "-"),
        ("nonsense", "200 0123456789", "-"),
    ] {
        let answer = site.ask(Method::GET, &target, &[("range", range)]).await;
        assert_eq!((answer.summary().as_str(), answer.header("content-range")), (expected, content_range), "{range}");
        assert_eq!(answer.header("content-length"), answer.body.len().to_string(), "{range}");
    }
    let answer = site.ask(Method::GET, &target, &[("range", "bytes=0-0"), ("range", "bytes=1-1")]).await;
    assert_eq!(answer.summary(), "200 0123456789");
}

#[tokio::test]
async fn conditions() {
    let site = Site::start();
    let target = format!("/{}/hls/seg-1.m4s", token("private", |_| {}));
    let etag = &site.get(&target).await.header("etag").to_owned();
    let (other, later, earlier) = ("\"other\"", "Fri, 15 Jan 2027 07:00:01 GMT", "Fri, 15 Jan 2027 06:59:59 GMT");
    let (whole, part) = ("200 0123456789", "206 01");
    let range = ("range", "bytes=0-1");
    for (headers, expected) in [
        (vec![("if-none-match", etag.as_str())], "304 "),
        (vec![("if-none-match", "*")], "304 "),
        (vec![("if-none-match", other)], whole),
        (vec![("if-none-match", other), ("if-modified-since", CHANGED)], whole),
        (vec![("if-modified-since", CHANGED)], "304 "),
        (vec![("if-modified-since", later)], "304 "),
        (vec![("if-modified-since", earlier)], whole),
        (vec![("if-match", etag)], whole),
        (vec![("if-match", other)], "412 precondition_failed"),
        (vec![("if-unmodified-since", CHANGED)], whole),
        (vec![("if-unmodified-since", earlier)], "412 precondition_failed"),
        (vec![("if-match", etag), ("if-unmodified-since", earlier)], whole),
        (vec![("if-match", other), ("if-none-match", etag)], "412 precondition_failed"),
        (vec![range, ("if-range", etag)], part),
        (vec![range, ("if-range", CHANGED)], part),
        (vec![range, ("if-range", other)], whole),
        (vec![range, ("if-range", later)], whole),
        (vec![range, ("if-none-match", etag)], "304 "),
        (vec![("range", "bytes=99-"), ("if-match", other)], "412 precondition_failed"),
        (vec![("range", "bytes=99-"), ("if-range", other)], whole),
    ] {
        let answer = site.ask(Method::GET, &target, &headers).await;
        assert_eq!(answer.summary(), expected, "{headers:?}");
        if answer.status == 304 {
            assert_eq!(answer.header("etag"), etag);
            assert_eq!(answer.header("cache-control"), "private, max-age=60");
        }
    }
}

#[tokio::test]
async fn the_etag_changes_with_the_file() {
    let site = Site::start();
    let etag = |answer: crate::site::Answer| answer.header("etag").to_owned();
    let before = etag(site.get("/public/hls/seg-1.m4s").await);
    assert_eq!(before, etag(site.get("/public/hls/seg-1.m4s").await));
    site.put("public/new", "9876543210");
    std::fs::rename(site.path("public/new"), site.path("public/hls/seg-1.m4s")).unwrap();
    let answer = site.ask(Method::GET, "/public/hls/seg-1.m4s", &[("if-none-match", &before)]).await;
    assert_eq!(answer.summary(), "200 9876543210", "same size and date, and another file");
}

#[tokio::test]
async fn nothing_is_kept_for_longer_than_its_token() {
    let site = Site::start();
    let private = format!("/{}/hls/seg-1.m4s", token("private", |_| {}));
    let long = format!("/{}/hls/seg-1.m4s", token("private", |claims| claims.expires.0 = NOW + 86_400));
    assert_eq!(site.get(&private).await.header("cache-control"), "private, max-age=60");
    assert_eq!(site.get(&long).await.header("cache-control"), "private, max-age=3600");
    assert_eq!(site.get("/public/hls/seg-1.m4s").await.header("cache-control"), "public, max-age=300");
    let embedded = site.ask(Method::GET, "/embedded/hls/seg-1.m4s", &[("origin", "https://example.com")]).await;
    assert_eq!(embedded.header("cache-control"), "private, max-age=300");
    site.set_clock(NOW + 59);
    assert_eq!(site.get(&private).await.header("cache-control"), "private, max-age=1");
    site.set_clock(NOW + 60);
    assert_eq!(site.get(&private).await.summary(), "401 token_expired");
}

#[tokio::test]
async fn downloads_are_files_to_keep() {
    let site = Site::start();
    let target = format!("/{}/downloads/default.mp4", token("private", |claims| claims.downloadable = true));
    for (query, name) in [
        ("", "default.mp4"),
        ("?filename=My-film_2", "My-film_2.mp4"),
        ("?x=y&filename=film", "film.mp4"),
        ("?filename=", "default.mp4"),
        ("?filename=film.mp4", "default.mp4"),
        ("?filename=a%20b", "default.mp4"),
        ("?filename=a;b", "default.mp4"),
        (&format!("?filename={}", "a".repeat(121)), "default.mp4"),
        (&format!("?filename={}", "a".repeat(120)), &format!("{}.mp4", "a".repeat(120))),
    ] {
        let answer = site.get(&format!("{target}{query}")).await;
        assert_eq!(answer.summary(), "200 all of it", "{query}");
        assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"{name}\""), "{query}");
    }
    let part = site.ask(Method::GET, &target, &[("range", "bytes=0-2")]).await;
    assert_eq!(part.summary(), "206 all");
    assert_eq!(site.get("/public/hls/seg-1.m4s").await.header("content-disposition"), "-");
}

#[tokio::test]
async fn an_empty_file() {
    let site = Site::start();
    site.put("public/empty.vtt", "");
    assert_eq!(site.get("/public/empty.vtt").await.summary(), "200 ");
    let answer = site.ask(Method::GET, "/public/empty.vtt", &[("range", "bytes=0-")]).await;
    assert_eq!((answer.summary().as_str(), answer.header("content-range")), ("416 range_not_satisfiable", "bytes */0"));
}
