//! What the running gate answers to good and bad tokens.

use serde_json::json;
use vidpass_token::{Algorithm, Claims, SigningKey, UnixTime};

use crate::support::{Demo, now};

const MANIFEST: &str = "manifest/video.m3u8";

#[tokio::test]
async fn a_good_token_opens_every_file_of_the_video() {
    let demo = Demo::start("good-token");
    let token = demo.issue(json!({})).await;
    for (path, kind) in [
        (MANIFEST, "application/vnd.apple.mpegurl"),
        ("manifest/video.mpd", "application/dash+xml"),
        ("manifest/360p/playlist.m3u8", "application/vnd.apple.mpegurl"),
        ("manifest/360p/init.mp4", "video/mp4"),
        ("manifest/360p/1.m4s", "video/iso.segment"),
        ("manifest/captions/en.vtt", "text/vtt"),
        ("thumbnails/thumbnail.jpg", "image/jpeg"),
    ] {
        let response = demo.view(&token, path).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &kind.parse().unwrap()),
            "{path}"
        );
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        let cache = response.headers()["cache-control"].to_str().unwrap();
        assert!(cache.starts_with("private, max-age="), "{cache}");
        let sample = crate::support::repository().join("assets/sample-video").join(path);
        assert_eq!(response.bytes().await.unwrap(), std::fs::read(sample).unwrap(), "{path}");
    }
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let demo = Demo::start("refusals");
    let key = demo.create_key().await;
    let now = now();
    let sign = |claims: &Claims| key.signing.sign(claims).unwrap().as_str().to_owned();
    let good = sign(&demo.claims());
    let longer = sign(&Claims { expires: UnixTime(now + 7200), ..demo.claims() });
    let part = |token: &str, index: usize| token.split('.').nth(index).unwrap().to_owned();
    let tampered = format!("{}.{}.{}", part(&good, 0), part(&longer, 1), part(&good, 2));
    let mut changed_signature = good.clone();
    changed_signature
        .replace_range(good.len() - 9..good.len() - 8, if good.as_bytes()[good.len() - 9] == b'A' { "B" } else { "A" });
    let stranger = SigningKey::generate(Algorithm::Rs256, "stranger".parse().unwrap()).unwrap();
    let impostor = SigningKey::generate(Algorithm::Rs256, key.id.parse().unwrap()).unwrap();

    for (what, credential, expected) in [
        ("good", good.clone(), "200"),
        ("no token", demo.video.clone(), "401 token_required"),
        ("a video that nobody has", "ffffffffffffffffffffffffffffffff".to_owned(), "401 token_required"),
        ("expired", sign(&Claims { expires: UnixTime(now - 1), ..demo.claims() }), "401 token_expired"),
        (
            "not yet valid",
            sign(&Claims { not_before: Some(UnixTime(now + 600)), ..demo.claims() }),
            "401 token_not_yet_valid",
        ),
        ("changed payload", tampered, "401 signature_invalid"),
        ("changed signature", changed_signature, "401 signature_invalid"),
        ("other video", sign(&Claims { video: "another".parse().unwrap(), ..demo.claims() }), "401 video_not_owned"),
        ("unknown key", stranger.sign(&demo.claims()).unwrap().as_str().to_owned(), "401 key_unknown"),
        (
            "another key under the same id",
            impostor.sign(&demo.claims()).unwrap().as_str().to_owned(),
            "401 signature_invalid",
        ),
        ("cut off", good[..good.len() - 42].to_owned(), "401 signature_invalid"),
        ("two parts", good.rsplit_once('.').unwrap().0.to_owned(), "401 token_malformed"),
        ("too long", format!("{good}{}", "A".repeat(4096)), "401 token_malformed"),
    ] {
        assert_eq!(demo.outcome(&credential, MANIFEST, &[]).await, expected, "{what}");
    }
    assert_eq!(demo.outcome(&good, "manifest/none.m3u8", &[]).await, "404");
    assert_eq!(demo.outcome(&good, "manifest%2fvideo.m3u8", &[]).await, "400 path_refused");
}

#[tokio::test]
async fn a_refusal_is_in_the_log_and_in_a_metric_too() {
    let demo = Demo::start_with("refusal-metric", &["--admin-listen", "127.0.0.1:0"]);
    let token = demo.issue(json!({ "accessRules": [{ "type": "any", "action": "block" }] })).await;
    for _ in 0..3 {
        assert_eq!(demo.outcome(&token, MANIFEST, &[]).await, "403 rule_blocked");
    }
    let printed = demo.process.printed();
    let metrics = printed.lines().find_map(|line| line.strip_prefix("Metrics: ")).unwrap();
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    let counted =
        format!(r#"vidpass_gate_decisions_total{{outcome="denial",code="rule_blocked",account="{}"}} 3"#, demo.account);
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");

    let log = demo.process.log();
    let line = log.lines().find(|line| line.contains("rule_blocked")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&line["deny.code"], &line["rule.index"], &line["http.status"]),
        (&"rule_blocked".into(), &0.into(), &403.into())
    );
    assert_eq!((&line["video.id"], &line["path"]), (&demo.video.as_str().into(), &MANIFEST.into()));
    assert!(!log.contains(&token), "the token is in the log");
}

