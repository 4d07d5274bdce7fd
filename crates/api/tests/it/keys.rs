//! Signing keys: made, listed, deleted.

use serde_json::{Value, json};
use vidpass_token::{Algorithm, SigningKey};

use crate::site::{ACCOUNT, NOW, Site, VIDEO};

#[tokio::test]
async fn a_key_is_shown_once_and_only_its_public_half_is_kept() {
    let site = Site::start().await;
    let created = site.post("/stream/keys", "{}").await.result();
    let members: Vec<&String> = created.as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "pem", "jwk", "created", "alg"]);
    assert_eq!(created["created"], "2027-01-15T08:00:00Z");
    let id = text(&created["id"]);
    assert_eq!(id.len(), 32);

    let from_pem = SigningKey::from_pem(id.parse().unwrap(), text(&created["pem"])).unwrap();
    let from_jwk = SigningKey::from_jwk(None, text(&created["jwk"])).unwrap();
    assert_eq!(from_pem.public(), from_jwk.public());
    assert_eq!(from_jwk.id().as_str(), id);

    let listed = site.get("/stream/keys").await;
    let expected = json!([{
        "id": id,
        "key_id": id,
        "created": "2027-01-15T08:00:00Z",
        "alg": "RS256",
        "managed": false,
        "state": "active",
        "tokensIssued": 0,
    }]);
    assert_eq!(listed.result(), expected);
    let kept = site.store.signing_key(&ACCOUNT.parse().unwrap(), &id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((kept.public.clone(), kept.is_managed()), (from_pem.public().clone(), false));

    let body = json!({ "id": id, "pem": created["pem"] }).to_string();
    let answer = site.token(&body).await;
    assert_eq!(answer.reasons(), ["video_not_registered"]);
    vidpass_token::UnverifiedToken::parse(&answer.token()).unwrap().verify(from_pem.public()).unwrap();
}

