//! What proxies that ask are answered: by preset, by who asks, and by what they say.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use vidpass_gate::{ForwardAuth, GateBody, Preset, ProxyJudge};
use vidpass_token::{json::Json, parse_rules};

use crate::site::{Site, token, viewers};

/// A proxy that may ask. It is in nobody's list of proxies to peel.
pub(crate) const ASKER: &str = "172.16.0.1:50000";

#[tokio::test]
async fn a_good_token_is_told_what_to_serve() {
    let site = Site::start();
    let good = token("private", |_| {});
    for preset in ["nginx", "caddy", "traefik", "envoy", "haproxy"] {
        let answer = ask(&site, preset, ASKER, &format!("GET /{good}/hls/seg-1.m4s?x=y"), "203.0.113.9");
        let header = |name: &str| answer.headers().get(name).map_or("-", |value| value.to_str().unwrap());
        assert_eq!(answer.status(), 200, "{preset}");
        for (name, value) in [
            ("x-vidpass-path", "/owner/private/hls/seg-1.m4s"),
            ("x-vidpass-account", "owner"),
            ("x-vidpass-video", "private"),
            ("x-vidpass-viewer", "203.0.113.9"),
            ("x-vidpass-key", "key-1"),
            ("x-vidpass-cache-control", "private, max-age=60"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(header(name), value, "{preset} {name}");
        }
        let public = ask(&site, preset, ASKER, "GET /public/hls/seg-1.m4s", "203.0.113.9");
        let facts = (public.status().as_u16(), &public.headers()["x-vidpass-cache-control"]);
        assert_eq!(facts, (200, &"public, max-age=300".parse().unwrap()), "{preset}");
        assert_eq!(public.headers()["x-vidpass-key"], "", "{preset}: none, and not what a viewer says");
    }
}

#[tokio::test]
async fn nginx_is_redirected_to_the_file() {
    let site = Site::start();
    let accel = |asked: &str| {
        let answer = ask(&site, "nginx-accel", ASKER, asked, "203.0.113.9");
        let headers = answer.headers().clone();
        move |name: &str| headers.get(name).map_or("-".to_owned(), |value| value.to_str().unwrap().to_owned())
    };
    let good = token("private", |claims| claims.downloadable = true);
    let segment = accel(&format!("GET /{good}/hls/seg-1.m4s"));
    assert_eq!(segment("x-accel-redirect"), "/_media/owner/private/hls/seg-1.m4s");
    assert_eq!(segment("content-type"), "video/iso.segment");
    assert_eq!(segment("cache-control"), "private, max-age=60");
    assert_eq!((segment("content-disposition"), segment("x-vidpass-path")), ("-".into(), "-".into()));
    let download = accel(&format!("HEAD /{good}/downloads/default.mp4?filename=film"));
    assert_eq!(download("x-accel-redirect"), "/_media/owner/private/downloads/default.mp4");
    assert_eq!(download("content-disposition"), "attachment; filename=\"film.mp4\"");
    let preflight = accel("OPTIONS /public/hls/seg-1.m4s");
    assert_eq!(preflight("access-control-allow-methods"), "GET, HEAD, OPTIONS");
    assert_eq!(accel("GET /private/x")("x-accel-redirect"), "-");
}

/// A question as each proxy asks it, and what becomes of it. `{}` stands for a good token.
#[tokio::test]
async fn what_a_proxy_says_is_read_strictly() {
    let site = Site::start();
    let good = token("private", |_| {});
    for (preset, headers, expected) in [
        // All that there must be.
        ("nginx", "x-original-uri: /{}/x; x-original-method: GET; x-original-host: h", "200"),
        ("nginx", "x-original-uri: /{}/x; x-original-method: HEAD; x-original-host: h", "200"),
        ("haproxy", "x-original-uri: /{}/x; x-original-method: GET; x-original-host: h", "200"),
        ("caddy", "x-forwarded-uri: /{}/x; x-forwarded-method: GET; x-forwarded-host: h", "200"),
        (
            "traefik",
            "x-forwarded-uri: /{}/x; x-forwarded-method: GET; x-forwarded-host: h; x-forwarded-proto: https",
            "200",
        ),
        // Missing.
        ("nginx", "", "403 proxy_header_unclear"),
        ("nginx", "x-original-method: GET; x-original-host: h", "403 proxy_header_unclear"),
        ("nginx", "x-original-uri: /{}/x; x-original-host: h", "403 proxy_header_unclear"),
        ("nginx", "x-original-uri: /{}/x; x-original-method: GET", "403 proxy_header_unclear"),
        ("caddy", "x-forwarded-method: GET; x-forwarded-host: h", "403 proxy_header_unclear"),
        ("traefik", "x-forwarded-uri: /{}/x; x-forwarded-host: h", "403 proxy_header_unclear"),
        // Repeated: the proxy wrote one, and who the other?
        (
            "nginx",
            "x-original-uri: /{}/x; x-original-uri: /{}/x; x-original-method: GET; x-original-host: h",
            "403 proxy_header_unclear",
        ),
        (
            "nginx",
            "x-original-uri: /{}/x; x-original-method: GET; x-original-method: GET; x-original-host: h",
            "403 proxy_header_unclear",
        ),
        (
            "nginx",
            "x-original-uri: /{}/x; x-original-method: GET; x-original-host: h; x-original-host: h",
            "403 proxy_header_unclear",
        ),
        (
            "caddy",
            "x-forwarded-uri: /private/x; x-forwarded-uri: /{}/x; x-forwarded-method: GET; x-forwarded-host: h",
            "403 proxy_header_unclear",
        ),
        // Another proxy's headers count for nothing.
        ("nginx", "x-forwarded-uri: /{}/x; x-forwarded-method: GET; x-forwarded-host: h", "403 proxy_header_unclear"),
        ("caddy", "x-original-uri: /{}/x; x-original-method: GET; x-original-host: h", "403 proxy_header_unclear"),
        (
            "nginx",
            "x-original-uri: /private/x; x-original-method: GET; x-original-host: h; x-forwarded-uri: /{}/x",
            "401 token_required",
        ),
        (
            "caddy",
            "x-forwarded-uri: /private/x; x-forwarded-method: GET; x-forwarded-host: h; x-original-uri: /{}/x",
            "401 token_required",
        ),
        // The one grammar of paths; nginx understands no 400.
        ("nginx", "x-original-uri: /{}/../neighbour/x; x-original-method: GET; x-original-host: h", "403 path_refused"),
        (
            "haproxy",
            "x-original-uri: /{}/../neighbour/x; x-original-method: GET; x-original-host: h",
            "400 path_refused",
        ),
        ("caddy", "x-forwarded-uri: /{}/%2e%2e/x; x-forwarded-method: GET; x-forwarded-host: h", "400 path_refused"),
        ("traefik", "x-forwarded-uri: //{}/x; x-forwarded-method: GET; x-forwarded-host: h", "400 path_refused"),
        ("nginx", "x-original-uri: http://h/{}/x; x-original-method: GET; x-original-host: h", "403 path_refused"),
        ("nginx", "x-original-uri: /{}/x#y; x-original-method: GET; x-original-host: h", "403 path_refused"),
        ("nginx", "x-original-uri: {}/x; x-original-method: GET; x-original-host: h", "403 path_refused"),
        ("nginx", "x-original-uri: ; x-original-method: GET; x-original-host: h", "403 path_refused"),
        ("nginx", "x-original-uri: /{}/é; x-original-method: GET; x-original-host: h", "403 proxy_header_unclear"),
        // Methods.
        ("nginx", "x-original-uri: /{}/x; x-original-method: POST; x-original-host: h", "403 method_not_allowed"),
        ("caddy", "x-forwarded-uri: /{}/x; x-forwarded-method: DELETE; x-forwarded-host: h", "405 method_not_allowed"),
        ("haproxy", "x-original-uri: /{}/x; x-original-method: get; x-original-host: h", "405 method_not_allowed"),
        (
            "traefik",
            "x-forwarded-uri: /{}/x; x-forwarded-method: OPTIONS; x-forwarded-host: h",
            "405 method_not_allowed",
        ),
        ("nginx", "x-original-uri: /{}/x; x-original-method: G T; x-original-host: h", "403 proxy_header_unclear"),
        // Denials as everywhere.
        ("nginx", "x-original-uri: /private/x; x-original-method: GET; x-original-host: h", "401 token_required"),
        ("traefik", "x-forwarded-uri: /a.b.c/x; x-forwarded-method: GET; x-forwarded-host: h", "401 token_malformed"),
        (
            "caddy",
            "x-forwarded-uri: /{}/downloads/x.mp4; x-forwarded-method: GET; x-forwarded-host: h",
            "403 download_not_allowed",
        ),
    ] {
        let mut question = Request::get("/").header("host", "vidpass").header("x-forwarded-for", "203.0.113.9");
        for pair in headers.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once(':').unwrap();
            question = question.header(name, value.trim().replace("{}", &good));
        }
        let answer = forward_auth(&site, preset).handle(&question.body(Full::<Bytes>::default()).unwrap(), peer(ASKER));
        assert_eq!(summary(answer).await, expected, "{preset}: {headers}");
    }
}

