//! The life of managed keys, as a caller sees it.

use serde_json::{Value, json};
use vidpass_token::{Algorithm, SigningKey, UnverifiedToken};

use crate::site::{ACCOUNT, NOW, Site};

#[tokio::test]
async fn a_new_key_signs_when_every_gate_knows_it() {
    let site = Site::with_video().await;
    let first = signer(&site).await;
    let made = rotate(&site, "").await["key"].clone();
    let second = text(&made["id"]);
    let expected = json!({
        "id": second,
        "alg": "RS256",
        // The lease of 30 s, and a poll.
        "signsFrom": "2027-01-15T08:00:32Z",
        "replaces": first,
        "replacedSafeToDeleteFrom": "2027-01-16T08:00:32Z",
    });
    assert_eq!(made, expected);
    check_states(&site, &[(&first, "active"), (second, "pending")]).await;
    // Verifiers learn a key before it signs, and forget it when it is deleted.
    assert_eq!(key_set(&site).await, 2);

    site.set_now(NOW.0 + 31);
    assert_eq!(signer(&site).await, first);
    site.set_now(NOW.0 + 32);
    assert_eq!(signer(&site).await, second);
    check_states(&site, &[(&first, "retired"), (second, "active")]).await;
    assert_eq!(key_set(&site).await, 2);
}

