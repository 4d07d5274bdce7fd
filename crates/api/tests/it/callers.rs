//! Who may call what.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use insta::assert_snapshot;
use serde_json::Value;
use vidpass_store::Scopes;
use vidpass_token::UnixTime;

use crate::site::{ACCOUNT, API_KEY, Answer, EMAIL, NOW, Site, VIDEO};

#[tokio::test]
async fn both_kinds_of_credentials_are_good() {
    let site = Site::with_video().await;
    let token = format!("Bearer {}", site.api_token);
    for headers in [
        vec![("authorization", token.as_str())],
        vec![("x-auth-email", EMAIL), ("x-auth-key", API_KEY)],
        vec![("x-auth-email", "USER@example.com"), ("x-auth-key", API_KEY)],
        vec![("authorization", token.as_str()), ("x-auth-email", "nobody"), ("x-auth-key", "none")],
    ] {
        assert_eq!(call(&site, &own("/stream/keys"), &headers).await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn none_wrong_and_foreign_credentials() {
    let site = Site::with_video().await;
    let token = own(&format!("/stream/{VIDEO}/token"));
    assert_snapshot!(post(&site, &token, &[]).await.refusal(), @"
    401
    10000 credentials_missing  | credentials are missing; use `Authorization: Bearer <API token>`, or `X-Auth-Email` and `X-Auth-Key`
    ");
    let wrong = format!("{}x", &site.api_token[..site.api_token.len() - 1]);
    assert_snapshot!(post(&site, &token, &[("authorization", &format!("Bearer {wrong}"))]).await.refusal(), @"
    401
    10000 credentials_wrong  | nobody has these credentials
    ");
    assert_snapshot!(post(&site, &token, &[("authorization", "Basic abc")]).await.refusal(), @"
    401
    10000 credentials_malformed  | the credentials cannot be read; use `Authorization: Bearer <API token>`, or `X-Auth-Email` and `X-Auth-Key`
    ");
    let other = format!("Bearer {}", site.other_account("other").await);
    assert_snapshot!(post(&site, &token, &[("authorization", &other)]).await.refusal(), @"
    403
    10000 account_foreign  | these credentials are not for this account
    ");
    for headers in [
        vec![("x-auth-email", EMAIL), ("x-auth-key", "00000000000000000000000000000000")],
        vec![("x-auth-email", "other@example.com"), ("x-auth-key", API_KEY)],
        vec![("authorization", "Bearer vpt_0000000000000000_x")],
    ] {
        let answer = post(&site, &token, &headers).await;
        assert_eq!((answer.status.as_u16(), answer.reasons()), (401, vec!["credentials_wrong".to_owned()]));
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert_eq!(answer.headers["x-should-retry"], "false");
    }
    let in_query = format!("{token}?api_token={}", site.api_token);
    assert_eq!(post(&site, &in_query, &[]).await.reasons(), ["credentials_missing"]);
}

/// Every operation on an account, asked by a caller of another one.
#[tokio::test]
async fn no_operation_is_open_to_another_account() {
    let site = Site::with_video().await;
    let other = format!("Bearer {}", site.other_account("other").await);
    let mine = format!("Bearer {}", site.api_token);
    let mut tried = 0;
    // Public keys are everybody's.
    let public = |path: &str| path.ends_with("/.well-known/jwks.json");
    for (method, path) in documented().into_iter().filter(|(_, path)| path.contains("{account_id}") && !public(path)) {
        for (account, caller) in [
            (ACCOUNT, &other),
            ("other", &mine),
            ("nobody", &mine),
            ("023e105f4ecef8ad9ca31a8372d0c3530", &mine),
            ("%20", &mine),
            (&ACCOUNT.to_uppercase(), &mine),
        ] {
            let uri = path.replace("{account_id}", account).replace("{identifier}", VIDEO);
            let headers = [("authorization", caller.as_str()), ("content-type", "application/json")];
            let answer = send(&site, &method, &uri, &headers).await;
            assert_eq!(
                (answer.status.as_u16(), answer.reasons()),
                (403, vec!["account_foreign".to_owned()]),
                "{method} {uri}"
            );
            tried += 1;
        }
        let uri = path.replace("{account_id}", ACCOUNT).replace("{identifier}", VIDEO);
        assert_eq!(send(&site, &method, &uri, &[]).await.reasons(), ["credentials_missing"], "{method} {uri}");
    }
    assert_eq!(tried, 21 * 6);
    assert_eq!(site.get("/stream").await.result().as_array().unwrap().len(), 1, "nothing was deleted");
}

#[tokio::test]
async fn a_deleted_credential_and_a_deleted_account_are_refused() {
    let site = Site::start().await;
    let account = "other".parse().unwrap();
    let secret = format!("Bearer {}", site.other_account("other").await);
    let keys = "/client/v4/accounts/other/stream/keys";
    assert_eq!(call(&site, keys, &[("authorization", &secret)]).await.status, 200);
    let id = site.store.list_credentials(&account).await.unwrap()[0].id.clone();
    site.store.delete_credential(&account, &id, NOW).await.unwrap();
    assert_eq!(call(&site, keys, &[("authorization", &secret)]).await.reasons(), ["credentials_wrong"]);
}

#[tokio::test]
async fn credentials_are_verified() {
    let site = Site::start().await;
    let authorization = format!("Bearer {}", site.api_token);
    let id = &site.api_token[4..20];
    let expected = format!(
        r#"200 {{"result":{{"id":"{id}","status":"active"}},"success":true,"errors":[],"messages":[{{"code":10000,"message":"This API Token is valid and active","documentation_url":"https://vidpass.test/docs/errors#credential_active","reason":"credential_active"}}]}}"#
    );
    for path in ["/client/v4/user/tokens/verify", &own("/tokens/verify")] {
        assert_eq!(call(&site, path, &[("authorization", &authorization)]).await.exact(), expected);
        assert_eq!(call(&site, path, &[]).await.status, 401);
        let key = call(&site, path, &[("x-auth-email", EMAIL), ("x-auth-key", API_KEY)]).await;
        assert_eq!(key.result()["status"], "active");
        let limited = site.token_with(Scopes::Only(BTreeSet::new()), Some(UnixTime(NOW.0 + 60))).await;
        let answer = call(&site, path, &[("authorization", &format!("Bearer {limited}"))]).await;
        assert_eq!(answer.result()["expires_on"], "2027-01-15T08:01:00Z");
    }
}

#[tokio::test]
async fn expired_credentials_are_told_so_to_their_holder() {
    let site = Site::start().await;
    let secret = site.token_with(Scopes::All, Some(UnixTime(NOW.0 + 60))).await;
    let keys = own("/stream/keys");
    let bearer = format!("Bearer {secret}");
    assert_eq!(call(&site, &keys, &[("authorization", &bearer)]).await.status, 200);
    site.set_now(NOW.0 + 60);
    assert_snapshot!(call(&site, &keys, &[("authorization", &bearer)]).await.refusal(), @"
    401
    10000 credentials_expired  | these credentials expired at 2027-01-15T08:01:00Z
    ");
    let wrong = format!("{}x", &bearer[..bearer.len() - 1]);
    assert_eq!(call(&site, &keys, &[("authorization", &wrong)]).await.reasons(), ["credentials_wrong"]);
}

/// Every operation of the OpenAPI document: method and path.
pub(crate) fn documented() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&vidpass_api::openapi_json()).unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let path = path.clone();
        item.as_object().unwrap().clone().into_iter().map(move |(method, _)| (method.to_uppercase(), path.clone()))
    };
    document["paths"].as_object().unwrap().iter().flat_map(of_path).collect()
}

pub(crate) fn own(path: &str) -> String {
    format!("/client/v4/accounts/{ACCOUNT}{path}")
}

async fn call(site: &Site, uri: &str, headers: &[(&str, &str)]) -> Answer {
    send(site, "GET", uri, headers).await
}

async fn post(site: &Site, uri: &str, headers: &[(&str, &str)]) -> Answer {
    send(site, "POST", uri, headers).await
}

async fn send(site: &Site, method: &str, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(method).uri(uri);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    site.send(request.body(Body::empty()).unwrap()).await
}
