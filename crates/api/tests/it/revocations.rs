//! Tokens that are taken back.

use serde_json::{Value, json};

use crate::site::{NOW, Site, VIDEO};

const PATH: &str = "/stream/revocations";

#[tokio::test]
async fn each_subject_takes_tokens_back() {
    let site = Site::with_video().await;
    let token = site.token(r#"{"viewer":"alice@example.com","viewerVersion":7}"#).await.token();
    let claims = crate::site::payload(&token);
    for (body, rest) in [
        (json!({ "token": token }), json!({ "until": "2027-01-15T09:00:00Z" })),
        (json!({ "jti": claims["jti"] }), json!({ "until": null })),
        (
            json!({ "kid": claims["kid"], "until": "2027-02-01T00:00:00.5Z" }),
            json!({ "until": "2027-02-01T00:00:01Z" }),
        ),
        (json!({ "viewer": "alice@example.com" }), json!({ "until": null })),
        (json!({ "viewer": "alice@example.com", "version": 9 }), json!({ "until": null, "version": 9 })),
        (json!({ "video": VIDEO }), json!({ "until": null, "issuedBefore": "2027-01-15T08:00:01Z" })),
        (
            json!({ "video": VIDEO, "issuedBefore": "2027-01-15T09:00:00+01:00" }),
            json!({ "until": null, "issuedBefore": "2027-01-15T08:00:00Z" }),
        ),
    ] {
        assert_eq!(code(&site, &token).await, Value::Null);
        let kind = body.as_object().unwrap().keys().next().unwrap().clone();
        let mut body = body;
        body["reason"] = json!("it leaked");
        let made = site.post(PATH, &body.to_string()).await.result();
        let mut expected = rest;
        let subject = if kind == "token" { made["subject"].clone() } else { body[&kind].clone() };
        for (name, value) in [
            ("id", made["id"].clone()),
            ("kind", json!(kind)),
            ("subject", subject),
            ("reason", json!("it leaked")),
            ("created", json!("2027-01-15T08:00:00Z")),
        ] {
            expected[name] = value;
        }
        assert_eq!(made, expected);
        assert_eq!(site.get(PATH).await.result(), json!([made]));
        // Issued now, which is not before now.
        let taken_back = made["issuedBefore"] != "2027-01-15T08:00:00Z";
        let expected = if taken_back { json!("token_revoked") } else { Value::Null };
        assert_eq!(code(&site, &token).await, expected, "{made}");
        let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
        assert_eq!(site.delete(&path).await.result(), "Deleted");
        assert_eq!(site.delete(&path).await.reasons(), ["revocation_unknown"]);
    }
}

#[tokio::test]
async fn a_version_takes_back_earlier_ones() {
    let site = Site::with_video().await;
    let issue = async |version: Option<u32>| {
        let body = json!({ "viewer": "alice", "viewerVersion": version });
        let body = if version.is_some() { body } else { json!({ "viewer": "alice" }) };
        site.token(&body.to_string()).await.token()
    };
    let (none, old, new) = (issue(None).await, issue(Some(7)).await, issue(Some(8)).await);
    site.post(PATH, r#"{"viewer":"alice","version":7,"reason":"lost phone"}"#).await.result();
    for (token, expected) in [(none, json!("token_revoked")), (old, json!("token_revoked")), (new, Value::Null)] {
        assert_eq!(code(&site, &token).await, expected);
    }
}

#[tokio::test]
async fn what_takes_nothing_back_is_refused_with_all_that_is_wrong() {
    let site = Site::with_video().await;
    let token = site.token("").await.token();
    for (body, reasons) in [
        (json!({}), vec!["member_missing", "subject_unclear"]),
        (json!({ "reason": "x" }), vec!["subject_unclear"]),
        (json!({ "reason": "x", "jti": "a", "kid": "b" }), vec!["subject_unclear"]),
        (json!({ "jti": "a" }), vec!["member_missing"]),
        (json!({ "jti": "a", "reason": "" }), vec!["text_invalid"]),
        (json!({ "jti": "a", "reason": "x".repeat(257) }), vec!["text_too_long"]),
        (json!({ "jti": "a", "reason": 7 }), vec!["member_wrong_type"]),
        (json!({ "jti": "a b", "reason": "x" }), vec!["subject_invalid"]),
        (json!({ "video": "", "reason": "x" }), vec!["subject_invalid"]),
        (json!({ "kid": "a.b", "reason": "x" }), vec!["key_id_invalid"]),
        (json!({ "viewer": "a b", "reason": "x" }), vec!["viewer_invalid"]),
        (json!({ "viewer": "a", "version": -1, "reason": "x" }), vec!["viewer_version_invalid"]),
        (json!({ "jti": "a", "version": 1, "reason": "x" }), vec!["member_misplaced"]),
        (json!({ "jti": "a", "issuedBefore": "2027-01-15T08:00:00Z", "reason": "x" }), vec!["member_misplaced"]),
        (json!({ "video": "v", "issuedBefore": "today", "reason": "x" }), vec!["time_invalid"]),
        (json!({ "jti": "a", "until": "2027-01-15T08:00:00Z", "reason": "x" }), vec!["time_in_past"]),
        (json!({ "token": token, "until": "2028-01-15T08:00:00Z", "reason": "x" }), vec!["member_misplaced"]),
        (json!({ "token": "a.b.c", "reason": "x" }), vec!["token_invalid"]),
        (json!({ "token": format!("{token}A"), "reason": "x" }), vec!["token_invalid"]),
        (json!({ "jti": "a", "why": "x" }), vec!["member_missing", "member_unknown"]),
    ] {
        let mut told = site.post(PATH, &body.to_string()).await.reasons();
        told.sort_unstable();
        assert_eq!(told, reasons, "{body}");
    }
    assert_eq!(site.get(PATH).await.result(), json!([]));
    assert_eq!(site.put("/stream/revocations", "{}").await.status, 405, "no video takes this path");
}

#[tokio::test]
async fn a_token_that_is_over_need_not_be_taken_back() {
    let site = Site::with_video().await;
    let token = site.token("").await.token();
    site.set_now(NOW.0 + 3600);
    let body = json!({ "token": token, "reason": "x" }).to_string();
    assert_eq!(site.post(PATH, &body).await.reasons(), ["token_invalid"]);
}

#[tokio::test]
async fn a_token_says_who_it_is_for() {
    let site = Site::with_video().await;
    let token = site.token(r#"{"viewer":"alice@example.com","viewerVersion":4294967295}"#).await.token();
    let claims = crate::site::payload(&token);
    assert_eq!((&claims["viewer"], &claims["viewerVersion"]), (&json!("alice@example.com"), &json!(4_294_967_295_u32)));
    for (body, reasons) in [
        (r#"{"viewer":""}"#, vec!["viewer_invalid"]),
        (r#"{"viewer":"a b","viewerVersion":1.5}"#, vec!["viewer_invalid", "viewer_version_invalid"]),
        (r#"{"viewer":"a","viewerVersion":4294967296}"#, vec!["viewer_version_invalid"]),
        (r#"{"viewerVersion":1}"#, vec!["member_misplaced"]),
        (r#"{"viewer":7}"#, vec!["member_wrong_type"]),
    ] {
        assert_eq!(site.token(body).await.reasons(), reasons, "{body}");
    }
}

/// What the gate would say to a token now.
async fn code(site: &Site, token: &str) -> Value {
    site.set_now(NOW.0);
    let body = json!({ "token": token, "request": { "ip": "192.0.2.7", "country": "SE" } });
    site.post("/stream/tokens/inspect", &body.to_string()).await.result()["code"].clone()
}