#[tokio::test]
async fn what_is_known_of_a_key_is_shown() {
    let site = Site::with_video().await;
    let first = signer(&site).await;
    site.token(&json!({ "exp": NOW.0 + 7201 }).to_string()).await.token();
    rotate(&site, r#"{"alg":"EdDSA"}"#).await;
    site.store.write_key_uses().await.unwrap();
    let listed = listed(&site).await;
    let expected = json!({
        "id": first,
        "key_id": first,
        "created": "2027-01-15T08:00:00Z",
        "alg": "RS256",
        "managed": true,
        "state": "active",
        "signsFrom": "2027-01-15T08:00:00Z",
        "lastUsed": "2027-01-15T08:00:00Z",
        "tokensIssued": 2,
        // Written ahead, to the next five minutes.
        "latestExp": "2027-01-15T10:05:00Z",
    });
    assert_eq!(listed[0], expected);
    assert_eq!((&listed[1]["alg"], &listed[1]["state"]), (&json!("EdDSA"), &json!("pending")));

    site.set_now(NOW.0 + 32);
    let listed = self::listed(&site).await;
    assert_eq!(listed[0]["safeToDeleteFrom"], "2027-01-15T10:05:00Z");
    assert_eq!(listed[1]["safeToDeleteFrom"], Value::Null);
    // A program that knows Cloudflare Stream sees its own keys alone.
    assert_eq!(site.get("/stream/keys").await.result(), json!([]));
    assert_eq!(site.get("/stream/keys?managed=false").await.result(), json!([]));
    for query in ["managed=1", "managed", "managed=true&managed=false"] {
        assert_eq!(site.get(&format!("/stream/keys?{query}")).await.reasons(), ["query_invalid"], "{query}");
    }
}

#[tokio::test]
async fn of_an_own_key_it_is_known_what_the_api_signs() {
    let site = Site::with_video().await;
    let key = SigningKey::generate(Algorithm::Es256, "own".parse().unwrap()).unwrap();
    site.post("/stream/keys", &json!({ "id": "own", "pem": key.public().to_pem() }).to_string()).await.result();
    let body = json!({ "id": "own", "pem": &*key.to_pem(), "exp": NOW.0 + 600 }).to_string();
    site.token(&body).await.token();
    site.store.write_key_uses().await.unwrap();
    let listed = site.get("/stream/keys").await.result();
    assert_eq!((&listed[0]["tokensIssued"], &listed[0]["state"]), (&json!(1), &json!("active")));
    assert_eq!(listed[0]["latestExp"], "2027-01-15T08:10:00Z");
    assert_eq!(listed[0]["safeToDeleteFrom"], "2027-01-15T08:10:00Z");
}

#[tokio::test]
async fn a_schedule_is_kept_and_makes_a_key_only_when_it_is_due() {
    let site = Site::with_video().await;
    let first = signer(&site).await;
    assert_eq!(rotate(&site, r#"{"every":86400}"#).await, json!({ "every": 86_400 }));
    site.set_now(NOW.0 + 86_400);
    let due = rotate(&site, r#"{"every":86400}"#).await;
    assert_eq!((&due["every"], &due["key"]["replaces"]), (&json!(86_400), &json!(first)));
    assert_eq!(rotate(&site, r#"{"every":86400}"#).await, json!({ "every": 86_400 }));
    // Asked for without a schedule, a key is made whatever the schedule says, and that stays.
    let asked = rotate(&site, "{}").await;
    assert_eq!((&asked["every"], &asked["key"]["replaces"]), (&json!(86_400), &due["key"]["id"]));
    assert_eq!(rotate(&site, r#"{"every":0}"#).await, json!({ "every": 0 }));
}

#[tokio::test]
async fn a_rotation_that_is_wrong_is_refused() {
    let site = Site::with_video().await;
    for (body, expected) in [
        (r#"{"alg":"HS256"}"#, "alg_invalid"),
        (r#"{"every":3599}"#, "value_out_of_range"),
        (r#"{"every":4294967296}"#, "value_out_of_range"),
        (r#"{"every":-1}"#, "value_out_of_range"),
        (r#"{"every":"30d"}"#, "member_wrong_type"),
        (r#"{"evry":86400}"#, "member_unknown"),
        ("[]", "member_wrong_type"),
    ] {
        assert_eq!(site.post("/stream/keys/rotate", body).await.reasons(), [expected], "{body}");
    }
    assert!(listed(&site).await.is_empty(), "nothing was made");
    for _ in 0..100 {
        rotate(&site, r#"{"alg":"ES256"}"#).await;
    }
    let refused = site.post("/stream/keys/rotate", "").await;
    assert_eq!(
        refused.refusal(),
        "400\n10005 keys_too_many  | the account has as many managed keys as it may have (100); their tokens must be over first"
    );
}

#[tokio::test]
async fn where_the_active_key_is_deleted_no_key_signs_that_gates_may_not_know() {
    let site = Site::with_video().await;
    let first = signer(&site).await;
    let second = text(&rotate(&site, "").await["key"]["id"]).to_owned();
    // The pending one begins: making another would give gates less time still.
    site.delete(&format!("/stream/keys/{first}")).await.result();
    site.set_now(NOW.0 + 1);
    assert_eq!(signer(&site).await, second);
    check_states(&site, &[(&second, "active")]).await;

    let third = text(&rotate(&site, "").await["key"]["id"]).to_owned();
    site.set_now(NOW.0 + 100);
    assert_eq!(signer(&site).await, third);
    // Gates have known the retired one all along.
    site.delete(&format!("/stream/keys/{third}")).await.result();
    assert_eq!(signer(&site).await, second);
    site.delete(&format!("/stream/keys/{second}")).await.result();
    let fourth = signer(&site).await;
    assert!(![first, second, third].contains(&fourth));
}

#[tokio::test]
async fn a_key_is_deleted_in_each_of_its_states() {
    let site = Site::with_video().await;
    let first = signer(&site).await;
    let second = text(&rotate(&site, "").await["key"]["id"]).to_owned();
    let third = text(&rotate(&site, "").await["key"]["id"]).to_owned();
    site.set_now(NOW.0 + 32);
    check_states(&site, &[(&first, "retired"), (&second, "active"), (&third, "pending")]).await;
    for (key, left) in [(third, 2), (first, 1), (second, 0)] {
        site.delete(&format!("/stream/keys/{key}")).await.result();
        assert_eq!(listed(&site).await.len(), left);
    }
    assert_eq!(key_set(&site).await, 0);
}

#[tokio::test]
async fn a_key_may_be_called_as_the_path_of_rotations_is() {
    let site = Site::start().await;
    let key = SigningKey::generate(Algorithm::Es256, "rotate".parse().unwrap()).unwrap();
    site.post("/stream/keys", &json!({ "id": "rotate", "pem": key.public().to_pem() }).to_string()).await.result();
    site.delete("/stream/keys/rotate").await.result();
    assert_eq!(site.get("/stream/keys").await.result(), json!([]));
    assert!(site.store.is_signing_key_deleted(&ACCOUNT.parse().unwrap(), &"rotate".parse().unwrap()).await.unwrap());
}

async fn rotate(site: &Site, body: &str) -> Value {
    site.post("/stream/keys/rotate", body).await.result()
}

/// The `kid` of a token that is issued now.
async fn signer(site: &Site) -> String {
    let token = site.token("").await.token();
    UnverifiedToken::parse(&token).unwrap().key_id().to_string()
}

async fn listed(site: &Site) -> Vec<Value> {
    let mut keys = site.get("/stream/keys?managed=true").await.result().as_array().unwrap().clone();
    keys.sort_by_key(|key| text(&key["signsFrom"]).to_owned());
    keys
}

async fn key_set(site: &Site) -> usize {
    let set: Value = serde_json::from_str(&site.get("/.well-known/jwks.json").await.body).unwrap();
    set["keys"].as_array().unwrap().len()
}

async fn check_states(site: &Site, expected: &[(&str, &str)]) {
    let listed = listed(site).await;
    let states: Vec<_> = listed.iter().map(|key| (text(&key["id"]), text(&key["state"]))).collect();
    assert_eq!(states, expected);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