#[tokio::test]
async fn a_key_is_made_without_a_body() {
    let site = Site::start().await;
    for body in ["", "null", "{}"] {
        assert_eq!(site.post("/stream/keys", body).await.result()["alg"], "RS256");
    }
    let keys = site.get("/stream/keys").await.result();
    assert_eq!(keys.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_key_of_each_algorithm_is_made_and_signs() {
    let site = Site::start().await;
    for algorithm in Algorithm::ALL {
        let created = site.post("/stream/keys", &json!({ "alg": algorithm.name() }).to_string()).await.result();
        assert_eq!(created["alg"], algorithm.name());
        let key = SigningKey::from_jwk(None, text(&created["jwk"])).unwrap();
        assert_eq!((key.algorithm(), key.id().as_str()), (algorithm, text(&created["id"])));
        let body = json!({ "id": created["id"], "pem": created["pem"] }).to_string();
        let token = site.token(&body).await.token();
        vidpass_token::UnverifiedToken::parse(&token).unwrap().verify(key.public()).unwrap();
    }
}

#[tokio::test]
async fn a_key_is_brought_along_and_its_private_half_stays_away() {
    let site = Site::start().await;
    for (number, algorithm) in Algorithm::ALL.into_iter().enumerate() {
        let id = |form: &str| format!("own-{number}-{form}").parse::<vidpass_token::KeyId>().unwrap();
        let key = SigningKey::generate(algorithm, id("jwk")).unwrap();
        let public_jwk = key.public().to_jwk(&id("jwk")).to_string();
        for (form, body) in [
            ("public", json!({ "pem": key.public().to_pem() })),
            ("jwk", json!({ "jwk": public_jwk, "alg": algorithm.name() })),
            ("pair", json!({ "pem": &*key.to_pem() })),
            ("pair-jwk", json!({ "jwk": &*key.to_jwk_base64() })),
        ] {
            let mut body = body;
            body["id"] = json!(id(form).as_str());
            let answer = site.post("/stream/keys", &body.to_string()).await.result();
            let expected =
                json!({ "id": id(form).as_str(), "created": "2027-01-15T08:00:00Z", "alg": algorithm.name() });
            assert_eq!(answer, expected, "{form}");
            let kept = site.store.signing_key(&ACCOUNT.parse().unwrap(), &id(form)).await.unwrap().unwrap();
            assert_eq!((&kept.public, kept.is_managed()), (key.public(), false));
        }
    }
    let key = SigningKey::generate(Algorithm::Es256, "k".parse().unwrap()).unwrap();
    let answer = site.post("/stream/keys", &json!({ "pem": key.public().to_pem() }).to_string()).await.result();
    assert_eq!(text(&answer["id"]).len(), 32, "the server chooses an id");
}

#[tokio::test]
async fn keys_that_are_of_no_use_are_refused_with_a_reason_each() {
    let site = Site::start().await;
    let jwk = |key: &SigningKey| key.public().to_jwk(key.id()).to_string();
    let key = SigningKey::generate(Algorithm::Es256, "k1".parse().unwrap()).unwrap();
    let other = SigningKey::generate(Algorithm::Es256, "k2".parse().unwrap()).unwrap();
    site.post("/stream/keys", &json!({ "id": "k1", "jwk": jwk(&key) }).to_string()).await.result();
    // The private half of one key, and the public half of another.
    let mut mixed: Value = serde_json::from_str(&jwk(&key)).unwrap();
    let base64 = &other.to_jwk_base64();
    mixed["d"] = private_member(base64, "d");
    let published =
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }).to_string();
    let small_order = json!({ "kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43) }).to_string();
    for (body, reasons) in [
        (json!({ "alg": "HS256" }), vec!["alg_invalid"]),
        (json!({ "alg": 7 }), vec!["member_wrong_type"]),
        (json!({ "algorithm": "ES256" }), vec!["member_unknown"]),
        (json!([]), vec!["member_wrong_type"]),
        (json!({ "id": "k3" }), vec!["pem_missing"]),
        (json!({ "id": "k 3", "jwk": jwk(&other) }), vec!["key_id_invalid"]),
        (json!({ "id": "k1", "jwk": jwk(&other) }), vec!["key_id_taken"]),
        (json!({ "alg": "RS256", "jwk": jwk(&other) }), vec!["alg_mismatch"]),
        (json!({ "pem": key.public().to_pem(), "jwk": jwk(&key) }), vec!["jwk_invalid"]),
        (json!({ "pem": "no key" }), vec!["pem_invalid"]),
        (json!({ "jwk": "{}" }), vec!["jwk_invalid"]),
        (json!({ "jwk": mixed.to_string() }), vec!["key_inconsistent"]),
        (json!({ "jwk": jwk(&other).replace("k2", "https://k2") }), vec!["jwk_invalid"]),
        (json!({ "jwk": jwk(&other).replace("\"x\":\"", "\"x\":\"AAAA") }), vec!["jwk_invalid"]),
        (json!({ "jwk": published }), vec!["key_published"]),
        (json!({ "jwk": small_order }), vec!["key_weak"]),
        (json!({ "alg": "x", "id": "", "pem": "y" }), vec!["alg_invalid", "key_id_invalid", "pem_invalid"]),
    ] {
        assert_eq!(site.post("/stream/keys", &body.to_string()).await.reasons(), reasons, "{body}");
    }
    assert_eq!(site.post("/stream/keys", "not json").await.reasons(), ["body_not_json"]);
    assert_eq!(site.get("/stream/keys").await.result().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn everybody_may_have_the_public_keys() {
    let site = Site::start().await;
    let path = format!("/client/v4/accounts/{ACCOUNT}/.well-known/jwks.json");
    let get = |held: Option<&str>| {
        let request = http::Request::get(&path);
        let request = held.map_or(http::Request::get(&path), |held| request.header("if-none-match", held));
        site.send(request.body(axum::body::Body::empty()).unwrap())
    };
    let none = get(None).await;
    assert_eq!((none.status.as_u16(), none.body.as_str()), (200, r#"{"keys":[]}"#));
    for algorithm in Algorithm::ALL {
        site.post("/stream/keys", &json!({ "alg": algorithm.name() }).to_string()).await.result();
    }
    let token = site.token("").await.token();
    let answer = get(None).await;
    assert_eq!(answer.headers["content-type"], "application/jwk-set+json");
    assert_eq!(answer.headers["cache-control"], "public, max-age=60");
    let set: Value = serde_json::from_str(&answer.body).unwrap();
    let keys = set["keys"].as_array().unwrap();
    let mut kinds: Vec<&str> = keys.iter().map(|key| text(&key["alg"])).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["ES256", "EdDSA", "RS256", "RS256"], "the managed key is one of them");
    for secret in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(keys.iter().all(|key| key.get(secret).is_none()), "{secret}");
    }
    let unverified = vidpass_token::UnverifiedToken::parse(&token).unwrap();
    let managed = keys.iter().find(|key| text(&key["kid"]) == unverified.key_id().as_str()).unwrap();
    unverified.verify(&vidpass_token::PublicKey::from_jwk(&managed.to_string()).unwrap()).unwrap();

    let tag = answer.headers["etag"].to_str().unwrap();
    for held in [tag, "*", &format!("W/{tag}"), &format!("\"other\", {tag}")] {
        let unchanged = get(Some(held)).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.body.as_str()), (304, ""), "{held}");
        assert_eq!(
            (&unchanged.headers["etag"], &unchanged.headers["cache-control"]),
            (&tag.parse().unwrap(), &"public, max-age=60".parse().unwrap())
        );
    }
    for held in ["\"other\"", "other", ""] {
        assert_eq!(get(Some(held)).await.status, 200, "{held}");
    }
    for key in keys {
        site.delete(&format!("/stream/keys/{}", text(&key["kid"]))).await.result();
    }
    let gone = get(Some(tag)).await;
    assert_eq!((gone.status.as_u16(), gone.body.as_str()), (200, r#"{"keys":[]}"#), "a deleted key is in it no longer");
}

fn private_member(base64: &str, name: &str) -> Value {
    use base64::Engine as _;
    let json = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
    serde_json::from_slice::<Value>(&json).unwrap()[name].clone()
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
