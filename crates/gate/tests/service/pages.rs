//! The pages that play a video.

use http::Method;

use crate::site::{Site, token};

#[tokio::test]
async fn a_page_is_for_whoever_may_have_the_video() {
    let site = Site::start();
    let good = token("private", |_| {});
    for (page, ancestors) in [("watch", "frame-ancestors 'none'"), ("iframe", "frame-ancestors *")] {
        assert_eq!(site.get(&format!("/private/{page}")).await.summary(), "401 token_required");
        let answer = site.get(&format!("/{good}/{page}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';") && policy.ends_with(ancestors), "{policy}");
        let html = std::str::from_utf8(&answer.body).unwrap();
        assert!(html.contains("src=\"manifest/video.m3u8\"") && !html.contains(&good), "{html}");
        let head = site.ask(Method::HEAD, &format!("/{good}/{page}"), &[]).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    }
    assert_eq!(site.get(&format!("/{good}/hls/watch")).await.summary(), "404 not_found");
}
