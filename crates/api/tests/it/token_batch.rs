//! Many tokens with one request.

use insta::assert_snapshot;
use serde_json::{Value, json};
use vidpass_api::RateLimits;
use vidpass_token::{Algorithm, SigningKey};

use crate::site::{Answer, NOW, Site, VIDEO, payload, verified};

const PATH: &str = "/stream/tokens/batch";

#[tokio::test]
async fn each_request_has_its_own_answer_in_its_place() {
    let site = Site::with_video().await;
    let key = SigningKey::generate(Algorithm::Rs256, "own-key".parse().unwrap()).unwrap();
    let requests = json!([
        { "uid": VIDEO },
        { "uid": VIDEO, "exp": NOW.0 + 60, "viewer": "anna" },
        { "uid": VIDEO, "exp": 1, "accessRules": [{ "type": "ip.src", "action": "allow", "ip": ["x"] }] },
        { "uid": VIDEO, "id": "own-key", "pem": *key.to_pem_base64() },
        { "uid": "elsewhere" },
        { "exp": NOW.0 + 60 },
        { "uid": "no id", "iden": 1 },
        7,
    ]);
    let answer = ask(&site, &requests).await;
    let results = results(&answer);
    assert_eq!(results.len(), 8);

    for (place, expires) in [(0, NOW.0 + 3600), (1, NOW.0 + 60)] {
        assert_eq!(results[place]["success"], true);
        let (payload, claims) = verified(&site, token(&results[place])).await;
        assert_eq!((payload["exp"].as_i64(), claims.video().as_str()), (Some(expires), VIDEO));
    }
    assert_eq!(payload(token(&results[3]))["kid"], "own-key");
    assert_eq!(payload(token(&results[4]))["sub"], "elsewhere");
    let said: Vec<String> = results.iter().enumerate().map(|(place, result)| said(place, result)).collect();
    assert_snapshot!(said.concat(), @r"
    2 10005 /tokens/2/exp exp_in_past
    2 10005 /tokens/2/accessRules/0/ip/0 rule_ip_invalid
    3 10100 /tokens/3/id key_not_registered
    4 10100 - video_not_registered
    5 10005 /tokens/5/uid member_missing
    6 10005 /tokens/6/iden member_unknown
    6 10005 /tokens/6/uid uid_invalid
    7 10005 /tokens/7 member_wrong_type
    ");
}

#[tokio::test]
async fn a_thousand_are_answered_in_order_and_none_too() {
    let site = Site::with_video().await;
    // The key is a fast one, as this is about the others.
    site.post("/stream/keys/rotate", r#"{"alg":"ES256"}"#).await.result();
    let requests: Vec<Value> = (0..1000).map(|number| json!({ "uid": format!("v{number}") })).collect();
    let results = results(&ask(&site, &Value::from(requests)).await);
    for (number, result) in results.iter().enumerate() {
        assert_eq!(payload(token(result))["sub"], format!("v{number}"));
    }
    assert_eq!(results.len(), 1000);
    let none = ask(&site, &json!([])).await;
    assert_eq!(none.body, r#"{"result":[],"success":true,"errors":[],"messages":[]}"#);
}

#[tokio::test]
async fn a_body_that_is_no_list_of_requests_is_refused_as_a_whole() {
    let site = Site::start().await;
    for (body, expected) in [
        ("", "/tokens member_missing"),
        ("{}", "/tokens member_missing"),
        ("[]", " member_wrong_type"),
        (r#"{"tokens":{}}"#, "/tokens member_wrong_type"),
        (r#"{"tokens":[],"exp":1}"#, "/exp member_unknown"),
    ] {
        let answer = site.post(PATH, body).await;
        assert_eq!(answer.status, 400, "{body}");
        let error = &answer.envelope()["errors"][0];
        let pointer = error["source"]["pointer"].as_str().unwrap();
        assert_eq!(format!("{pointer} {}", error["reason"].as_str().unwrap()), expected, "{body}");
    }
    let many: Vec<Value> = (0..1001).map(|_| json!({ "uid": VIDEO })).collect();
    assert_snapshot!(ask(&site, &Value::from(many)).await.refusal(), @"
    400
    10005 tokens_too_many /tokens | tokens: there are 1001 requests, more than the 1000 that are taken at once
    ");
    let long = ask(&site, &json!([{ "uid": "x".repeat(1024 * 1024) }])).await;
    assert_eq!((long.status.as_u16(), long.reasons()), (413, vec!["body_too_large".to_owned()]));
}

#[tokio::test]
async fn a_request_for_many_counts_as_many() {
    let limits = RateLimits { per_credential: Some("10/h".parse().unwrap()), failed_logins_per_address: None };
    let site = Site::with_limits(limits).await;
    let ask = async |count: usize| {
        ask(&site, &Value::from((0..count).map(|_| json!({ "uid": "no id" })).collect::<Vec<_>>())).await
    };
    let answer = ask(6).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["ratelimit"].to_str().unwrap().starts_with("\"credential\";r=4;"), "{:?}", answer.headers);
    let answer = ask(5).await;
    assert_eq!((answer.status.as_u16(), answer.reasons()), (429, vec!["rate_limited".to_owned()]));
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(ask(3).await.status, 200, "the refused one counted as one");
    let site = Site::with_limits(RateLimits {
        per_credential: Some("10/h".parse().unwrap()),
        failed_logins_per_address: None,
    })
    .await;
    let eleven = Value::from((0..11).map(|_| json!({ "uid": VIDEO })).collect::<Vec<_>>());
    let answer = self::ask(&site, &eleven).await;
    assert_eq!((answer.status.as_u16(), answer.reasons()), (400, vec!["tokens_too_many".to_owned()]));
}

async fn ask(site: &Site, requests: &Value) -> Answer {
    site.post(PATH, &json!({ "tokens": requests }).to_string()).await
}

#[track_caller]
fn results(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.envelope()["messages"], json!([]));
    answer.result().as_array().unwrap().clone()
}

#[track_caller]
fn token(result: &Value) -> &str {
    result["result"]["token"].as_str().unwrap()
}

/// What one answer says besides a token: its place, and of each item the code, the pointer and the reason.
fn said(place: usize, result: &Value) -> String {
    let items = result["errors"].as_array().unwrap().iter().chain(result["messages"].as_array().unwrap());
    let line = |item: &Value| {
        let pointer = item["source"]["pointer"].as_str().unwrap_or("-");
        format!("{place} {} {pointer} {}\n", item["code"], item["reason"].as_str().unwrap())
    };
    items.map(line).collect()
}
