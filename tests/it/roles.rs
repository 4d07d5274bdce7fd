//! Issuer and gate as processes of their own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::postgres_server::postgres_server;
use crate::support::{Issuer, LoneGate, ask, until_status};

#[tokio::test]
async fn a_gate_without_master_key_follows_an_issuer_as_a_user_who_reads_no_secret() {
    let database = postgres_server().create_database();
    let issuer = Issuer::installed("roles", &["--database", &database]);
    // What is for viewers alone is not looked at.
    std::fs::remove_dir(issuer.installed.media()).unwrap();
    let (_issuer, api) = issuer.installed.serve();
    assert_eq!(ask(&format!("{api}/readyz")).await.0, 200);
    let (status, refusal) = ask(&format!("{api}/v1/manifest/video.m3u8")).await;
    assert_eq!((status, &refusal["errors"][0]["reason"]), (404, &"route_unknown".into()));

    let sql = "CREATE ROLE roles_gate LOGIN IN ROLE vidpass_gate";
    let made = postgres_server().program("psql").args(["-q", "-d", "postgres", "-c", sql]).status().unwrap();
    assert!(made.success());
    let login = database.replace("postgres@", "roles_gate@");
    let gate = LoneGate::new("roles", &format!("database = \"{login}\""));
    gate.put("a1/v1/a.ts", "film");
    let (process, url) = gate.serve();
    until_status(&format!("{url}/readyz"), 200).await;
    assert_eq!(ask(&format!("{url}/healthz")).await, (200, envelope("ok")));
    assert_eq!(ask(&format!("{url}/readyz")).await, (200, envelope("ready")));
    let (status, refusal) = ask(&format!("{url}/client/v4/accounts/a1/stream")).await;
    assert_eq!((status, &refusal["errors"][0]["reason"]), (404, &"route_unknown".into()));

    let film = format!("{url}/{}", issuer.issue(&api, &json!({ "viewer": "alice" })).await);
    let seen = until_status(&film, 200).await;
    assert!(seen < Duration::from_secs(2), "the managed key takes {seen:?}");
    issuer.call(&api, "POST", "revocations", &json!({ "viewer": "alice", "reason": "lost phone" })).await;
    let gone = until_status(&film, 401).await;
    assert!(gone < Duration::from_millis(900), "a revocation takes {gone:?}");
    println!("managed key after {seen:?}, revocation after {gone:?}");
    assert!(!process.log().contains("ERROR"), "{}", process.log());
}

#[tokio::test]
async fn a_gate_that_starts_before_its_database_waits_for_it() {
    let database = postgres_server().create_database();
    let gate = LoneGate::new("early", &format!("database = \"{database}\""));
    gate.put("a1/v1/a.ts", "film");
    let (mut process, url) = gate.serve();
    assert_eq!(ask(&format!("{url}/healthz")).await.0, 200);
    let (status, refusal) = ask(&format!("{url}/readyz")).await;
    assert_eq!((status, &refusal["errors"][0]["reason"]), (503, &"not_ready".into()));
    assert!(refusal["errors"][0]["message"].as_str().unwrap().contains("no catalogue"), "{refusal}");
    let (status, denial) = ask(&format!("{url}/v1/a.ts")).await;
    assert_eq!((status, &denial["code"]), (503, &"gate_not_loaded".into()));
    process.wait_for(|process| process.log().contains("holds no vidpass store").then_some(()));

    let issuer = Issuer::installed("early", &["--database", &database]);
    until_status(&format!("{url}/readyz"), 200).await;
    let (_server, api) = issuer.installed.serve();
    let film = issuer.issue(&api, &json!({})).await;
    until_status(&format!("{url}/{film}"), 200).await;
}

fn envelope(status: &str) -> Value {
    json!({ "result": { "status": status }, "success": true, "errors": [], "messages": [] })
}