/// Who asks, whom they name, and who the viewer is. Of `203.0.113.9` the token lets in nobody else.
#[tokio::test]
async fn the_viewers_address_is_peeled_from_the_right_for_those_who_may_ask() {
    let site = Site::start();
    let rules =
        r#"[{"type":"ip.src","action":"allow","ip":["203.0.113.9","2001:db8::9"]},{"type":"any","action":"block"}]"#;
    let rules = parse_rules(&Json::parse(rules.as_bytes()).unwrap(), 5).unwrap();
    let good = token("private", |claims| claims.access_rules = rules);
    for (asker, told, expected) in [
        (ASKER, "x-forwarded-for: 203.0.113.9", "200"),
        (ASKER, "x-forwarded-for: 203.0.113.9:4711", "200"),
        (ASKER, "x-forwarded-for: 2001:db8::9", "200"),
        (ASKER, "x-forwarded-for: [2001:db8::9]:4711", "200"),
        (ASKER, "x-forwarded-for: ::ffff:203.0.113.9", "200"),
        ("[::ffff:172.16.0.1]:50000", "x-forwarded-for: 203.0.113.9", "200"),
        // What the viewer claims stands on the left, and nobody looks at it.
        (ASKER, "x-forwarded-for: 198.51.100.1, 203.0.113.9", "200"),
        (ASKER, "x-forwarded-for: garbage, 203.0.113.9", "200"),
        (ASKER, "x-forwarded-for: 198.51.100.1; x-forwarded-for: 203.0.113.9", "200"),
        (ASKER, "x-forwarded-for: 203.0.113.9, 198.51.100.1", "403 rule_blocked"),
        (ASKER, "x-forwarded-for: 203.0.113.9; x-forwarded-for: 198.51.100.1", "403 rule_blocked"),
        (ASKER, "x-forwarded-for: 203.0.113.9, 172.16.0.1", "403 rule_blocked"),
        // Further proxies of 10.0.0.0/8 stand between.
        (ASKER, "x-forwarded-for: 203.0.113.9, 10.0.0.7", "200"),
        (ASKER, "x-forwarded-for: 203.0.113.9, 10.0.0.7, 10.0.0.8", "200"),
        (ASKER, "x-forwarded-for: 203.0.113.9; x-forwarded-for: 10.0.0.7", "200"),
        (ASKER, "x-forwarded-for: 10.0.0.9, 203.0.113.9, 10.0.0.7", "200"),
        (ASKER, "x-forwarded-for: 203.0.113.9, 198.51.100.1, 10.0.0.7", "403 rule_blocked"),
        (ASKER, "x-forwarded-for: 10.0.0.7, 10.0.0.8", "403 viewer_address_unknown"),
        // Not an address where one must be.
        (ASKER, "", "403 viewer_address_unknown"),
        (ASKER, "x-forwarded-for: ", "403 viewer_address_unknown"),
        (ASKER, "x-forwarded-for: unknown", "403 viewer_address_unknown"),
        (ASKER, "x-forwarded-for: 203.0.113.9, unknown", "403 viewer_address_unknown"),
        (ASKER, "x-forwarded-for: 203.0.113.9,", "403 viewer_address_unknown"),
        (ASKER, "x-forwarded-for: fe80::1%eth0", "403 viewer_address_unknown"),
        (ASKER, "x-forwarded-for: 203.0.113.999", "403 viewer_address_unknown"),
        (ASKER, "x-forwarded-for: 0xcb.0.113.9", "403 viewer_address_unknown"),
        (ASKER, "x-forwarded-for: 0.0.0.0", "403 viewer_address_unknown"),
        // Other headers are not read, from whomever.
        (ASKER, "x-real-ip: 203.0.113.9", "403 viewer_address_unknown"),
        (ASKER, "forwarded: for=203.0.113.9", "403 viewer_address_unknown"),
        (ASKER, "x-forwarded-for: 198.51.100.1; x-real-ip: 203.0.113.9", "403 rule_blocked"),
        (ASKER, "x-forwarded-for: 198.51.100.1; forwarded: for=203.0.113.9", "403 rule_blocked"),
        (ASKER, "x-forwarded-for: 198.51.100.1; true-client-ip: 203.0.113.9", "403 rule_blocked"),
        (ASKER, "x-forwarded-for: 198.51.100.1; cf-connecting-ip: 203.0.113.9", "403 rule_blocked"),
        // Who may not ask gets no answer, whatever they say: neither others nor a proxy that is only peeled.
        ("203.0.113.9:50000", "x-forwarded-for: 203.0.113.9", "403 proxy_not_trusted"),
        ("203.0.113.9:50000", "", "403 proxy_not_trusted"),
        ("198.51.100.1:50000", "x-forwarded-for: 203.0.113.9", "403 proxy_not_trusted"),
        ("10.0.0.7:50000", "x-forwarded-for: 203.0.113.9", "403 proxy_not_trusted"),
        ("172.16.0.2:50000", "x-forwarded-for: 203.0.113.9", "403 proxy_not_trusted"),
        ("127.0.0.1:50000", "x-forwarded-for: 203.0.113.9", "403 proxy_not_trusted"),
        ("[::1]:50000", "x-forwarded-for: 203.0.113.9", "403 proxy_not_trusted"),
        ("[::ffff:127.0.0.1]:50000", "x-forwarded-for: 203.0.113.9", "403 proxy_not_trusted"),
        ("[2001:db8::9]:50000", "x-forwarded-for: 203.0.113.9", "403 proxy_not_trusted"),
    ] {
        for preset in ["nginx", "caddy", "traefik", "envoy", "haproxy", "nginx-accel"] {
            let mut question = question(preset, &format!("GET /{good}/hls/seg-1.m4s"));
            for pair in told.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once(':').unwrap();
                question = question.header(name, value.trim());
            }
            let question = question.body(Full::<Bytes>::default()).unwrap();
            let answer = forward_auth(&site, preset).handle(&question, peer(asker));
            assert_eq!(summary(answer).await, expected, "{preset}: {asker} says {told}");
        }
    }
}

