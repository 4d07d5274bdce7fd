//! Keys take one another's place while tokens are issued and played, and nobody is refused.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vidpass_token::UnverifiedToken;

use crate::postgres_server::postgres_server;
use crate::support::{Installed, client};

#[tokio::test]
async fn tokens_are_issued_and_played_through_rotations() {
    check(&Installed::new("rotation")).await;
}

/// Here another process's gate could be asked too, so the account's first key waits until it knows it.
#[tokio::test]
async fn tokens_are_issued_and_played_through_rotations_on_postgresql() {
    check(&Installed::with("rotation-postgres", &["--database", &postgres_server().create_database()])).await;
}

async fn check(installed: &Installed) {
    installed.set("[tokens]\nlease = \"2s\"");
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    installed.json(&["video", "create", "--uid", "v1"]);
    let secret = installed.json(&["api-token", "create", "--name", "T"])["token"].as_str().unwrap().to_owned();
    let folder = installed.media().join("a1/v1/manifest");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("video.m3u8"), "#EXTM3U\n").unwrap();

    let (server, url) = installed.serve();
    let callers: Vec<_> = (0..3).map(|_| tokio::spawn(issue_and_play(url.clone(), secret.clone()))).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut made = Vec::new();
    for alg in ["ES256", "EdDSA"] {
        let rotated = installed.json(&["key", "rotate", "--alg", alg]);
        assert_eq!(rotated["alg"], alg);
        made.push(rotated["id"].as_str().unwrap().to_owned());
    }
    let mut signers = BTreeSet::new();
    for caller in callers {
        signers.extend(caller.await.unwrap());
    }
    assert_eq!(signers.len(), 3, "{signers:?}");
    assert!(made.iter().all(|id| signers.contains(id)));

    // What was counted in memory is written down when the server ends, at the latest.
    server.signal("TERM");
    let mut server = server;
    assert!(server.ended().success());
    let keys = installed.json(&["key", "list"]);
    let states: Vec<_> = keys.as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "retired").count(), 2, "{keys}");
    for key in keys.as_array().unwrap() {
        assert!(key["tokens_issued"].as_u64().unwrap() > 0 && !key["last_used"].is_null(), "{key}");
        assert_eq!(key["safe_to_delete_from"].is_null(), key["state"] == "active", "{key}");
    }
}

/// For nine seconds: the keys of this account take two turns in that time. Each token plays as soon as it is there, and the
/// first one to the end. Gives the keys that signed.
async fn issue_and_play(url: String, secret: String) -> BTreeSet<String> {
    let (http, started) = (client(), Instant::now());
    let (mut signers, mut first) = (BTreeSet::new(), None);
    while started.elapsed() < Duration::from_secs(9) {
        let issue = http.post(format!("{url}/client/v4/accounts/a1/stream/v1/token")).bearer_auth(&secret);
        let answer: Value = issue.json(&json!({})).send().await.unwrap().json().await.unwrap();
        let token = answer["result"]["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        signers.insert(UnverifiedToken::parse(&token).unwrap().key_id().to_string());
        for token in [&token, first.get_or_insert(token.clone())] {
            let played = http.get(format!("{url}/{token}/manifest/video.m3u8")).send().await.unwrap();
            assert_eq!(played.status(), 200, "{:?}", played.headers());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    signers
}