#[tokio::test]
async fn a_deleted_key_refuses_its_tokens_at_the_next_request() {
    let demo = Demo::start("deleted-key");
    let (key, other) = (demo.create_key().await, demo.create_key().await);
    let seen = key.signing.sign(&demo.claims()).unwrap();
    let unseen = key.signing.sign(&Claims { downloadable: true, ..demo.claims() }).unwrap();
    let others = other.signing.sign(&demo.claims()).unwrap();
    for _ in 0..3 {
        assert_eq!(demo.outcome(seen.as_str(), MANIFEST, &[]).await, "200");
    }
    demo.delete_key(&key.id).await;
    assert_eq!(demo.outcome(seen.as_str(), MANIFEST, &[]).await, "401 key_unknown");
    assert_eq!(demo.outcome(unseen.as_str(), MANIFEST, &[]).await, "401 key_unknown");
    assert_eq!(demo.outcome(others.as_str(), MANIFEST, &[]).await, "200");
}

#[tokio::test]
async fn a_download_needs_a_downloadable_token() {
    let demo = Demo::start("downloads");
    const MP4: &str = "downloads/default.mp4";
    let plain = demo.issue(json!({})).await;
    assert_eq!(demo.outcome(&plain, MP4, &[]).await, "403 download_not_allowed");
    assert_eq!(demo.outcome(&plain, MP4, &[("range", "bytes=0-99")]).await, "403 download_not_allowed");
    let downloadable = demo.issue(json!({ "downloadable": true })).await;
    let part = demo.view_with(&downloadable, MP4, &[("range", "bytes=100-199")]).await;
    assert_eq!(part.status(), 206);
    let whole = std::fs::read(crate::support::repository().join("assets/sample-video").join(MP4)).unwrap();
    assert_eq!(part.headers()["content-range"], format!("bytes 100-199/{}", whole.len()));
    assert_eq!(part.bytes().await.unwrap(), whole[100..200]);

    // The catalogue's own switch counts too.
    let (status, _) = demo.api("DELETE", &format!("stream/{}/downloads", demo.video), None).await;
    assert_eq!(status, 200);
    assert_eq!(demo.outcome(&downloadable, MP4, &[]).await, "403 download_not_enabled");
    assert_eq!(demo.outcome(&downloadable, MANIFEST, &[]).await, "200");
}

#[tokio::test]
async fn a_public_video_needs_no_token_and_a_bad_one_is_still_refused() {
    let demo = Demo::start("public-video");
    let path = format!("stream/{}", demo.video);
    let edit = |value: bool| demo.api("POST", &path, Some(json!({ "requireSignedURLs": value })));
    let key = demo.create_key().await;
    let expired = key.signing.sign(&Claims { expires: UnixTime(now() - 1), ..demo.claims() }).unwrap();
    assert_eq!(edit(false).await.0, 200);
    assert_eq!(demo.outcome(&demo.video, MANIFEST, &[]).await, "200");
    assert_eq!(demo.outcome(expired.as_str(), MANIFEST, &[]).await, "401 token_expired");
    assert_eq!(edit(true).await.0, 200);
    assert_eq!(demo.outcome(&demo.video, MANIFEST, &[]).await, "401 token_required");
}

#[tokio::test]
async fn allowed_origins_limit_where_a_video_plays() {
    let demo = Demo::start("origins");
    let origins = json!({ "allowedOrigins": ["example.com", "*.example.org", "localhost:3000"] });
    assert_eq!(demo.api("POST", &format!("stream/{}", demo.video), Some(origins)).await.0, 200);
    let token = demo.issue(json!({})).await;
    for (headers, expected) in [
        (&[("origin", "https://example.com")][..], "200"),
        (&[("origin", "http://a.b.example.org")], "200"),
        (&[("referer", "http://localhost:3000/page")], "200"),
        (&[("origin", "https://example.org")], "403 origin_not_allowed"),
        (&[("origin", "https://evil.com"), ("referer", "https://example.com/")], "403 origin_not_allowed"),
        (&[("origin", "null")], "403 origin_not_allowed"),
        (&[], "403 origin_not_allowed"),
    ] {
        assert_eq!(demo.outcome(&token, MANIFEST, headers).await, expected, "{headers:?}");
    }
}
