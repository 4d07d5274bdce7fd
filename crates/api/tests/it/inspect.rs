//! What a token does, and why: every refusal with its whole answer, in `snapshots/`.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use insta::assert_snapshot;
use serde_json::{Value, json};
use vidpass_store::NewVideo;
use vidpass_token::{Algorithm, SigningKey};

use crate::site::{ACCOUNT, NOW, Site};

const INSPECT: &str = "/stream/tokens/inspect";
const HEADER: &str = r#"{"alg":"RS256","kid":"key-1"}"#;

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, "key-1".parse().unwrap()).unwrap());
static OTHER: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, "key-1".parse().unwrap()).unwrap());

#[tokio::test]
async fn a_good_token_is_admitted() {
    let site = site().await;
    check(&site, "admitted", &token(json!({})), Some(json!({ "ip": "203.0.113.9" }))).await;
    check(&site, "admitted_by_the_token_alone", &token(json!({})), None).await;
    let rules = json!([
        { "type": "ip.geoip.country", "action": "block", "country": ["US"] },
        { "type": "ip.src", "action": "allow", "ip": ["203.0.113.0/24", "2001:db8::/32"] },
        { "type": "any", "action": "block" },
    ]);
    let ruled = token(json!({ "accessRules": rules, "nbf": NOW.0 - 60, "iat": NOW.0 - 60, "jti": "one" }));
    check(&site, "admitted_by_a_rule", &ruled, Some(json!({ "ip": "203.0.113.9", "at": "2027-01-15T08:00:30Z" })))
        .await;
    let lone = token(json!({ "accessRules": [{ "type": "ip.src", "action": "allow", "ip": ["192.0.2.1"] }] }));
    check(&site, "admitted_because_no_rule_matches", &lone, Some(json!({ "ip": "203.0.113.9" }))).await;
}

#[tokio::test]
async fn a_request_that_no_gate_reads() {
    let site = site().await;
    let good = token(json!({}));
    let path = |path: &str| Some(json!({ "ip": "203.0.113.9", "path": path }));
    check(&site, "path_that_climbs", &good, path("../neighbour/x")).await;
    check(&site, "path_that_is_encoded", &good, path("manifest%2fvideo.m3u8")).await;
    let post = Some(json!({ "ip": "203.0.113.9", "method": "POST" }));
    check(&site, "method_that_writes", &good, post).await;
}

