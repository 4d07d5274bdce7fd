//! A running API, and requests to it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tempfile::TempDir;
use vidpass_api::{ApiConfig, ApiService, CountryLookup, Issuer, RateLimits, Readiness};
use vidpass_store::{DatabaseUrl, MasterKey, NewAccount, NewApiToken, Scopes, Store};
use vidpass_token::{AccountId, Country, Limits, SignedClaims, UnixTime, UnverifiedToken};

/// When every site starts: 2027-01-15T08:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);

/// The account, its API key and the video of the official SDKs' own tests.
pub(crate) const ACCOUNT: &str = "023e105f4ecef8ad9ca31a8372d0c353";
pub(crate) const EMAIL: &str = "user@example.com";
pub(crate) const API_KEY: &str = "144c9defac04969c7bfad8efaa8ea194";
pub(crate) const VIDEO: &str = "ea95132c15732412d22c1476fa83f27a";

pub(crate) struct Site {
    service: ApiService,
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    /// The text of an API token of [`ACCOUNT`].
    pub(crate) api_token: String,
    now: Arc<AtomicI64>,
    _folder: TempDir,
}

/// An answer of the API.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_with(Readiness::new(|| None)).await
    }

    pub(crate) async fn start_with(ready: Readiness) -> Self {
        Self::start_as(config(), ready).await
    }

    pub(crate) async fn with_limits(rate_limits: RateLimits) -> Self {
        Self::start_as(ApiConfig { rate_limits, ..config() }, Readiness::new(|| None)).await
    }

    async fn start_as(config: ApiConfig, ready: Readiness) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(folder.path().join("vidpass.db"));
        let store = Store::create_or_open(&url, &MasterKey::generate().unwrap()).await.unwrap();
        let account = add_account(&store, ACCOUNT).await;
        store.create_api_key(&account, EMAIL, Some(API_KEY.parse().unwrap()), NOW).await.unwrap();
        let api_token = store
            .create_api_token(&account, &NewApiToken::unlimited("tests"), NOW)
            .await
            .unwrap()
            .secret
            .expose()
            .to_owned();
        let now = Arc::new(AtomicI64::new(NOW.0));
        let clock = Arc::clone(&now);
        let mut registry = Registry::default();
        let clock = Arc::new(move || UnixTime(clock.load(Ordering::Relaxed)));
        let service = Issuer::new(store.clone(), clock, config, &mut registry, ready).service();
        Self { service, store, registry, api_token, now, _folder: folder }
    }

    /// A site on which [`VIDEO`] is registered.
    pub(crate) async fn with_video() -> Self {
        let site = Self::start().await;
        site.put(&format!("/stream/{VIDEO}"), "{}").await.result();
        site
    }

    pub(crate) fn set_now(&self, now: i64) {
        self.now.store(now, Ordering::Relaxed);
    }

    /// Another account, and the text of an API token of it.
    pub(crate) async fn other_account(&self, id: &str) -> String {
        let account = add_account(&self.store, id).await;
        self.store
            .create_api_token(&account, &NewApiToken::unlimited("other"), NOW)
            .await
            .unwrap()
            .secret
            .expose()
            .to_owned()
    }

    /// The text of an API token of [`ACCOUNT`] that may do this alone.
    pub(crate) async fn token_with(&self, scopes: Scopes, expires: Option<UnixTime>) -> String {
        let new = NewApiToken { name: "scoped".to_owned(), scopes, expires };
        let made = self.store.create_api_token(&ACCOUNT.parse().unwrap(), &new, NOW).await.unwrap();
        made.secret.expose().to_owned()
    }

    /// A request below the account, with its API token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(self.json("POST", path, body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        self.send(self.json("PUT", path, body)).await
    }

    /// Asks for a token for [`VIDEO`].
    pub(crate) async fn token(&self, body: &str) -> Answer {
        self.post(&format!("/stream/{VIDEO}/token"), body).await
    }

    pub(crate) fn json(&self, method: &str, path: &str, body: &str) -> Request<Body> {
        let request = self.request(method, path).header("content-type", "application/json");
        request.body(Body::from(body.to_owned())).unwrap()
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let uri = format!("/client/v4/accounts/{ACCOUNT}{path}");
        Request::builder().method(method).uri(uri).header("authorization", format!("Bearer {}", self.api_token))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        // Public keys are for everybody, and change seldom.
        let may_be_kept = request.uri().path().ends_with("/.well-known/jwks.json");
        let response = self.service.clone().handle(request).await;
        let (head, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
        assert_eq!(head.headers["x-request-id"].len(), 32);
        assert_eq!(head.headers["x-content-type-options"], "nosniff");
        let kept = if may_be_kept && !head.status.is_client_error() { "public, max-age=60" } else { "no-store" };
        assert_eq!(head.headers["cache-control"], kept);
        Answer { status: head.status, headers: head.headers, body }
    }
}

