//! What the official SDKs send, as captured from their own tests.

use axum::body::Body;
use serde_json::json;
use vidpass_token::{Algorithm, KeyId, SigningKey};

use crate::site::{ACCOUNT, API_KEY, Answer, EMAIL, Site, VIDEO, payload};

/// The request of the SDKs' tests with every option, the key but for its PEM included.
#[tokio::test]
async fn a_token_with_every_option() {
    let site = Site::start().await;
    let pem = SigningKey::generate(Algorithm::Rs256, KeyId::random()).unwrap().to_pem_base64();
    let rules = r#"[{"action":"block","country":["US","MX"],"ip":["string"],"type":"ip.geoip.country"},{"action":"allow","country":["string"],"ip":["93.184.216.0/24","2400:cb00::/32"],"type":"ip.src"},{"action":"block","country":["string"],"ip":["string"],"type":"any"}]"#;
    let typescript_and_python = format!(
        r#"{{"id":"ab0d4ef71g4425f8dcba9041231813000","accessRules":{rules},"downloadable":true,"exp":0,"flags":{{"original":true}},"nbf":0,"pem":"{}"}}"#,
        *pem
    );
    let go = format!(
        r#"{{"accessRules":{rules},"downloadable":true,"exp":0,"id":"ab0d4ef71g4425f8dcba9041231813000","nbf":0,"pem":"{}"}}"#,
        *pem
    );
    for (body, flags) in [(typescript_and_python, json!({ "original": true })), (go, json!(null))] {
        let answer = call(&site, "POST", &format!("/stream/{VIDEO}/token"), &body).await;
        let payload = payload(&answer.token());
        assert_eq!(payload["kid"], "ab0d4ef71g4425f8dcba9041231813000");
        assert_eq!(payload["flags"], flags);
        assert_eq!(
            payload["accessRules"],
            json!([
                { "type": "ip.geoip.country", "action": "block", "country": ["US", "MX"] },
                { "type": "ip.src", "action": "allow", "ip": ["93.184.216.0/24", "2400:cb00::/32"] },
                { "type": "any", "action": "block" },
            ])
        );
        assert_eq!(answer.reasons(), ["video_not_registered", "key_not_registered"]);
    }
}

#[tokio::test]
async fn a_token_with_no_options() {
    let site = Site::start().await;
    assert_eq!(payload(&call(&site, "POST", &format!("/stream/{VIDEO}/token"), "{}").await.token())["sub"], VIDEO);
}

#[tokio::test]
async fn keys() {
    let site = Site::start().await;
    let id = call(&site, "POST", "/stream/keys", "").await.result()["id"].as_str().unwrap().to_owned();
    assert_eq!(call(&site, "GET", "/stream/keys", "").await.result()[0]["key_id"], *id);
    // The Python SDK's tests delete one key 15 times.
    for _ in 0..15 {
        assert_eq!(call(&site, "DELETE", &format!("/stream/keys/{id}"), "").await.result(), "Revoked");
    }
}

#[tokio::test]
async fn a_list_with_every_option() {
    let site = Site::start().await;
    let query = "after=2014-01-02T02:20:00Z&asc=true&before=2014-01-02T02:20:00Z&creator=creator-id_abcde12345\
        &end=2014-01-02T02:20:00Z&id=ea95132c15732412d22c1476fa83f27a&include_counts=true&limit=500\
        &live_input_id=live_input_id&name=name&search=puppy.mp4&start=2014-01-02T02:20:00Z&status=inprogress&type=live\
        &video_name=puppy.mp4";
    assert_eq!(call(&site, "GET", &format!("/stream?{query}"), "").await.result(), json!([]));
}

/// With the headers that the SDKs send.
async fn call(site: &Site, method: &str, path: &str, body: &str) -> Answer {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/client/v4/accounts/{ACCOUNT}{path}"))
        .header("x-auth-email", EMAIL)
        .header("x-auth-key", API_KEY)
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .header("user-agent", "Cloudflare/Python 5.9.0")
        .header("x-stainless-lang", "python")
        .header("api-version", "2026-11-24")
        .body(Body::from(body.to_owned()));
    site.send(request.unwrap()).await
}
