use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::{Method, Request};
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use vidpass_store::{DatabaseUrl, MasterKey, NewAccount, NewApiToken, Store};
use vidpass_token::{Algorithm, Claims, KeyId, SigningKey, UnixTime};

use super::*;
use crate::caller::Needs;
use crate::config::{ApiConfig, Batching, RateLimits, Readiness};
use crate::managed_key::KeyRing;
use crate::metrics::{Metrics, SignerMetrics};
use crate::rate_limit::CallerLimits;
use crate::recent::Recent;
use crate::signer::Signer;
use crate::state::Parts;

#[tokio::test]
async fn a_panic_is_an_answer_like_any_other_and_does_not_say_why() {
    let site = Site::new(Signer::start(Batching::Auto, &mut Registry::default())).await;
    let panics = async || -> Response { panic!("s3cret") };
    let panics = Route::new(Method::GET, "/", "get_panic", Needs::Nothing, panics);
    let routes = Arc::new(Routes::new([panics]));
    let answer = ApiService { routes, api: site.api }.handle(Request::builder().body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["x-request-id"].len(), 32);
    let body = to_bytes(answer.into_body(), 4096).await.unwrap();
    assert_eq!(
        std::str::from_utf8(&body).unwrap(),
        r#"{"result":null,"success":false,"errors":[{"code":10001,"message":"the server failed; its log says why, under the id in `x-request-id`","documentation_url":"https://vidpass.test/docs/errors#internal_error","reason":"internal_error"}],"messages":[]}"#
    );
}

#[tokio::test]
async fn a_token_that_would_wait_for_too_long_is_refused_at_once() {
    let metrics = SignerMetrics::register(&mut Registry::default());
    let signer = Signer::without_threads(1, &metrics);
    let site = Site::new(signer.clone()).await;
    let account = NewAccount { id: Some("a1".parse().unwrap()), name: "A".to_owned() };
    let account = site.api.store.create_account(&account, UnixTime(0)).await.unwrap().id;
    let token = NewApiToken::unlimited("tests");
    let token = site.api.store.create_api_token(&account, &token, UnixTime(0)).await.unwrap();

    let key = SigningKey::generate(Algorithm::Rs256, KeyId::random()).unwrap();
    while signer.require_room().is_ok() {
        let (signer, claims) = (signer.clone(), Claims::new("v1".parse().unwrap(), UnixTime(1)));
        let unsigned = key.prepare(&claims).unwrap();
        tokio::spawn(async move { signer.sign(unsigned).await });
        tokio::task::yield_now().await;
    }
    let request = Request::post("/client/v4/accounts/a1/stream/v1/token")
        .header("authorization", format!("Bearer {}", token.secret.expose()));
    let answer = ApiService::new(site.api.clone()).handle(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert!(!answer.headers().contains_key("x-should-retry"), "it may be sent again");
    let body = to_bytes(answer.into_body(), 4096).await.unwrap();
    assert_eq!(
        std::str::from_utf8(&body).unwrap(),
        r#"{"result":null,"success":false,"errors":[{"code":10001,"message":"more is to be signed and checked than can be done in time; try again in 1 s","documentation_url":"https://vidpass.test/docs/errors#overloaded","reason":"overloaded"}],"messages":[]}"#
    );
    assert_eq!(site.api.store.managed_key(&account, UnixTime(0)).await.unwrap(), None, "nothing was done");
}

struct Site {
    api: Api,
    _folder: TempDir,
}

impl Site {
    async fn new(signer: Signer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(folder.path().join("vidpass.db"));
        let api = Api(Arc::new(Parts {
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
            turns: crate::turns::Turns::new(1),
            signer,
        }));
        Self { api, _folder: folder }
    }
}
