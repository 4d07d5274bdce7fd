//! Who changed what.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use vidpass_api::CallerAddress;
use vidpass_store::{NewApiToken, Scope, Scopes};
use vidpass_token::UnixTime;

use crate::site::{ACCOUNT, Answer, NOW, Site, VIDEO};

/// Every operation that changes something, and the one line that it leaves.
#[tokio::test]
async fn every_change_has_one_line() {
    let site = Site::start().await;
    site.store.clear_audit_log(UnixTime(NOW.0 + 1)).await.unwrap();
    let video = format!("/stream/{VIDEO}");
    check(&site, "PUT", &video, "{}", "video.register", VIDEO, &json!({})).await;
    let require = r#"{"requireSignedURLs":false}"#;
    let changed = json!({"changed": ["require_signed_urls"]});
    check(&site, "POST", &video, require, "video.edit", VIDEO, &changed).await;
    let downloads = json!({"changed": ["downloads"]});
    check(&site, "POST", &format!("{video}/downloads"), "", "video.edit", VIDEO, &downloads).await;
    check(&site, "DELETE", &format!("{video}/downloads"), "", "video.edit", VIDEO, &downloads).await;
    // The first token makes the managed key; no token has a line.
    let managed = json!({"alg": "RS256", "managed": true});
    check(&site, "POST", &format!("{video}/token"), "", "key.create", "", &managed).await;
    let answer = send(&site, "POST", &format!("{video}/token"), "").await;
    assert_eq!((answer.status.as_u16(), lines(&site).await.len()), (200, 0));

    let key =
        check(&site, "POST", "/stream/keys", r#"{"alg":"ES256"}"#, "key.create", "", &json!({"alg": "ES256"})).await;
    check(&site, "DELETE", &format!("/stream/keys/{key}"), "", "key.delete", &key, &json!({})).await;
    let revoke = r#"{"viewer":"alice","reason":"lost phone"}"#;
    let what = json!({"kind": "viewer", "subject": "alice", "reason": "lost phone"});
    let id = check(&site, "POST", "/stream/revocations", revoke, "revocation.create", "", &what).await;
    let what = json!({"kind": "viewer", "subject": "alice"});
    check(&site, "DELETE", &format!("/stream/revocations/{id}"), "", "revocation.delete", &id, &what).await;
    check(&site, "DELETE", &video, "", "video.delete", VIDEO, &json!({})).await;
    // Sent again it changes nothing.
    assert_eq!(send(&site, "DELETE", &video, "").await.status, 200);
    assert_eq!(lines(&site).await, [] as [Value; 0]);
}

#[tokio::test]
async fn lines_come_in_pages_of_the_callers_account() {
    let site = Site::start().await;
    site.other_account("other").await;
    let own = lines(&site).await;
    let shown: Vec<_> = own.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(shown, ["api_token.create", "api_key.create", "account.create"]);
    assert_eq!(own[0]["actor"], json!({"type": "server", "id": ""}));
    assert_eq!(own[0]["resource"]["type"], "api_token");
    assert_eq!(own[2]["resource"], json!({"type": "account", "id": ACCOUNT}));

    let cursor = own[1]["id"].as_str().unwrap();
    for (query, expected) in [
        ("limit=2".to_owned(), &own[..2]),
        (format!("limit=2&cursor={cursor}"), &own[2..]),
        (format!("cursor={}", own[2]["id"].as_str().unwrap()), &[]),
        ("since=2027-01-15T08:00:00Z".to_owned(), &own[..]),
        ("since=2027-01-15T08:00:00.1Z".to_owned(), &[]),
        ("before=2027-01-15T08:00:00Z".to_owned(), &[]),
        ("before=2027-01-15T08:00:01Z".to_owned(), &own[..]),
    ] {
        let found = site.get(&format!("/audit_logs?{query}")).await.result();
        assert_eq!(found.as_array().unwrap(), expected, "{query}");
    }
    let noted = site.get("/audit_logs?sinc=2027-01-15T08:00:00Z").await;
    assert_eq!((noted.status.as_u16(), noted.reasons()), (200, vec!["query_ignored".to_owned()]));
    for query in ["limit=0", "limit=1001", "cursor=0", "cursor=x", "since=yesterday", "before=1", "limit=1&limit=1"] {
        assert_eq!(site.get(&format!("/audit_logs?{query}")).await.reasons(), ["query_invalid"], "{query}");
    }
}

#[tokio::test]
async fn no_secret_is_in_it() {
    let site = Site::with_video().await;
    let scopes = Scopes::Only([Scope::AuditRead].into());
    let new = NewApiToken { name: "auditor".into(), scopes, expires: Some(UnixTime(NOW.0 + 60)) };
    let made = site.store.create_api_token(&ACCOUNT.parse().unwrap(), &new, NOW).await.unwrap();
    let token = site.token("{}").await.token();
    let body = json!({"token": token, "reason": "leaked"}).to_string();
    site.post("/stream/revocations", &body).await.result();
    let text = site.get("/audit_logs").await.body;
    for secret in [made.secret.expose(), &token, crate::site::API_KEY] {
        assert!(!text.contains(&secret[secret.len() / 2..]), "{text}");
    }
    let request = Request::get(format!("/client/v4/accounts/{ACCOUNT}/audit_logs"));
    let request = request.header("authorization", format!("Bearer {}", made.secret.expose()));
    assert_eq!(site.send(request.body(Body::empty()).unwrap()).await.status, 200);
}

/// Sends the request, looks at the one line that is new, clears it, and returns the id of what was changed. An empty
/// `subject` is any.
async fn check(
    site: &Site,
    method: &str,
    below: &str,
    body: &str,
    action: &str,
    subject: &str,
    details: &Value,
) -> String {
    let answer = send(site, method, below, body).await;
    assert_eq!(answer.status, 200, "{method} {below}: {}", answer.body);
    let lines = lines(site).await;
    assert_eq!(lines.len(), 1, "{method} {below}: {lines:?}");
    let line = &lines[0];
    let actor = json!({
        "type": "api",
        "id": &site.api_token[4..20],
        "ip": "203.0.113.9",
        "request_id": answer.headers["x-request-id"].to_str().unwrap(),
    });
    assert_eq!((&line["action"], &line["actor"], &line["metadata"]), (&json!(action), &actor, details), "{below}");
    assert_eq!(line["when"], "2027-01-15T08:00:00Z");
    let id = line["resource"]["id"].as_str().unwrap();
    assert!(subject.is_empty() || id == subject, "{id}");
    site.store.clear_audit_log(UnixTime(NOW.0 + 1)).await.unwrap();
    id.to_owned()
}

async fn send(site: &Site, method: &str, below: &str, body: &str) -> Answer {
    let mut request = site.json(method, below, body);
    request.extensions_mut().insert(CallerAddress("203.0.113.9".parse().unwrap()));
    site.send(request).await
}

async fn lines(site: &Site) -> Vec<Value> {
    site.get("/audit_logs").await.result().as_array().unwrap().clone()
}
