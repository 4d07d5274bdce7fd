//! What an API token may do.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use insta::assert_snapshot;
use vidpass_store::{Scope, Scopes};

use crate::callers::{documented, own};
use crate::site::{ACCOUNT, API_KEY, Answer, EMAIL, Site, VIDEO};

/// Every operation, asked by a caller of each single scope, and what it needs.
#[tokio::test]
async fn an_operation_is_for_callers_of_its_scope_alone() {
    let site = Site::with_video().await;
    let mut expected: Vec<(&str, &str, Option<Scope>)> = vec![
        ("GET", "/tokens/verify", None),
        ("GET", "/audit_logs", Some(Scope::AuditRead)),
        ("GET", "/stream", Some(Scope::VideosRead)),
        ("POST", "/stream/keys", Some(Scope::KeysWrite)),
        ("GET", "/stream/keys", Some(Scope::KeysRead)),
        ("POST", "/stream/keys/rotate", Some(Scope::KeysWrite)),
        ("DELETE", "/stream/keys/{identifier}", Some(Scope::KeysWrite)),
        ("POST", "/stream/revocations", Some(Scope::RevocationsWrite)),
        ("GET", "/stream/revocations", Some(Scope::RevocationsRead)),
        ("DELETE", "/stream/revocations/{identifier}", Some(Scope::RevocationsWrite)),
        ("PUT", "/stream/{identifier}", Some(Scope::VideosWrite)),
        ("GET", "/stream/{identifier}", Some(Scope::VideosRead)),
        ("POST", "/stream/{identifier}", Some(Scope::VideosWrite)),
        ("DELETE", "/stream/{identifier}", Some(Scope::VideosWrite)),
        ("GET", "/stream/{identifier}/downloads", Some(Scope::VideosRead)),
        ("POST", "/stream/{identifier}/downloads", Some(Scope::VideosWrite)),
        ("DELETE", "/stream/{identifier}/downloads", Some(Scope::VideosWrite)),
        ("GET", "/stream/{identifier}/embed", Some(Scope::VideosRead)),
        ("POST", "/stream/{identifier}/token", Some(Scope::TokensIssue)),
        ("POST", "/stream/tokens/batch", Some(Scope::TokensIssue)),
        ("POST", "/stream/tokens/inspect", Some(Scope::TokensInspect)),
    ];
    let mut callers = Vec::new();
    for scope in Scope::ALL {
        callers.push((scope, site.token_with(Scopes::Only([scope].into()), None).await));
    }
    for (method, path) in documented() {
        let Some(below) = path.strip_prefix("/client/v4/accounts/{account_id}") else { continue };
        if below == "/.well-known/jwks.json" {
            continue;
        }
        let index = expected.iter().position(|(m, p, _)| *m == method && *p == below);
        let (_, _, needed) = expected.swap_remove(index.unwrap_or_else(|| panic!("{method} {path} has no line here")));
        for (scope, secret) in &callers {
            let answer = send(&site, &method, below, secret).await;
            let refused = answer.status == 403;
            assert_eq!(refused, needed.is_some_and(|needed| needed != *scope), "{method} {path} {scope}");
            if refused {
                let message = format!("the API token lacks the scope `{}`", needed.unwrap());
                assert_eq!(answer.refusal(), format!("403\n10000 scope_missing  | {message}"), "{method} {path}");
            }
        }
    }
    assert_eq!(expected, [], "these are not documented");
}

#[tokio::test]
async fn no_scope_opens_another_account_and_an_api_key_has_all() {
    let site = Site::with_video().await;
    let none = site.token_with(Scopes::Only(BTreeSet::new()), None).await;
    assert_snapshot!(send(&site, "GET", "/stream", &none).await.refusal(), @"
    403
    10000 scope_missing  | the API token lacks the scope `videos:read`
    ");
    site.other_account("other").await;
    let foreign = Request::get("/client/v4/accounts/other/stream").header("authorization", format!("Bearer {none}"));
    assert_eq!(site.send(foreign.body(Body::empty()).unwrap()).await.reasons(), ["account_foreign"]);
    let key = Request::get(own("/stream")).header("x-auth-email", EMAIL).header("x-auth-key", API_KEY);
    assert_eq!(site.send(key.body(Body::empty()).unwrap()).await.status, 200);
}

async fn send(site: &Site, method: &str, below: &str, secret: &str) -> Answer {
    let uri = own(&below.replace("{identifier}", VIDEO));
    assert!(uri.contains(ACCOUNT));
    let request = Request::builder().method(method).uri(uri).header("authorization", format!("Bearer {secret}"));
    site.send(request.body(Body::empty()).unwrap()).await
}
