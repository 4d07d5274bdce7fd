//! The feed for gates without a database.

use std::time::{Duration, Instant};

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::site::{ACCOUNT, Answer, NOW, Site, VIDEO};

#[tokio::test]
async fn a_gate_is_told_everything_and_then_each_change_at_once() {
    let site = Site::with_video().await;
    let gate = gate_credential(&site).await;
    site.token("{}").await.token();
    site.post("/stream/revocations", r#"{"viewer":"alice","version":3,"reason":"x"}"#).await.result();
    let (lines, cursor) = lines(&feed(&site, "snapshot", &gate).await);
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).cloned().collect::<Vec<_>>();
    assert_eq!(of("key")[0]["key"]["account"], ACCOUNT);
    assert!(of("key")[0]["key"]["spki"].as_str().unwrap().starts_with("MII"));
    let video = json!({"account": ACCOUNT, "requireSignedUrls": true, "allowedOrigins": [], "downloads": false,
        "dryRun": null, "origin": null});
    assert_eq!(of("video"), [json!({"type": "video", "uid": VIDEO, "video": video})]);
    let taken = json!([{"viewerVersion": 3, "issuedBefore": null, "until": null}]);
    assert_eq!(of("revocation")[0]["taken"], taken);

    // Nothing changed: a sign of life.
    let asked = Instant::now();
    let (none, same) = self::lines(&feed(&site, &format!("changes?after={cursor}"), &gate).await);
    assert!(none.is_empty() && same == cursor);
    assert!((900..1500).contains(&asked.elapsed().as_millis()), "{:?}", asked.elapsed());

    let kid = lines.iter().find(|line| line["type"] == "key").unwrap()["id"].as_str().unwrap().to_owned();
    let changes = format!("changes?after={cursor}");
    let (answer, deleted) = tokio::join!(feed(&site, &changes, &gate), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let deleted = Instant::now();
        site.delete(&format!("/stream/keys/{kid}")).await.result();
        deleted
    });
    assert!(deleted.elapsed() < Duration::from_millis(500), "{:?}", deleted.elapsed());
    let (changed, _) = self::lines(&answer);
    assert_eq!(changed, [json!({"type": "key", "id": kid, "key": null})]);
}

#[tokio::test]
async fn a_cursor_that_does_not_lead_on_is_gone() {
    let site = Site::with_video().await;
    let gate = gate_credential(&site).await;
    for after in
        ["", "?after=", "?after=nonsense", "?after=99.0000000000000001", "?after=1.0000000000000001", "?after=1"]
    {
        let answer = feed(&site, &format!("changes{after}"), &gate).await;
        assert_eq!((answer.status.as_u16(), answer.reasons()), (410, vec!["cursor_gone".to_owned()]), "{after}");
    }
    assert_eq!(feed(&site, "changes?after=0", &gate).await.status, 200);
}

#[tokio::test]
async fn a_gate_credential_opens_the_feed_and_nothing_else_does() {
    let site = Site::with_video().await;
    let gate = gate_credential(&site).await;
    for path in ["snapshot", "changes?after=0"] {
        assert_eq!(feed(&site, path, &gate).await.status, 200);
        for other in [site.api_token.as_str(), "vpg_0123456789abcdef_x", "x"] {
            let answer = feed(&site, path, other).await;
            assert_eq!((answer.status.as_u16(), answer.reasons()), (401, vec!["credentials_wrong".to_owned()]));
        }
        let request = Request::get(format!("/client/v4/gates/{path}")).body(Body::empty()).unwrap();
        assert_eq!(site.send(request).await.reasons(), ["credentials_missing"]);
    }
    for path in [format!("accounts/{ACCOUNT}/stream"), "user/tokens/verify".to_owned()] {
        assert_eq!(get(&site, &path, &gate).await.reasons(), ["credentials_wrong"], "{path}");
    }
    let id = gate.split('_').nth(1).unwrap().parse().unwrap();
    assert!(site.store.delete_gate_credential(&id, NOW).await.unwrap());
    assert_eq!(feed(&site, "snapshot", &gate).await.status, 401);
}

async fn gate_credential(site: &Site) -> String {
    site.store.create_gate_credential("edge", crate::site::NOW).await.unwrap().1.expose().to_owned()
}

async fn feed(site: &Site, path: &str, credential: &str) -> Answer {
    get(site, &format!("gates/{path}"), credential).await
}

async fn get(site: &Site, path: &str, credential: &str) -> Answer {
    let request = Request::get(format!("/client/v4/{path}")).header("authorization", format!("Bearer {credential}"));
    site.send(request.body(Body::empty()).unwrap()).await
}

/// The lines of an answer, and the cursor of its end.
fn lines(answer: &Answer) -> (Vec<Value>, String) {
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (200, &"application/x-ndjson".parse().unwrap())
    );
    let mut lines: Vec<Value> = answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = lines.pop().unwrap();
    assert_eq!((&end["type"], &end["complete"]), (&"end".into(), &true.into()));
    (lines, end["cursor"].as_str().unwrap().to_owned())
}