/// Sweden is 203.0.113.0/24; 192.0.2.0/24 is asked for in vain; everywhere else is nowhere that is known.
fn config() -> ApiConfig {
    let country = |address: IpAddr| match address {
        IpAddr::V4(address) if address.octets().starts_with(&[203, 0, 113]) => Country::Known("SE".parse().unwrap()),
        IpAddr::V4(address) if address.octets().starts_with(&[192, 0, 2]) => Country::Unavailable,
        IpAddr::V4(_) | IpAddr::V6(_) => Country::Unknown,
    };
    ApiConfig {
        accepted: Limits { max_token_lifetime: Some(Duration::from_secs(86_400)), ..Limits::default() },
        countries: CountryLookup::new(country),
        ..ApiConfig::new("https://vidpass.test".parse().unwrap())
    }
}

async fn add_account(store: &Store, id: &str) -> AccountId {
    let new = NewAccount { id: Some(id.parse().unwrap()), name: id.to_owned() };
    store.create_account(&new, NOW).await.unwrap().id
}

impl Answer {
    /// Status and body, exactly.
    pub(crate) fn exact(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.body)
    }

    /// What a refusal says, in short: the status, and of each error its code, reason, pointer and message. Whatever
    /// else is in the body follows from these, which is checked: nothing is left out here.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        let envelope = self.envelope();
        let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let (mut items, mut lines) = (Vec::new(), Vec::new());
        for error in envelope["errors"].as_array().unwrap() {
            let (code, reason, message) = (&error["code"], text(error, "reason"), text(error, "message"));
            let pointer = text(&error["source"], "pointer");
            let source = if error["source"].is_null() {
                String::new()
            } else {
                format!(r#""source":{{"pointer":"{pointer}"}},"#)
            };
            items.push(format!(
                r#"{{"code":{code},"message":{},"documentation_url":"https://vidpass.test/docs/errors#{reason}",{source}"reason":"{reason}"}}"#,
                Value::from(&*message),
            ));
            lines.push(format!("{code} {reason} {pointer} | {message}"));
        }
        let whole = format!(r#"{{"result":null,"success":false,"errors":[{}],"messages":[]}}"#, items.join(","));
        assert_eq!(self.body, whole);
        format!("{}\n{}", self.status.as_u16(), lines.join("\n"))
    }

    /// The result of a request that was done.
    #[track_caller]
    pub(crate) fn result(&self) -> Value {
        let envelope = self.envelope();
        assert!(self.status == 200 && envelope["success"] == true, "{}", self.exact());
        assert_eq!(envelope["errors"], Value::Array(Vec::new()));
        envelope["result"].clone()
    }

    /// The reasons of a refusal, or of the notes on a request that was done.
    #[track_caller]
    pub(crate) fn reasons(&self) -> Vec<String> {
        let envelope = self.envelope();
        let items = envelope[if envelope["success"] == true { "messages" } else { "errors" }].clone();
        items.as_array().unwrap().iter().map(|item| item["reason"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn envelope(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    /// The token that was issued.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        self.result()["token"].as_str().unwrap().to_owned()
    }
}

/// The payload of a token, and its claims as a gate of this store reads them.
pub(crate) async fn verified(site: &Site, token: &str) -> (Value, SignedClaims) {
    let unverified = UnverifiedToken::parse(token).unwrap();
    let key = site.store.signing_key(&ACCOUNT.parse().unwrap(), unverified.key_id()).await.unwrap().unwrap();
    (payload(token), unverified.verify(&key.public).unwrap())
}

/// The payload of a token, not verified.
pub(crate) fn payload(token: &str) -> Value {
    serde_json::from_slice(&base64url(token.split('.').nth(1).unwrap())).unwrap()
}

fn base64url(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = text.bytes().flat_map(|byte| {
        let value = ALPHABET.iter().position(|known| *known == byte).unwrap();
        (0..6).rev().map(move |bit| value >> bit & 1)
    });
    let bits: Vec<usize> = bits.collect();
    bits.chunks_exact(8).map(|byte| u8::try_from(byte.iter().fold(0, |all, bit| all << 1 | bit)).unwrap()).collect()
}