fn ask(site: &Site, preset: &str, asker: &str, asked: &str, viewer: &str) -> Response<GateBody> {
    let question = question(preset, asked).header("x-forwarded-for", viewer).body(Full::<Bytes>::default()).unwrap();
    forward_auth(site, preset).handle(&question, peer(asker))
}

/// A question as the proxy of `preset` asks it, for a request such as `GET /v1/x`.
fn question(preset: &str, asked: &str) -> http::request::Builder {
    let (method, target) = asked.split_once(' ').unwrap();
    let named = |kind: &str, names: [&str; 3]| {
        let [method_name, target_name, host_name] = names.map(|name| format!("x-{kind}-{name}"));
        Request::get("/").header(method_name, method).header(target_name, target).header(host_name, "h")
    };
    match preset {
        "nginx" | "haproxy" => named("original", ["method", "uri", "host"]).header("host", "vidpass"),
        "caddy" | "traefik" => named("forwarded", ["method", "uri", "host"]).header("host", "vidpass"),
        _ => Request::builder().method(method.parse::<Method>().unwrap()).uri(target).header("host", "h"),
    }
}

pub(crate) fn forward_auth(site: &Site, preset: &str) -> ForwardAuth {
    let preset = match preset {
        "nginx" => Preset::Nginx,
        "nginx-accel" => Preset::NginxAccel("/_media/".parse().unwrap()),
        "caddy" => Preset::Caddy,
        "traefik" => Preset::Traefik,
        "envoy" => Preset::Envoy,
        "haproxy" => Preset::Haproxy,
        other => panic!("{other}"),
    };
    let proxies = vec!["172.16.0.1".parse().unwrap()];
    ForwardAuth::new(ProxyJudge { judge: Arc::clone(&site.judge), viewers: viewers(), proxies }, preset)
}

fn peer(text: &str) -> std::net::SocketAddr {
    text.parse().unwrap()
}

/// `200`, or the status and the code of a refusal: the body's, which a denial has as its header too.
async fn summary(answer: Response<GateBody>) -> String {
    let (head, body) = answer.into_parts();
    let told = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
    let body = body.collect().await.unwrap().to_bytes();
    if head.status == StatusCode::OK {
        assert_eq!((told("x-vidpass-denial"), body.len()), (None, 0));
        return "200".to_owned();
    }
    assert_eq!(told("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&body).unwrap();
    let (code, message) = (body["code"].as_str().unwrap(), body["message"].as_str().unwrap());
    let denial = (code != "method_not_allowed").then_some((code, message));
    assert_eq!(told("x-vidpass-denial").zip(told("x-vidpass-message")), denial);
    format!("{} {code}", head.status.as_u16())
}
