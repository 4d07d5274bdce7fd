//! The service as a whole: routes, health, documentation, metrics, a store that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use http::Request;
use insta::assert_snapshot;
use vidpass_api::Readiness;

use crate::callers::documented;
use crate::site::{ACCOUNT, Answer, Site, VIDEO};

#[tokio::test]
async fn unknown_routes_and_methods() {
    let site = Site::start().await;
    assert_snapshot!(site.get("/stream/x/y/z").await.refusal(), @"
    404
    7003 route_unknown  | there is nothing at this path
    ");
    for path in
        ["/", "/client/v4", "/client/v4/accounts", "/client/v4/accounts/a", "/client/v4/zones", "/client/v4/healthz"]
    {
        let answer = get(&site, path).await;
        assert_eq!((answer.status.as_u16(), answer.reasons()), (404, vec!["route_unknown".to_owned()]), "{path}");
        assert_eq!(answer.headers["x-should-retry"], "false");
    }
    assert_eq!(site.get("/stream/").await.status, 404);
    let wrong = site.delete("/stream").await;
    assert_snapshot!(wrong.refusal(), @"
    405
    7001 method_not_allowed  | this path does not have this method; `Allow` says which it has
    ");
    assert_eq!(wrong.headers["allow"], "GET,HEAD");
    assert_eq!(site.get(&format!("/stream/{VIDEO}/token")).await.headers["allow"], "POST");
    let keys = site.put("/stream/keys", "").await;
    assert_eq!((keys.status.as_u16(), keys.headers["allow"].to_str().unwrap()), (405, "POST,GET,HEAD"));
}

#[tokio::test]
async fn head_is_answered_as_get_with_all_that_get_asks_for() {
    let site = Site::start().await;
    let head = |path: &str| site.request("HEAD", path).body(Body::empty()).unwrap();
    assert_eq!(site.send(head("/stream")).await.status, 200);
    assert_eq!(site.send(head("/stream/keys/rotate")).await.status, 405);
    let mut nobody = head("/stream");
    nobody.headers_mut().remove("authorization");
    assert_eq!(site.send(nobody).await.status, 401);
}

#[tokio::test]
async fn an_account_may_be_percent_encoded_and_is_the_callers_all_the_same() {
    let site = Site::start().await;
    site.other_account("other").await;
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    for (account, expected) in
        [(encoded(ACCOUNT), 200), (encoded("other"), 403), ("%ff".to_owned(), 400), (String::new(), 403)]
    {
        let mut request = site.request("GET", "/stream").body(Body::empty()).unwrap();
        *request.uri_mut() = format!("/client/v4/accounts/{account}/stream").parse().unwrap();
        assert_eq!(site.send(request).await.status, expected, "{account}");
    }
}

#[tokio::test]
async fn every_documented_operation_is_there() {
    let site = Site::start().await;
    for (method, path) in documented() {
        let uri = path.replace("{account_id}", ACCOUNT).replace("{identifier}", VIDEO);
        let answer = site.send(Request::builder().method(&*method).uri(uri).body(Body::empty()).unwrap()).await;
        assert!([200, 401].contains(&answer.status.as_u16()), "{method} {path}: {}", answer.status);
    }
}

#[tokio::test]
async fn health_and_readiness() {
    let ready = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&ready);
    let lack = move || (!gate.load(Ordering::Relaxed)).then_some("the gate has no catalogue yet");
    let site = Site::start_with(Readiness::new(lack)).await;
    let health = r#"200 {"result":{"status":"ok"},"success":true,"errors":[],"messages":[]}"#;
    assert_eq!(get(&site, "/healthz").await.exact(), health);
    assert_snapshot!(get(&site, "/readyz").await.refusal(), @"
    503
    10001 not_ready  | the gate has no catalogue yet
    ");
    ready.store(true, Ordering::Relaxed);
    assert_eq!(
        get(&site, "/readyz").await.exact(),
        r#"200 {"result":{"status":"ready"},"success":true,"errors":[],"messages":[]}"#
    );
    site.store.close().await;
    assert_eq!(get(&site, "/readyz").await.reasons(), ["not_ready"]);
    assert_eq!(get(&site, "/healthz").await.exact(), health);
}

#[tokio::test]
async fn a_store_that_is_away_is_not_the_callers_mistake() {
    let site = Site::start().await;
    site.store.close().await;
    for answer in [site.token("{}").await, site.get("/stream").await, site.post("/stream/keys", "").await] {
        assert_eq!(
            answer.exact(),
            r#"503 {"result":null,"success":false,"errors":[{"code":10001,"message":"the database is not available; try again","documentation_url":"https://vidpass.test/docs/errors#store_unavailable","reason":"store_unavailable"}],"messages":[]}"#
        );
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(!answer.headers.contains_key("x-should-retry"));
    }
}

#[tokio::test]
async fn a_change_that_the_gate_has_not_applied_is_told() {
    let site = Site::with_video().await;
    let old_key = format!("/stream/keys/{}", made_key(&site).await);
    let gate = site.store.follower();
    let video = format!("/stream/{VIDEO}");
    let downloads = format!("{video}/downloads");
    // Each waits for two seconds, so as many as can wait together.
    let (new_key, edited, offered, deleted) = tokio::join!(
        made_key(&site),
        site.post(&video, r#"{"requireSignedURLs":true}"#),
        site.post(&downloads, ""),
        site.delete(&old_key),
    );
    let (again, other) = tokio::join!(site.delete(&old_key), site.delete(&video));
    assert_eq!(site.get("/stream/keys").await.result()[0]["id"], *new_key, "its private half was shown");
    for answer in [edited, offered, deleted, again, other] {
        assert_eq!(
            answer.refusal(),
            "503\n10001 change_not_applied  | the change is kept, and the gate has not applied it yet; send the request \
             again to know when it has"
        );
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(!answer.headers.contains_key("x-should-retry"));
    }
    drop(gate);
    assert_eq!(site.delete(&video).await.result(), "");
    assert_eq!(site.delete(&old_key).await.result(), "Revoked");
}

async fn made_key(site: &Site) -> String {
    let key = site.post("/stream/keys", "").await.result();
    assert!(key["pem"].is_string());
    key["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_documentation_comes_along() {
    let site = Site::start().await;
    let openapi = get(&site, "/client/v4/openapi.json").await;
    assert_eq!(openapi.headers["content-type"], "application/json");
    assert_eq!(openapi.body, vidpass_api::openapi_json());
    let errors = get(&site, "/docs/errors").await;
    assert_eq!(errors.headers["content-type"], "text/plain; charset=utf-8");
    assert!(errors.body.contains("\n## exp_too_far\n"));
}

#[tokio::test]
async fn requests_and_tokens_are_counted() {
    let site = Site::start().await;
    site.token("{}").await.token();
    site.token("[]").await;
    site.get("/stream/x/y/z").await;
    site.get(&format!("/stream/{VIDEO}/token")).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &site.registry).unwrap();
    // Which of the two it is depends on the machine.
    assert!(
        text.contains("\nvidpass_api_signing_lanes 1\n") || text.contains("\nvidpass_api_signing_lanes 8\n"),
        "{text}"
    );
    let is_of_this = |line: &&str| line.starts_with("vidpass_") && !line.starts_with("vidpass_api_signing_lanes");
    let mut counts: Vec<&str> = text.lines().filter(is_of_this).collect();
    counts.sort_unstable();
    assert_snapshot!(counts.join("\n"), @r#"
    vidpass_api_requests_total{operation="issue_token",status="200"} 1
    vidpass_api_requests_total{operation="issue_token",status="400"} 1
    vidpass_api_requests_total{operation="none",status="404"} 1
    vidpass_api_requests_total{operation="none",status="405"} 1
    vidpass_api_signatures_repeated_total 0
    vidpass_api_signatures_total{path="single"} 1
    vidpass_api_signing_refused_total 0
    vidpass_api_signing_waiting 0
    vidpass_api_tokens_issued_total{key="Managed"} 1
    "#);
}

async fn get(site: &Site, path: &str) -> Answer {
    site.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await
}
