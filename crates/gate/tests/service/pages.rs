//! The pages that play a video, and the files that they are made of.

use http::Method;

use crate::site::{Answer, Site, token};

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

#[tokio::test]
async fn a_page_is_for_whoever_may_have_the_video() {
    let site = Site::start();
    let good = token("private", |_| {});
    for (page, ancestors) in [("watch", "frame-ancestors 'none'"), ("iframe", "frame-ancestors *")] {
        assert_eq!(site.get(&format!("/private/{page}")).await.summary(), "401 token_required");
        let answer = site.get(&format!("/{good}/{page}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/html; charset=utf-8"));
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "private, max-age=60");
        let policy = answer.header("content-security-policy");
        assert_eq!(
            policy.strip_suffix(ancestors),
            Some(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob: data:; \
                 connect-src 'self'; base-uri 'none'; form-action 'none'; "
            )
        );
        let html = text(&answer);
        assert!(html.contains("data-token-parameter=\"\"") && !html.contains(&good), "{html}");
        let head = site.ask(Method::HEAD, &format!("/{good}/{page}"), &[]).await;
        assert_eq!((head.summary().as_str(), head.all_headers()), ("200 ", answer.all_headers()));
    }
    assert_eq!(site.get(&format!("/{good}/hls/watch")).await.summary(), "404 not_found");
}

#[tokio::test]
async fn a_page_is_embedded_where_the_video_may_be() {
    let site = Site::start();
    let from = |site_name| [("referer", site_name), ("sec-fetch-site", "cross-site"), BROWSER];
    let answer = site.ask(Method::GET, "/embedded/iframe", &from("https://example.com/")).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "private, max-age=300"));
    let policy = answer.header("content-security-policy");
    assert!(policy.ends_with("; frame-ancestors http://example.com https://example.com"), "{policy}");
    let refused = site.ask(Method::GET, "/embedded/iframe", &from("https://evil.example/")).await;
    assert_eq!((refused.status.as_u16(), refused.header("x-vidpass-denial")), (403, "origin_not_allowed"));
}

#[tokio::test]
async fn a_browser_gets_its_refusal_as_a_page() {
    let site = Site::start();
    for (page, ancestors) in [("watch", "'none'"), ("iframe", "*")] {
        let target = format!("/private/{page}");
        let answer = site.ask(Method::GET, &target, &[BROWSER]).await;
        let decision = answer.header("x-vidpass-decision").to_owned();
        let policy = answer.header("content-security-policy").to_owned();
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.ends_with(&format!("frame-ancestors {ancestors}"))
        );
        assert_eq!(
            answer.all_headers().replace(&decision, "(decision)").replace(&policy, "(policy)"),
            format!(
                "access-control-allow-origin: *\n\
                 access-control-expose-headers: Accept-Ranges, Content-Length, Content-Range, Date, ETag, Last-Modified, X-Vidpass-Decision, X-Vidpass-Denial\n\
                 cache-control: no-store\n\
                 content-length: {}\n\
                 content-security-policy: (policy)\n\
                 content-type: text/html; charset=utf-8\n\
                 cross-origin-resource-policy: cross-origin\n\
                 referrer-policy: no-referrer\n\
                 www-authenticate: Vidpass-Token\n\
                 x-content-type-options: nosniff\n\
                 x-vidpass-decision: (decision)\n\
                 x-vidpass-denial: token_required\n",
                answer.body.len()
            )
        );
        let html = text(&answer);
        for part in
            ["<h1>This video needs a signed link.</h1>", "<dd>token_required</dd>", &format!("<dd>{decision}</dd>")]
        {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains('{'), "{html}");
        let head = site.ask(Method::HEAD, &target, &[BROWSER]).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (401, 0));
    }
    for (target, accept) in [
        ("/private/watch", "*/*"),
        ("/private/watch", "application/json"),
        ("/private/manifest/video.m3u8", "text/html"),
        ("/private/hls/watch", "text/html"),
    ] {
        let answer = site.ask(Method::GET, target, &[("accept", accept)]).await;
        assert_eq!(answer.summary(), "401 token_required", "{target} {accept}");
    }
    let refused = site.ask(Method::GET, "/private/../watch", &[BROWSER]).await;
    assert_eq!(refused.summary(), "400 path_refused");
}

#[tokio::test]
async fn the_files_of_the_player_are_for_everybody() {
    let site = Site::start();
    let page = site.get(&format!("/{}/watch", token("private", |_| {}))).await;
    let html = text(&page);
    let links: Vec<&str> = html.split('"').filter_map(|part| part.strip_prefix("../player/")).collect();
    assert_eq!(links.len(), 4, "{html}");
    for (name, media_type) in [
        ("hls.mjs", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
        ("player.css", "text/css; charset=utf-8"),
        ("player.mjs", "text/javascript"),
    ] {
        let link = links.iter().find(|link| link.starts_with(&format!("{name}?v="))).unwrap();
        let target = format!("/player/{link}");
        let answer = site.get(&target).await;
        assert_eq!(
            answer.all_headers(),
            format!(
                "access-control-allow-origin: *\n\
                 access-control-expose-headers: Accept-Ranges, Content-Length, Content-Range, Date, ETag, Last-Modified, X-Vidpass-Decision, X-Vidpass-Denial\n\
                 cache-control: public, max-age=31536000, immutable\n\
                 content-length: {}\n\
                 content-type: {media_type}\n\
                 cross-origin-resource-policy: cross-origin\n\
                 referrer-policy: no-referrer\n\
                 x-content-type-options: nosniff\n",
                answer.body.len()
            )
        );
        assert_eq!(answer.status, 200);
        let head = site.ask(Method::HEAD, &target, &[]).await;
        assert_eq!((head.body.len(), head.all_headers()), (0, answer.all_headers()));
        for other in ["", "?v=", "?v=0000000000000000", "?x=y"] {
            let answer = site.get(&format!("/player/{name}{other}")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("cache-control")),
                (200, "public, max-age=300"),
                "{other}"
            );
        }
    }
    for other in ["/player/", "/player/x", "/player/hls.mjs/x", "/player/../player/hls.mjs", "/Player/hls.mjs"] {
        let status = site.get(other).await.status.as_u16();
        assert!([400, 401].contains(&status), "{other}: {status}");
    }
    assert_eq!(site.ask(Method::POST, "/player/hls.mjs", &[]).await.summary(), "405 method_not_allowed");
}

#[tokio::test]
async fn a_page_knows_where_its_token_is() {
    let site = Site::start().with_token_in("query:token");
    let token = token("private", |_| {});
    let answer = site.get(&format!("/private/watch?token={token}")).await;
    let html = text(&answer);
    assert!(html.contains("data-token-parameter=\"token\"") && !html.contains(&token), "{html}");
}

fn text(answer: &Answer) -> &str {
    str::from_utf8(&answer.body).unwrap()
}
