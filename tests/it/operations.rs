//! Scopes, ends and rotation of API tokens, the audit log and rate limits, as an operator meets them.

use serde_json::{Value, json};

use crate::support::{Answer, Installed, client};

#[tokio::test]
async fn an_operator_gives_narrow_tokens_and_sees_who_changed_what() {
    let installed = Installed::new("operations");
    installed
        .set("[viewer]\ntrusted_proxies = [\"127.0.0.1\"]\n[rate_limits]\nfailed_logins_per_address = \"1/h burst 2\"");
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    let made = installed.json(&[
        "api-token",
        "create",
        "--name",
        "keys",
        "--scope",
        "keys:read,keys:write",
        "--expires",
        "90d",
    ]);
    assert_eq!(made["scopes"], json!(["keys:read", "keys:write"]));
    let (server, url) = installed.serve();
    let call = async |method: &str, below: &str, token: &Value, from: &str| {
        let request = client().request(method.parse().unwrap(), format!("{url}/client/v4/accounts/a1{below}"));
        Answer::to(request.bearer_auth(token.as_str().unwrap()), &[("x-forwarded-for", from)]).await
    };
    let verified = call("GET", "/tokens/verify", &made["token"], "203.0.113.9").await;
    let verified: Value = serde_json::from_slice(&verified.body).unwrap();
    assert_eq!(verified["result"]["expires_on"], made["expires"]);
    assert_eq!(call("GET", "/stream", &made["token"], "203.0.113.9").await.status, 403);
    let created = call("POST", "/stream/keys", &made["token"], "203.0.113.9").await;
    assert_eq!((created.status, created.header("ratelimit-policy")), (200, "\"credential\";q=1000;w=1"));

    let old = made["id"].as_str().unwrap();
    let rotated = installed.json(&["api-token", "rotate", old, "--overlap", "0s"]);
    for status in [401, 401, 429] {
        assert_eq!(call("GET", "/stream/keys", &made["token"], "203.0.113.9").await.status, status);
    }
    assert_eq!(call("GET", "/stream/keys", &rotated["token"], "203.0.113.9").await.status, 429, "one address");
    assert_eq!(call("GET", "/stream/keys", &rotated["token"], "203.0.113.10").await.status, 200);
    let listed = installed.json(&["api-token", "list"]);
    let of = |id: &Value| listed.as_array().unwrap().iter().find(|one| one["id"] == *id).unwrap().clone();
    assert_eq!(of(&made["id"])["replaced_by"], rotated["id"]);
    assert_eq!(of(&rotated["id"])["scopes"], made["scopes"]);

    let lines = installed.json(&["audit", "--account", "a1"]);
    let shown: Vec<_> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["action"].as_str().unwrap(), line["by"].as_str().unwrap()))
        .collect();
    let expected =
        [("api_token.rotate", "cli"), ("key.create", "api"), ("api_token.create", "cli"), ("account.create", "cli")];
    assert_eq!(shown, expected);
    assert_eq!((&lines[1]["from"], &lines[1]["name"]), (&json!("203.0.113.9"), &made["id"]));
    assert_eq!(lines[1]["request"], created.header("x-request-id"));
    assert_ne!(lines[0]["name"], "");
    assert_eq!(installed.json(&["audit", "--since", "1h"]), json!([]));
    let log = server.log();
    for secret in [&made["token"], &rotated["token"]] {
        assert!(!log.contains(secret.as_str().unwrap()), "a secret is in the log");
    }
}