#[tokio::test]
async fn a_token_that_cannot_be_read() {
    let site = site().await;
    let good = token(json!({}));
    let cut = good.rsplit_once('.').unwrap().0;
    let payload = |payload: &str| signed(&KEY, HEADER, payload);
    for (name, token) in [
        ("token_that_is_cut_off", cut.to_owned()),
        ("token_with_padding", format!("{good}=")),
        ("token_that_is_too_long", format!("{good}{}", "A".repeat(4096))),
        ("token_with_a_critical_header", signed(&KEY, r#"{"alg":"RS256","kid":"key-1","crit":["b64"]}"#, "{}")),
        ("token_without_an_end", payload(r#"{"sub":"film"}"#)),
        ("token_whose_end_is_no_number", payload(r#"{"sub":"film","exp":"soon"}"#)),
        ("token_without_a_video", payload(r#"{"exp":1800000060}"#)),
        ("token_with_two_ends", payload(r#"{"sub":"film","exp":1,"exp":1800000060}"#)),
        ("token_with_misspelt_rules", payload(r#"{"sub":"film","exp":1800000060,"access_rules":[]}"#)),
        (
            "token_with_an_unknown_rule",
            payload(r#"{"sub":"film","exp":1800000060,"accessRules":[{"type":"asn","action":"block"}]}"#),
        ),
        ("token_without_a_key", signed(&KEY, r#"{"alg":"RS256"}"#, r#"{"sub":"film","exp":1800000060}"#)),
    ] {
        check(&site, name, &token, None).await;
    }
}

#[tokio::test]
async fn a_token_that_no_live_key_signed() {
    let site = site().await;
    let payload = r#"{"sub":"film","exp":1800000060}"#;
    let viewer = || Some(json!({ "ip": "203.0.113.9" }));
    check(&site, "key_that_nobody_registered", &signed(&KEY, r#"{"alg":"RS256","kid":"key-9"}"#, payload), viewer())
        .await;
    check(&site, "key_that_is_another", &signed(&OTHER, HEADER, payload), viewer()).await;
    check(&site, "algorithm_that_is_another", &signed(&KEY, r#"{"alg":"HS256","kid":"key-1"}"#, payload), viewer())
        .await;
    let two = signed(&KEY, HEADER, r#"{"sub":"film","kid":"key-2","exp":1800000060}"#);
    check(&site, "keys_that_differ", &two, viewer()).await;
    site.delete("/stream/keys/key-1").await.result();
    check(&site, "key_that_was_deleted", &token(json!({})), viewer()).await;
}

#[tokio::test]
async fn a_video_that_is_not_the_accounts() {
    let site = site().await;
    site.other_account("other").await;
    let foreign = NewVideo::private(Some("foreign".parse().unwrap()));
    site.store.register_video(&"other".parse().unwrap(), foreign, NOW).await.unwrap();
    let viewer = || Some(json!({ "ip": "203.0.113.9" }));
    check(&site, "video_that_is_not_registered", &token(json!({ "sub": "nothing" })), viewer()).await;
    check(&site, "video_of_another_account", &token(json!({ "sub": "foreign" })), viewer()).await;
}

#[tokio::test]
async fn a_time_that_is_not_now() {
    let site = site().await;
    let viewer = || Some(json!({ "ip": "203.0.113.9" }));
    let late = token(json!({ "exp": NOW.0, "nbf": NOW.0 - 3600 }));
    check(&site, "time_that_is_over", &late, viewer()).await;
    check(&site, "time_that_has_not_begun", &token(json!({ "nbf": NOW.0 + 30 })), viewer()).await;
    check(&site, "time_that_is_too_long", &token(json!({ "exp": NOW.0 + 200_000 })), viewer()).await;
    let at = json!({ "ip": "203.0.113.9", "at": "2027-01-16T08:00:00Z" });
    check(&site, "time_that_will_be_over", &token(json!({})), Some(at)).await;
}

#[tokio::test]
async fn rules_that_refuse() {
    let site = site().await;
    let ruled = |rules: Value| token(json!({ "accessRules": rules }));
    let any = json!({ "type": "any", "action": "block" });
    let country =
        |action: &str, codes: Value| json!({ "type": "ip.geoip.country", "action": action, "country": codes });
    let ip = |action: &str, networks: Value| json!({ "type": "ip.src", "action": action, "ip": networks });
    let from = |ip: &str| Some(json!({ "ip": ip }));
    check(&site, "rules_that_are_too_many", &ruled(json!([any, any, any, any, any, any])), from("203.0.113.9")).await;
    check(&site, "rule_for_everybody", &ruled(json!([any])), from("203.0.113.9")).await;
    let office = ruled(json!([ip("allow", json!(["192.0.2.0/24"])), any]));
    check(&site, "rule_for_addresses", &office, from("203.0.113.9")).await;
    check(&site, "rule_of_the_other_family", &office, from("2001:db8::9")).await;
    let not_sweden = ruled(json!([country("block", json!(["SE", "NO"]))]));
    check(&site, "rule_for_countries", &not_sweden, from("203.0.113.9")).await;
    let norway = ruled(json!([country("allow", json!(["NO"])), any]));
    check(&site, "rule_for_a_country_that_is_not_known", &norway, from("198.51.100.9")).await;
    check(&site, "rule_without_a_country_database", &norway, from("192.0.2.9")).await;
    let elsewhere = Some(json!({ "ip": "203.0.113.9", "country": "DK" }));
    check(&site, "rule_for_a_country_that_was_given", &norway, elsewhere).await;
    let both = token(json!({ "accessRules": [any], "exp": NOW.0 - 1, "nbf": NOW.0 - 3600 }));
    check(&site, "rule_and_time", &both, from("203.0.113.9")).await;
}

#[tokio::test]
async fn a_place_or_a_download_that_is_not_allowed() {
    let site = site().await;
    let own_site = |request: Value| Some(request);
    let embedded = token(json!({ "sub": "embedded" }));
    check(&site, "site_that_is_not_named", &embedded, own_site(json!({ "ip": "203.0.113.9" }))).await;
    let evil = json!({ "ip": "203.0.113.9", "origin": "https://evil.example" });
    check(&site, "site_that_is_another", &embedded, own_site(evil)).await;
    let download = || Some(json!({ "ip": "203.0.113.9", "path": "downloads/default.mp4" }));
    check(&site, "download_without_the_claim", &token(json!({ "sub": "offered" })), download()).await;
    check(&site, "download_that_is_not_offered", &token(json!({ "downloadable": true })), download()).await;
}

#[tokio::test]
async fn a_dry_run_says_so() {
    let site = site().await;
    let account = ACCOUNT.parse().unwrap();
    site.store.update_account(&account, NOW, |account| account.policy.dry_run = true).await.unwrap();
    let late = token(json!({ "exp": NOW.0 - 1, "nbf": NOW.0 - 3600 }));
    check(&site, "dry_run", &late, Some(json!({ "ip": "203.0.113.9" }))).await;
}

#[tokio::test]
async fn a_body_that_is_not_as_it_must_be() {
    let site = site().await;
    let refusal = async |body: Value| site.post(INSPECT, &body.to_string()).await.refusal();
    assert_snapshot!(refusal(json!({})).await, @r#"
    400
    10005 member_missing /token | token: must be there
    "#);
    assert_snapshot!(refusal(json!({ "token": 7, "reqest": {} })).await, @r#"
    400
    10005 member_unknown /reqest | reqest: there is no such member; did you mean `request`?
    10005 member_wrong_type /token | token: must be a string, not a number
    "#);
    assert_snapshot!(refusal(json!({ "token": "a", "request": {} })).await, @r#"
    400
    10005 member_missing /request/ip | request/ip: must be there
    "#);
    let wrong = json!({
        "ip": "203.0.113.0/24", "country": "SWE", "origin": "example.com", "at": "tomorrow", "path": 7, "method": null,
        "viewer": "x",
    });
    assert_snapshot!(refusal(json!({ "token": "a", "request": wrong })).await, @r#"
    400
    10005 member_unknown /request/viewer | request/viewer: there is no such member
    10005 ip_invalid /request/ip | request/ip: `203.0.113.0/24` is not an IP address such as `203.0.113.9` or `2001:db8::9`
    10005 country_invalid /request/country | request/country: `SWE` is not a country code of ISO 3166-1 (two letters, such as `SE`)
    10005 origin_invalid /request/origin | request/origin: `example.com` is not an origin such as `https://example.com` or `http://localhost:3000`
    10005 member_wrong_type /request/path | request/path: must be a string, not a number
    10005 member_wrong_type /request/method | request/method: must be a string, not null
    10005 time_invalid /request/at | request/at: must be a time such as `2030-01-31T12:00:00Z` (RFC 3339)
    "#);
    assert_snapshot!(refusal(json!({ "token": "a", "request": [] })).await, @r#"
    400
    10005 member_wrong_type /request | request: must be an object, not an array
    "#);
}

/// A site with the videos `film`, `embedded` (on example.com alone) and `offered` (for download).
async fn site() -> Site {
    let site = Site::start().await;
    let account = ACCOUNT.parse().unwrap();
    site.store.add_signing_key(&account, KEY.public(), "key-1".parse().unwrap(), NOW).await.unwrap();
    let video = |uid: &str| NewVideo::private(Some(uid.parse().unwrap()));
    let embedded = NewVideo { allowed_origins: vec!["example.com".parse().unwrap()], ..video("embedded") };
    let offered = NewVideo { downloads: true, ..video("offered") };
    for video in [video("film"), embedded, offered] {
        site.store.register_video(&account, video, NOW).await.unwrap();
    }
    site
}

/// A token for `film` that is good for a minute, with `claims` over that.
fn token(claims: Value) -> String {
    let mut payload = json!({ "sub": "film", "kid": "key-1", "exp": NOW.0 + 60 });
    payload.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    signed(&KEY, HEADER, &payload.to_string())
}

/// A token of exactly this header and payload, well signed.
fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let pem = key.to_pem();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(der).unwrap();
    let pair = RsaKeyPair::from_der(&der).unwrap();
    let input = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
    format!("{input}.{}", BASE64URL.encode(signature))
}

/// Compares the whole answer with `snapshots/it__inspect__NAME.snap`.
async fn check(site: &Site, name: &str, token: &str, request: Option<Value>) {
    let mut body = json!({ "token": token });
    if let Some(request) = request {
        body["request"] = request;
    }
    let answer = site.post(INSPECT, &body.to_string()).await;
    assert!(!answer.body.contains(token), "the token is not repeated");
    assert_snapshot!(name, format!("{:#}", answer.result()));
}
