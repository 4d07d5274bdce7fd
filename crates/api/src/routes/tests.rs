use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::Request;
use prometheus_client::registry::Registry;
use tower::ServiceExt as _;
use vidpass_store::{DatabaseUrl, MasterKey, Store};
use vidpass_token::UnixTime;

use super::*;
use crate::config::{ApiConfig, RateLimits, Readiness};
use crate::managed_key::KeyRing;
use crate::metrics::Metrics;
use crate::rate_limit::CallerLimits;
use crate::recent::Recent;

#[tokio::test]
async fn a_panic_is_an_answer_like_any_other_and_does_not_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("vidpass.db"));
    let api = Api {
        store: Store::create_or_open(&url, &MasterKey::generate().unwrap()).await.unwrap(),
        config: Arc::new(ApiConfig::new("https://vidpass.test".parse().unwrap())),
        callers: Arc::new(Recent::new()),
        videos: Arc::new(Recent::new()),
        limits: Arc::new(CallerLimits::new(&RateLimits::default())),
        keys: Arc::new(KeyRing::new()),
        key_sets: Arc::new(crate::ops::keys::jwks::KeySets::new()),
        metrics: Metrics::register(&mut Registry::default()),
        ready: Readiness::new(|| None),
        clock: Arc::new(|| UnixTime(0)),
        snapshots: Arc::new(tokio::sync::Semaphore::new(1)),
        turns: Arc::new(tokio::sync::Semaphore::new(1)),
    };
    let panics = get(async || -> Response { panic!("s3cret") });
    let router = wrapped(Router::new().route("/", operation("get_panic", Needs::Nothing, panics)), api);
    let answer = router.oneshot(Request::builder().body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["x-request-id"].len(), 32);
    let body = to_bytes(answer.into_body(), 4096).await.unwrap();
    assert_eq!(
        std::str::from_utf8(&body).unwrap(),
        r#"{"result":null,"success":false,"errors":[{"code":10001,"message":"the server failed; its log says why, under the id in `x-request-id`","documentation_url":"https://vidpass.test/docs/errors#internal_error","reason":"internal_error"}],"messages":[]}"#
    );
}
