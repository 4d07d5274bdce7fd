//! Issuing tokens: what is signed, and every way in which a request is refused.

use std::sync::LazyLock;

use axum::body::Body;
use insta::assert_snapshot;
use serde_json::{Value, json};
use vidpass_token::{Algorithm, KeyId, SigningKey};

use crate::site::{ACCOUNT, NOW, Site, VIDEO, payload, verified};

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, "own-key".parse().unwrap()).unwrap());
static OTHER_KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, KeyId::random()).unwrap());

#[tokio::test]
async fn no_body_an_empty_one_and_an_empty_object_ask_for_the_defaults() {
    let site = Site::with_video().await;
    let path = format!("/stream/{VIDEO}/token");
    let bare = |builder: http::request::Builder| builder.body(Body::empty()).unwrap();
    for request in [
        bare(site.request("POST", &path)),
        bare(site.request("POST", &path).header("content-type", "application/json").header("content-length", "0")),
        site.json("POST", &path, ""),
        site.json("POST", &path, " \r\n"),
        site.json("POST", &path, "{}"),
        site.request("POST", &path).body(Body::from("{}")).unwrap(),
    ] {
        let answer = site.send(request).await;
        let token = answer.token();
        assert_eq!(
            answer.body,
            format!(r#"{{"result":{{"token":"{token}"}},"success":true,"errors":[],"messages":[]}}"#)
        );
        let (payload, claims) = verified(&site, &token).await;
        let expected = json!({
            "sub": VIDEO, "kid": claims.key_id().as_str(), "exp": NOW.0 + 3600, "nbf": NOW.0 - 3600, "iat": NOW.0,
            "jti": claims.token_id().unwrap().as_str(),
        });
        assert_eq!(payload, expected);
        assert_eq!(claims.token_id().unwrap().as_str().len(), 32);
    }
}

#[tokio::test]
async fn every_field() {
    let site = Site::with_video().await;
    let body = json!({
        "exp": NOW.0 + 86_400,
        "nbf": NOW.0 + 10,
        "downloadable": true,
        "accessRules": [
            { "type": "ip.geoip.country", "action": "block", "country": ["us", "MX"] },
            { "type": "ip.src", "action": "allow", "ip": ["93.184.216.7/24", "2400:cb00::/32"] },
            { "type": "any", "action": "block" },
        ],
        "flags": { "original": true },
    });
    let answer = site.token(&body.to_string()).await;
    assert_eq!(answer.envelope()["messages"], json!([]));
    let (payload, claims) = verified(&site, &answer.token()).await;
    let expected = json!({
        "sub": VIDEO, "kid": claims.key_id().as_str(), "exp": NOW.0 + 86_400, "nbf": NOW.0 + 10, "iat": NOW.0,
        "jti": claims.token_id().unwrap().as_str(),
        "downloadable": true,
        "accessRules": [
            { "type": "ip.geoip.country", "action": "block", "country": ["US", "MX"] },
            { "type": "ip.src", "action": "allow", "ip": ["93.184.216.0/24", "2400:cb00::/32"] },
            { "type": "any", "action": "block" },
        ],
        "flags": { "original": true },
    });
    assert_eq!(payload, expected);
}

#[tokio::test]
async fn a_key_of_the_caller_signs_and_is_not_kept() {
    let site = Site::with_video().await;
    for pem in [KEY.to_pem_base64(), KEY.to_pem()] {
        let answer = site.token(&with_key("own-key", &pem)).await;
        assert_eq!(answer.reasons(), ["key_not_registered"]);
        let token = answer.token();
        vidpass_token::UnverifiedToken::parse(&token).unwrap().verify(KEY.public()).unwrap();
        assert_eq!(payload(&token)["kid"], "own-key");
    }
    let account = ACCOUNT.parse().unwrap();
    assert_eq!(site.store.list_signing_keys(&account).await.unwrap(), []);
    site.store.add_signing_key(&account, KEY.public(), "own-key".parse().unwrap(), NOW).await.unwrap();
    assert_eq!(site.token(&with_key("own-key", &KEY.to_pem_base64())).await.reasons(), Vec::<String>::new());
}

#[tokio::test]
async fn notes_say_what_will_not_work_here() {
    let site = Site::start().await;
    let body = json!({
        "id": "own-key", "pem": *KEY.to_pem_base64(),
        "accessRules": [{ "type": "ip.src", "action": "allow", "ip": ["192.0.2.7"] }],
    });
    let answer = site.token(&body.to_string()).await;
    assert_eq!(answer.status, 200);
    assert_snapshot!(serde_json::to_string_pretty(&answer.envelope()["messages"]).unwrap(), @r#"
    [
      {
        "code": 10100,
        "message": "no video `ea95132c15732412d22c1476fa83f27a` is registered here, so this gate refuses the token until it is",
        "documentation_url": "https://vidpass.test/docs/errors#video_not_registered",
        "reason": "video_not_registered"
      },
      {
        "code": 10100,
        "message": "accessRules: these rules let everybody in, because a viewer whom no rule matches is let in; end with a rule of type `any` and action `block`",
        "documentation_url": "https://vidpass.test/docs/errors#rules_restrict_nobody",
        "source": {
          "pointer": "/accessRules"
        },
        "reason": "rules_restrict_nobody"
      },
      {
        "code": 10100,
        "message": "no key `own-key` is registered here, so this gate refuses the token; another verifier may know the key",
        "documentation_url": "https://vidpass.test/docs/errors#key_not_registered",
        "source": {
          "pointer": "/id"
        },
        "reason": "key_not_registered"
      }
    ]
    "#);
}

#[tokio::test]
async fn times_are_refused() {
    let site = Site::with_video().await;
    assert_snapshot!(site.token(r#"{"exp":1800086401}"#).await.refusal(), @"
    400
    10005 exp_too_far /exp | exp: the token would live too long; the latest `exp` is 1800086400
    ");
    assert_snapshot!(site.token(r#"{"exp":1800000100,"nbf":1800000200}"#).await.refusal(), @"
    400
    10005 exp_not_after_nbf /exp | exp: the token would be over before it begins: `exp` 1800000100 must be after `nbf` 1800000200
    ");
    assert_snapshot!(site.token(r#"{"exp":"1800000100"}"#).await.refusal(), @"
    400
    10005 time_not_seconds /exp | exp: must be an integer of Unix seconds, not a string
    ");
    assert_snapshot!(site.token(r#"{"exp":1799999999}"#).await.refusal(), @"
    400
    10005 exp_in_past /exp | exp: the token would be over already: 1799999999 is 1 s ago
    ");
}

#[tokio::test]
async fn half_a_key_and_broken_keys_are_refused() {
    let site = Site::with_video().await;
    assert_snapshot!(site.token(r#"{"id":"own-key"}"#).await.refusal(), @"
    400
    10005 pem_missing /pem | pem: `id` and `pem` come together, and `pem` is missing
    ");
    assert_snapshot!(site.token(&json!({ "pem": *KEY.to_pem_base64() }).to_string()).await.refusal(), @"
    400
    10005 id_missing /id | id: `id` and `pem` come together, and `id` is missing
    ");
    assert_snapshot!(site.token(&with_key("own-key", "bm90IGEga2V5")).await.refusal(), @"
    400
    10005 pem_invalid /pem | pem: not a key that can be used: not a PEM text, nor one in base64
    ");
    assert_snapshot!(site.token(&with_key("own-key", &KEY.public().to_pem())).await.refusal(), @"
    400
    10005 pem_invalid /pem | pem: not a key that can be used: a PEM block `PUBLIC KEY` cannot be used here; give a private key, PKCS#8, PKCS#1 or SEC 1, without a passphrase
    ");
}

#[tokio::test]
async fn the_pem_of_another_key_is_refused() {
    let site = Site::with_video().await;
    let account = ACCOUNT.parse().unwrap();
    site.store.add_signing_key(&account, KEY.public(), "own-key".parse().unwrap(), NOW).await.unwrap();
    assert_snapshot!(site.token(&with_key("own-key", &OTHER_KEY.to_pem_base64())).await.refusal(), @"
    400
    10005 key_mismatch /pem | pem: the key in `pem` is not the one that is registered as `own-key`
    ");
}

#[tokio::test]
async fn a_deleted_key_signs_nothing_more() {
    let site = Site::with_video().await;
    let account = ACCOUNT.parse().unwrap();
    site.store.add_signing_key(&account, KEY.public(), "own-key".parse().unwrap(), NOW).await.unwrap();
    assert_eq!(site.delete("/stream/keys/own-key").await.status, 200);
    assert_snapshot!(site.token(&with_key("own-key", &KEY.to_pem_base64())).await.refusal(), @"
    400
    10005 key_deleted /id | id: key `own-key` was deleted, so its tokens are refused
    ");
}

#[tokio::test]
async fn a_key_of_another_account_is_an_unknown_one() {
    let site = Site::with_video().await;
    site.other_account("other").await;
    let other = "other".parse().unwrap();
    site.store.add_signing_key(&other, KEY.public(), "own-key".parse().unwrap(), NOW).await.unwrap();
    let of_other = site.token(&with_key("own-key", &OTHER_KEY.to_pem_base64())).await;
    let of_nobody = site.token(&with_key("nobodys", &OTHER_KEY.to_pem_base64())).await;
    assert_eq!(of_other.reasons(), ["key_not_registered"]);
    assert_eq!(of_nobody.reasons(), ["key_not_registered"]);
}

#[tokio::test]
async fn rules_are_refused() {
    let site = Site::with_video().await;
    let rule = r#"{"type":"any","action":"allow"}"#;
    assert_snapshot!(site.token(&format!(r#"{{"accessRules":[{}]}}"#, [rule; 6].join(","))).await.refusal(), @"
    400
    10005 rules_too_many /accessRules | accessRules: there are 6 rules; a token may have at most 5
    ");
    let cidr = r#"{"accessRules":[{"type":"ip.src","action":"allow","ip":["10.0.0.0/8","10.0.0.0/99"]}]}"#;
    assert_snapshot!(site.token(cidr).await.refusal(), @"
    400
    10005 rule_ip_invalid /accessRules/0/ip/1 | accessRules/0/ip/1: `10.0.0.0/99` is not an IP address or network (such as `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`)
    ");
    let country = r#"{"accessRules":[{"type":"ip.geoip.country","action":"block","country":["USA"]}]}"#;
    assert_snapshot!(site.token(country).await.refusal(), @"
    400
    10005 rule_country_invalid /accessRules/0/country/0 | accessRules/0/country/0: `USA` is not a country code of ISO 3166-1 (two letters, such as `SE`)
    ");
    assert_snapshot!(site.token(r#"{"accessRules":{"type":"any","action":"block"}}"#).await.refusal(), @"
    400
    10005 rule_wrong_type /accessRules | accessRules: must be an array of rules, not an object
    ");
    assert_snapshot!(site.token(r#"{"accessRules":[{"type":"ip","action":"deny"}]}"#).await.refusal(), @"
    400
    10005 rule_action_unknown /accessRules/0/action | accessRules/0/action: `deny` is not an action; use `allow` or `block`
    10005 rule_type_unknown /accessRules/0/type | accessRules/0/type: `ip` is not a type of rule; use `any`, `ip.src` or `ip.geoip.country`
    ");
    assert_snapshot!(site.token(r#"{"accessRules":[{"type":"ip.src","action":"block","ip":[]}]}"#).await.refusal(), @"
    400
    10005 rule_list_empty /accessRules/0/ip | accessRules/0/ip: an empty list matches nobody; name at least one address or network
    ");
    assert_eq!(site.token(&format!(r#"{{"accessRules":[{}]}}"#, [rule; 5].join(","))).await.status, 200);
    assert_eq!(site.token(r#"{"accessRules":[]}"#).await.reasons(), Vec::<String>::new());
}

#[tokio::test]
async fn a_misspelt_field_is_refused() {
    let site = Site::with_video().await;
    assert_snapshot!(site.token(r#"{"accesRules":[{"type":"any","action":"block"}]}"#).await.refusal(), @"
    400
    10005 member_unknown /accesRules | accesRules: there is no such member; did you mean `accessRules`?
    ");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let site = Site::with_video().await;
    let path = format!("/stream/{VIDEO}/token");
    let large = format!(r#"{{"id":"{}"}}"#, "x".repeat(64 * 1024));
    assert_snapshot!(site.token(&large).await.refusal(), @"
    413
    10005 body_too_large  | the body has more than 65536 bytes
    ");
    let chunked = site.request("POST", &path).body(in_chunks(&large)).unwrap();
    assert_eq!(site.send(chunked).await.reasons(), ["body_too_large"]);
    assert_snapshot!(site.token("{\"exp\": 1800000100,\n nonsense}").await.refusal(), @"
    400
    10005 body_not_json  | the body cannot be read as JSON: line 2, column 2: key must be a string
    ");
    assert_snapshot!(site.token(r#"{"exp":1800000100,"exp":1800000200}"#).await.refusal(), @"
    400
    10005 body_not_json  | the body cannot be read as JSON: line 1, column 23: an object has two members of one name
    ");
    let form = site.request("POST", &path).header("content-type", "application/x-www-form-urlencoded");
    assert_snapshot!(site.send(form.body(Body::from("exp=1800000100")).unwrap()).await.refusal(), @"
    415
    10005 content_type_unsupported  | a body must be JSON and say so: `Content-Type: application/json`
    ");
    let form = site.request("POST", &path).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(site.send(form.body(Body::empty()).unwrap()).await.status, 200);
    assert_eq!(site.token(&format!("{}{{}}", " ".repeat(64 * 1024 - 2))).await.status, 200);
}

#[tokio::test]
async fn an_identifier_is_short_and_plain() {
    let site = Site::start().await;
    let long = site.post(&format!("/stream/{VIDEO}0/token"), "{}").await;
    assert_snapshot!(long.refusal(), @"
    400
    10005 identifier_invalid  | the identifier in the path is not one: it has 33 characters, more than 32
    ");
    assert_snapshot!(site.post("/stream/..%2Fetc/token", "{}").await.refusal(), @"
    400
    10005 identifier_invalid  | the identifier in the path is not one: `.` at position 0 is not allowed; use letters, digits, `_` and `-`
    ");
    assert_snapshot!(site.post("/stream/%FF/token", "{}").await.refusal(), @"
    400
    10005 identifier_invalid  | an identifier in the path is not UTF-8
    ");
}

#[tokio::test]
async fn a_token_that_no_gate_would_read_is_refused() {
    let site = Site::with_video().await;
    let networks: Vec<String> = (0..255).map(|n| format!("2001:db8:{n}::/48")).collect();
    let body = json!({ "accessRules": [{ "type": "ip.src", "action": "allow", "ip": networks }] });
    let answer = site.token(&body.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.reasons()), (400, vec!["token_too_long".to_owned()]), "{}", answer.body);
    assert_eq!(answer.envelope()["errors"][0]["source"]["pointer"], "/accessRules");
}

#[tokio::test]
async fn the_managed_key_is_made_once_and_again_after_it_was_deleted() {
    let site = Site::with_video().await;
    let many = (0..8).map(|_| site.token("{}"));
    let tokens: Vec<String> =
        futures_util::future::join_all(many).await.iter().map(crate::site::Answer::token).collect();
    let kids: std::collections::BTreeSet<String> = tokens.iter().map(|token| kid(token)).collect();
    assert_eq!(kids.len(), 1, "one key for all first requests");
    let first = kids.into_iter().next().unwrap();
    assert_eq!(site.get("/stream/keys").await.result(), json!([]));
    assert_eq!(site.delete(&format!("/stream/keys/{first}")).await.result(), "Revoked");
    let second = kid(&site.token("{}").await.token());
    assert_ne!(first, second);
    assert_eq!(kid(&site.token("{}").await.token()), second);
}

#[tokio::test]
async fn a_claim_follows_the_clock() {
    let site = Site::with_video().await;
    site.set_now(NOW.0 + 500);
    assert_eq!(payload(&site.token("{}").await.token())["iat"], NOW.0 + 500);
}

#[tokio::test]
async fn nothing_of_a_private_key_is_repeated() {
    let site = Site::with_video().await;
    let pem = KEY.to_pem_base64();
    let broken = pem.replace('A', "B");
    let bodies = [
        with_key("own key", &pem),
        with_key("own-key", &broken),
        json!({ "id": "own-key", "pem": { "text": *pem } }).to_string(),
        json!({ "id": "own-key", "peM": *pem }).to_string(),
        format!("{} x", with_key("own-key", &pem)),
    ];
    for body in bodies {
        let answer = site.token(&body).await;
        assert_eq!(answer.status, 400);
        let windows =
            |text: &str| text.as_bytes().windows(12).map(<[u8]>::to_vec).collect::<std::collections::HashSet<_>>();
        assert!(windows(&answer.body).is_disjoint(&windows(&pem)), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_all_at_once() {
    let site = Site::with_video().await;
    let answer = site.token(r#"{"exp":"x","id":"k","downloadable":1,"accessRules":[{"type":"any"}],"flag":{}}"#).await;
    assert_eq!(
        answer.reasons(),
        ["member_unknown", "pem_missing", "time_not_seconds", "member_wrong_type", "rule_member_missing"]
    );
    let pointers: Vec<Value> =
        answer.envelope()["errors"].as_array().unwrap().iter().map(|e| e["source"]["pointer"].clone()).collect();
    assert_eq!(pointers, ["/flag", "/pem", "/exp", "/downloadable", "/accessRules/0/action"]);
}

fn with_key(id: &str, pem: &str) -> String {
    json!({ "id": id, "pem": pem }).to_string()
}

fn kid(token: &str) -> String {
    payload(token)["kid"].as_str().map(str::to_owned).unwrap()
}

/// A body that does not say how long it is.
fn in_chunks(text: &str) -> Body {
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> =
        text.as_bytes().chunks(1000).map(|chunk| Ok(chunk.to_vec())).collect();
    Body::from_stream(futures_util::stream::iter(chunks))
}
