//! Signing keys: made, listed, deleted.

use serde_json::{Value, json};
use vidpass_token::{Algorithm, SigningKey};

use crate::site::{ACCOUNT, NOW, Site, VIDEO};

#[tokio::test]
async fn a_key_is_shown_once_and_only_its_public_half_is_kept() {
    let site = Site::start().await;
    let created = site.post("/stream/keys", "{}").await.result();
    let members: Vec<&String> = created.as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "pem", "jwk", "created"]);
    assert_eq!(created["created"], "2027-01-15T08:00:00Z");
    let id = text(&created["id"]);
    assert_eq!(id.len(), 32);

    let from_pem = SigningKey::from_pem(id.parse().unwrap(), text(&created["pem"])).unwrap();
    let from_jwk = SigningKey::from_jwk(None, text(&created["jwk"])).unwrap();
    assert_eq!(from_pem.public(), from_jwk.public());
    assert_eq!(from_jwk.id().as_str(), id);

    let listed = site.get("/stream/keys").await;
    assert_eq!(listed.result(), json!([{ "id": id, "key_id": id, "created": "2027-01-15T08:00:00Z" }]));
    let kept = site.store.signing_key(&ACCOUNT.parse().unwrap(), &id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((kept.public, kept.managed), (from_pem.public().clone(), false));

    let body = json!({ "id": id, "pem": created["pem"] }).to_string();
    let answer = site.token(&body).await;
    assert_eq!(answer.reasons(), ["video_not_registered"]);
    vidpass_token::UnverifiedToken::parse(&answer.token()).unwrap().verify(from_pem.public()).unwrap();
}

#[tokio::test]
async fn any_body_makes_a_key() {
    let site = Site::start().await;
    for body in ["", "{}", "not json"] {
        assert!(site.post("/stream/keys", body).await.result()["pem"].is_string());
    }
    let keys = site.get("/stream/keys").await.result();
    assert_eq!(keys.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_key_is_deleted_and_deleted_again() {
    let site = Site::start().await;
    let id = text(&site.post("/stream/keys", "").await.result()["id"]).to_owned();
    let deleted = site.delete(&format!("/stream/keys/{id}")).await;
    assert_eq!(deleted.exact(), r#"200 {"result":"Revoked","success":true,"errors":[],"messages":[]}"#);
    assert_eq!(site.delete(&format!("/stream/keys/{id}")).await.result(), "Revoked");
    assert_eq!(site.get("/stream/keys").await.result(), json!([]));
    assert_eq!(
        site.delete("/stream/keys/never").await.exact(),
        r#"404 {"result":null,"success":false,"errors":[{"code":10003,"message":"the account has no such signing key","documentation_url":"https://vidpass.test/docs/errors#key_unknown","reason":"key_unknown"}],"messages":[]}"#
    );
    let long = format!("/stream/keys/{}", "k".repeat(65));
    assert_eq!(site.delete(&long).await.reasons(), ["identifier_invalid"]);
}

#[tokio::test]
async fn the_managed_key_is_not_listed() {
    let site = Site::start().await;
    site.post(&format!("/stream/{VIDEO}/token"), "").await.token();
    assert_eq!(site.get("/stream/keys").await.exact(), r#"200 {"result":[],"success":true,"errors":[],"messages":[]}"#);
}

#[tokio::test]
async fn a_key_of_another_account_is_unknown() {
    let site = Site::start().await;
    site.other_account("other").await;
    let key = SigningKey::generate(Algorithm::Rs256, "theirs".parse().unwrap()).unwrap();
    let other = "other".parse().unwrap();
    site.store.add_signing_key(&other, key.public(), "theirs".parse().unwrap(), NOW).await.unwrap();
    assert_eq!(site.delete("/stream/keys/theirs").await.reasons(), ["key_unknown"]);
    assert!(site.store.signing_key(&other, &"theirs".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn an_account_has_a_thousand_keys_at_most() {
    let site = Site::start().await;
    let key = SigningKey::generate(Algorithm::Rs256, "k".parse().unwrap()).unwrap();
    let account = ACCOUNT.parse().unwrap();
    for n in 0..1000 {
        site.store.add_signing_key(&account, key.public(), format!("key-{n}").parse().unwrap(), NOW).await.unwrap();
    }
    assert_eq!(
        site.post("/stream/keys", "").await.exact(),
        r#"400 {"result":null,"success":false,"errors":[{"code":10005,"message":"the account has as many signing keys as it may have (1000); delete one first","documentation_url":"https://vidpass.test/docs/errors#keys_too_many","reason":"keys_too_many"}],"messages":[]}"#
    );
    assert_eq!(site.post(&format!("/stream/{VIDEO}/token"), "").await.status, 200, "the managed key is not counted");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
