//! Every refusal as the viewer sees it.

use std::time::{Duration, Instant};

use http::Method;
use tokio::task::JoinHandle;
use vidpass_gate::GateConfig;
use vidpass_token::{AccessRule, UnixTime, json::Json, parse_rules};

use crate::site::{NOW, PROXY, Site, forged, key_id, token};

#[tokio::test]
async fn a_denial_with_all_its_headers() {
    let site = Site::start();
    let answer = site.get("/private/manifest/video.m3u8").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.body, r#"{"code":"token_required","message":"This video needs a signed link."}"#);
    let decision = answer.header("x-vidpass-decision").to_owned();
    assert!(decision.len() == 16 && decision.bytes().all(|c| c.is_ascii_hexdigit()), "{decision}");
    assert_eq!(
        answer.all_headers().replace(&decision, "ID"),
        "access-control-allow-origin: *\n\
         access-control-expose-headers: Accept-Ranges, Content-Length, Content-Range, Date, ETag, Last-Modified, X-Vidpass-Decision, X-Vidpass-Denial\n\
         cache-control: no-store\n\
         content-length: 69\n\
         content-type: application/json\n\
         cross-origin-resource-policy: cross-origin\n\
         referrer-policy: no-referrer\n\
         www-authenticate: Vidpass-Token\n\
         x-content-type-options: nosniff\n\
         x-vidpass-decision: ID\n\
         x-vidpass-denial: token_required\n"
    );
    let head = site.ask(Method::HEAD, "/private/manifest/video.m3u8", &[]).await;
    let other = head.header("x-vidpass-decision").to_owned();
    assert_ne!(other, decision, "each decision has a name of its own");
    assert_eq!(head.summary(), "401 ");
    assert_eq!(head.all_headers().replace(&other, ""), answer.all_headers().replace(&decision, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_comes_to_a_gate_that_is_behind_is_told_at_once() {
    let max_backlog = Some(Duration::from_millis(5));
    let site = Site::with_gate(GateConfig { max_backlog, ..GateConfig::default() });
    let target = format!("/{}/hls/seg-1.m4s", token("private", |_| {}));
    assert_eq!(site.get(&target).await.summary(), "200 0123456789");
    let work: Vec<_> = (0..1000)
        .map(|_| {
            tokio::spawn(async {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(1) {}
            })
        })
        .collect();
    // The test itself is not in that line.
    let busy = loop {
        let answer = site.get(&target).await;
        if !answer.summary().starts_with("200 ") {
            break answer;
        }
        assert!(!work.iter().all(JoinHandle::is_finished), "nobody is turned away");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!((&busy.summary()[..13], busy.header("retry-after")), ("503 gate_busy", "1"));
    for work in work {
        work.await.unwrap();
    }
    assert_eq!(site.get(&target).await.summary(), "200 0123456789", "it is behind no longer");
}

#[tokio::test]
async fn every_code_has_its_status() {
    let site = Site::start();
    let segment = "hls/seg-1.m4s";
    let open = |token: String| format!("/{token}/{segment}");
    check(&site, &open(token("private", |_| {})), "200 0123456789").await;
    check(&site, "/private/..%2fneighbour/secret.m3u8", "400 path_refused").await;
    check(&site, &open("private".into()), "401 token_required").await;
    check(&site, &open("nothing".into()), "401 token_required").await;
    check(&site, &open("a.b.c".into()), "401 token_malformed").await;
    check(&site, &open(forged("private")), "401 signature_invalid").await;
    check(&site, &open(token("nothing", |_| {})), "401 video_not_owned").await;
    check(&site, &open(token("private", |claims| claims.expires = UnixTime(NOW))), "401 token_expired").await;
    let later = token("private", |claims| claims.not_before = Some(UnixTime(NOW + 1)));
    check(&site, &open(later), "401 token_not_yet_valid").await;
    check(&site, &format!("/{}/downloads/default.mp4", token("private", |_| {})), "403 download_not_allowed").await;
    check(&site, &open("embedded".into()), "403 origin_not_allowed").await;

    let seen = open(token("private", |_| {}));
    check(&site, &seen, "200 0123456789").await;
    site.gate.update(|catalogue| catalogue.remove_key(&key_id()));
    check(&site, &seen, "401 key_unknown").await;
}

#[tokio::test]
async fn rules_meet_the_viewer() {
    let site = Site::start();
    let documented = r#"[{"type":"ip.geoip.country","action":"block","country":["SE","NO"]},
        {"type":"ip.src","action":"allow","ip":["93.184.216.0/24","2400:cb00::/32"]},{"type":"any","action":"block"}]"#;
    let target = format!("/{}/hls/seg-1.m4s", token("private", |claims| claims.access_rules = rules(documented)));
    for (peer, expected) in [
        ("93.184.216.34:1", "200 0123456789"),
        ("194.14.0.1:1", "403 rule_blocked"),
        ("8.8.8.8:1", "403 rule_blocked"),
        ("[2400:cb00::1]:1", "200 0123456789"),
        ("[2001:db8::1]:1", "403 rule_blocked"),
        ("[::ffff:93.184.216.34]:1", "200 0123456789"),
        ("[::ffff:194.14.0.1]:1", "403 rule_blocked"),
        ("192.168.1.1:1", "403 rule_blocked"),
    ] {
        let answer = site.ask_from(peer, Method::GET, &target, &[]).await;
        assert_eq!(answer.summary(), expected, "{peer}");
    }
    let office = r#"[{"type":"ip.src","action":"allow","ip":["192.0.2.0/24"]},{"type":"any","action":"block"}]"#;
    let target = format!("/{}/hls/seg-1.m4s", token("private", |claims| claims.access_rules = rules(office)));
    let from =
        async |peer, headers: &[(&str, &str)]| site.ask_from(peer, Method::GET, &target, headers).await.summary();
    assert_eq!(from("[::ffff:192.0.2.7]:1", &[]).await, "200 0123456789");
    assert_eq!(from("203.0.113.9:1", &[("x-forwarded-for", "192.0.2.7")]).await, "403 rule_blocked");
    assert_eq!(from(PROXY, &[("x-forwarded-for", "192.0.2.7")]).await, "200 0123456789");
    assert_eq!(from(PROXY, &[("x-forwarded-for", "192.0.2.7, 203.0.113.9")]).await, "403 rule_blocked");
    assert_eq!(from(PROXY, &[("x-forwarded-for", "unknown")]).await, "403 viewer_address_unknown");
    assert_eq!(from(PROXY, &[]).await, "403 viewer_address_unknown");
}

#[tokio::test]
async fn the_page_of_the_player_counts() {
    let site = Site::start();
    for (header, value, expected) in [
        ("origin", "https://example.com", "200 0123456789"),
        ("referer", "https://example.com/page", "200 0123456789"),
        ("origin", "https://www.example.com", "403 origin_not_allowed"),
        ("origin", "null", "403 origin_not_allowed"),
        ("origin", "https://example.com.evil.example", "403 origin_not_allowed"),
        ("sec-fetch-site", "same-origin", "200 0123456789"),
        ("sec-fetch-site", "cross-site", "403 origin_not_allowed"),
        ("sec-fetch-site", "none", "403 origin_not_allowed"),
    ] {
        let answer = site.ask(Method::GET, "/embedded/hls/seg-1.m4s", &[(header, value)]).await;
        assert_eq!(answer.summary(), expected, "{header}: {value}");
    }
}

#[tokio::test]
async fn methods() {
    let site = Site::start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "PROPFIND"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = site.ask(method.clone(), "/public/hls/seg-1.m4s", &[]).await;
        assert_eq!(
            (answer.summary().as_str(), answer.header("allow")),
            ("405 method_not_allowed", "GET, HEAD, OPTIONS")
        );
    }
    let overridden = [("x-http-method-override", "DELETE"), ("x-method-override", "DELETE")];
    assert_eq!(site.ask(Method::GET, "/public/hls/seg-1.m4s", &overridden).await.summary(), "200 0123456789");
}

#[tokio::test]
async fn a_preflight_tells_nothing() {
    let site = Site::start();
    let asks = [("origin", "https://a.example"), ("access-control-request-headers", "range")];
    let target = format!("/{}/hls/seg-1.m4s", token("private", |_| {}));
    let good = site.ask(Method::OPTIONS, &target, &asks).await;
    assert_eq!(good.summary(), "204 ");
    assert_eq!(good.header("access-control-allow-methods"), "GET, HEAD, OPTIONS");
    assert!(good.header("access-control-allow-headers").contains("Range"));
    for target in ["/nothing/x", "/a.b.c/x", "/private/..%2fx", "/"] {
        let bad = site.ask(Method::OPTIONS, target, &asks).await;
        assert_eq!((bad.summary(), bad.all_headers()), (good.summary(), good.all_headers()), "{target}");
    }
}

pub(crate) fn rules(json: &str) -> Vec<AccessRule> {
    parse_rules(&Json::parse(json.as_bytes()).unwrap(), 5).unwrap()
}

async fn check(site: &Site, target: &str, expected: &str) {
    let answer = site.get(target).await;
    assert_eq!(answer.summary(), expected);
    let (_, code) = expected.split_once(' ').unwrap();
    if !answer.status.is_success() {
        assert_eq!((answer.header("x-vidpass-denial"), answer.header("cache-control")), (code, "no-store"));
    }
}

#[tokio::test]
async fn decisions_are_counted_by_account() {
    let site = Site::start();
    let open = |token: String| format!("/{token}/hls/seg-1.m4s");
    site.get(&open(token("private", |_| {}))).await;
    site.get(&open(token("private", |claims| claims.expires = UnixTime(NOW)))).await;
    site.get(&open("private".into())).await;
    site.get(&open("private".into())).await;
    site.get(&open("nothing".into())).await;
    site.get(&open(forged("private"))).await;
    site.get("/private/..%2fx").await;
    let counted = site.metrics();
    for line in [
        r#"{outcome="permit",code="none",account="owner"} 1"#,
        r#"{outcome="denial",code="token_expired",account="owner"} 1"#,
        r#"{outcome="denial",code="token_required",account="owner"} 2"#,
        r#"{outcome="denial",code="token_required",account="(none)"} 1"#,
        r#"{outcome="denial",code="signature_invalid",account="(none)"} 1"#,
        r#"{outcome="denial",code="path_refused",account="(none)"} 1"#,
    ] {
        assert!(counted.contains(&format!("vidpass_gate_decisions_total{line}\n")), "{line} is not in {counted}");
    }
}

#[tokio::test]
async fn a_dry_run_lets_in_names_the_decision_and_counts_it() {
    let site = Site::start();
    let target = format!("/{}/hls/seg-1.m4s", token("private", |claims| claims.expires = UnixTime(NOW)));
    check(&site, &target, "401 token_expired").await;
    let dry = vidpass_token::AccountPolicy { dry_run: true, origin: None };
    site.gate.update(|catalogue| catalogue.insert_account("owner".parse().unwrap(), Some(dry)));
    let answer = site.get(&target).await;
    assert_eq!((answer.summary().as_str(), answer.header("x-vidpass-denial")), ("200 0123456789", "-"));
    assert_eq!(answer.header("cache-control"), "private, max-age=0");
    let decision = answer.header("x-vidpass-decision");
    let log = crate::logs::written();
    let line = log.lines().find(|line| line.contains(decision)).unwrap();
    assert!(line.contains("would deny") && line.contains(r#""deny.code":"token_expired""#), "{line}");
    check(&site, "/private/hls/seg-1.m4s", "200 0123456789").await;
    check(&site, &format!("/{}/hls/seg-1.m4s", forged("private")), "401 signature_invalid").await;
    check(&site, "/private/..%2fx", "400 path_refused").await;
    let counted = site.metrics();
    for line in [
        r#"{outcome="would_deny",code="token_expired",account="owner"} 1"#,
        r#"{outcome="would_deny",code="token_required",account="owner"} 1"#,
        r#"{outcome="denial",code="token_expired",account="owner"} 1"#,
    ] {
        assert!(counted.contains(line), "{line} is not in {counted}");
    }
}
