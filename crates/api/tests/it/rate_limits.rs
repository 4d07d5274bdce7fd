//! How much one caller may ask for.

use axum::body::Body;
use http::Request;
use insta::assert_snapshot;
use prometheus_client::encoding::text::encode;
use vidpass_api::{CallerAddress, RateLimits};

use crate::callers::own;
use crate::site::{API_KEY, Answer, EMAIL, NOW, Site};

#[tokio::test]
async fn a_credential_has_its_limit() {
    // One more comes every 20 minutes: no test takes so long.
    let site = limited("3/h", "off").await;
    let good = format!("Bearer {}", site.api_token);
    for (path, left) in [("/stream", 2), ("/tokens/verify", 1), ("/stream", 0)] {
        let answer = call(&site, path, &good, "203.0.113.9").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["ratelimit-policy"], "\"credential\";q=3;w=3600");
        let reset = 3600 - left * 1200;
        assert_eq!(answer.headers["ratelimit"], format!("\"credential\";r={left};t={reset}"));
    }
    let answer = call(&site, "/stream", &good, "203.0.113.9").await;
    let waits: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1190..=1200).contains(&waits), "{waits}");
    assert_eq!(answer.headers["ratelimit"], "\"credential\";r=0;t=3600");
    assert!(!answer.headers.contains_key("x-should-retry"), "it may be sent again");
    let refusal = answer.refusal().replace(&format!(" {waits} s"), " N s");
    assert_snapshot!(refusal, @"
    429
    10429 rate_limited  | too many requests with these credentials; try again in N s
    ");
    // What is refused for its account or scope counts too, and what needs no credentials does not.
    let other = format!("Bearer {}", site.other_account("other").await);
    for status in [403, 403, 403, 429] {
        assert_eq!(call(&site, "/stream", &other, "203.0.113.9").await.status, status);
    }
    let key = Request::get(own("/stream")).header("x-auth-email", EMAIL).header("x-auth-key", API_KEY);
    assert_eq!(site.send(key.body(Body::empty()).unwrap()).await.status, 200);
    let open = site.send(Request::get("/healthz").body(Body::empty()).unwrap()).await;
    assert!(open.status == 200 && !open.headers.contains_key("ratelimit"));
    assert_eq!(counted(&site, "credential"), 2);
}

#[tokio::test]
async fn an_address_has_a_limit_of_failed_logins() {
    let site = limited("off", "1/h burst 3").await;
    let good = format!("Bearer {}", site.api_token);
    let wrong = format!("{}x", &good[..good.len() - 1]);
    for left in [2, 1, 0] {
        // What is good does not count, and is let in until then.
        assert_eq!(call(&site, "/stream", &good, "2001:db8::9").await.status, 200);
        let answer = call(&site, "/stream", &wrong, "2001:db8::9").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.headers["ratelimit-policy"], "\"failed-logins\";q=3;w=10800");
        assert_eq!(answer.headers["ratelimit"], format!("\"failed-logins\";r={left};t={}", 10_800 - left * 3600));
    }
    // The whole /64, and good credentials too.
    for (credentials, address) in [(&wrong, "2001:db8::9"), (&good, "2001:db8::9"), (&good, "2001:db8::ffff:1")] {
        let answer = call(&site, "/stream", credentials, address).await;
        assert_eq!((answer.status.as_u16(), answer.reasons()), (429, vec!["rate_limited".to_owned()]), "{address}");
        let waits: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((3590..=3600).contains(&waits), "{waits}");
    }
    for address in ["2001:db8:0:1::9", "203.0.113.9"] {
        assert_eq!(call(&site, "/stream", &good, address).await.status, 200, "{address}");
    }
    // No credentials at all cost nothing, and what is public stays so.
    let none = Request::get(own("/stream")).extension(CallerAddress("2001:db8::9".parse().unwrap()));
    assert_eq!(site.send(none.body(Body::empty()).unwrap()).await.reasons(), ["credentials_missing"]);
    assert_eq!(counted(&site, "failed-logins"), 3);

    // The database is not asked for any of it.
    site.store.close().await;
    assert_eq!(call(&site, "/stream", &good, "2001:db8::9").await.status, 429);
    assert_eq!(call(&site, "/stream", &good, "203.0.113.9").await.status, 503);
}

#[tokio::test]
async fn who_guesses_gate_credentials_is_limited_as_well() {
    let site = limited("off", "1/h burst 2").await;
    let (_, good) = site.store.create_gate_credential("edge", NOW).await.unwrap();
    let ask = async |secret: &str| {
        let request = Request::get("/client/v4/gates/snapshot").header("authorization", format!("Bearer {secret}"));
        let request = request.extension(CallerAddress("203.0.113.9".parse().unwrap()));
        site.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    assert_eq!(ask(good.expose()).await, 200);
    for status in [401, 401, 429] {
        assert_eq!(ask(&format!("{}x", good.expose())).await, status);
    }
    assert_eq!(ask(good.expose()).await, 200, "a neighbour who guesses cuts no gate off");
    assert_eq!(call(&site, "/stream", "Bearer vpt_x", "203.0.113.9").await.status, 429, "whatever is guessed");
}

async fn limited(per_credential: &str, failed_logins: &str) -> Site {
    let rate = |text: &str| if text == "off" { None } else { Some(text.parse().unwrap()) };
    let limits = RateLimits { per_credential: rate(per_credential), failed_logins_per_address: rate(failed_logins) };
    Site::with_limits(limits).await
}

async fn call(site: &Site, below: &str, authorization: &str, address: &str) -> Answer {
    let request = Request::get(own(below)).header("authorization", authorization);
    let request = request.extension(CallerAddress(address.parse().unwrap()));
    site.send(request.body(Body::empty()).unwrap()).await
}

/// How often the limit refused.
fn counted(site: &Site, limit: &str) -> u64 {
    let mut text = String::new();
    encode(&mut text, &site.registry).unwrap();
    let name = format!("vidpass_api_rate_limited_total{{limit=\"{limit}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
    line.parse().unwrap()
}
