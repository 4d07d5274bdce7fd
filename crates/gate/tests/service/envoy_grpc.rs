//! Envoy's questions over gRPC, as bytes.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use envoy_types::ext_authz::v3::pb::{CheckRequest, CheckResponse, HttpResponse};
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress, address};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request as Asked};
use envoy_types::pb::google::protobuf::value::Kind;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use vidpass_gate::{EnvoyGrpc, ProxyJudge};

use crate::site::{Site, token, viewers};

const ENVOY: &str = "172.16.0.1:50000";

#[tokio::test]
async fn a_good_token_gets_the_path_without_it() {
    let site = Site::start();
    let good = token("private", |_| {});
    let answer = ask(&site, ENVOY, question(&format!("/{good}/hls/seg-1.m4s"), "GET", "203.0.113.9", "")).await;
    let answer = answer.unwrap();
    let path = answer.dynamic_metadata.as_ref().and_then(|metadata| metadata.fields["path"].kind.clone());
    assert_eq!(path, Some(Kind::StringValue("/owner/private/hls/seg-1.m4s".to_owned())), "for the log");
    let Some(HttpResponse::OkResponse(ok)) = answer.http_response else { panic!("refused") };
    let set = |name: &str| {
        let header = ok.headers.iter().filter_map(|option| option.header.as_ref()).find(|header| header.key == name);
        header.map(|header| header.value.clone()).unwrap_or_default()
    };
    assert_eq!(set(":path"), "/owner/private/hls/seg-1.m4s");
    assert_eq!((set("x-vidpass-video"), set("x-vidpass-viewer")), ("private".into(), "203.0.113.9".into()));
    assert_eq!(set("x-vidpass-key"), "key-1");
    assert_eq!(ok.response_headers_to_add.len(), 1, "how long it may be kept");
}

/// Envoy keeps what the viewer sent of each header that the answer does not name.
#[tokio::test]
async fn no_fact_is_left_to_the_viewer() {
    let site = Site::start();
    let answer = ask(&site, ENVOY, question("/public/hls/seg-1.m4s", "GET", "203.0.113.9", "")).await;
    let Some(HttpResponse::OkResponse(ok)) = answer.unwrap().http_response else { panic!("refused") };
    let headers: Vec<_> = ok.headers.into_iter().filter_map(|option| option.header).collect();
    let told: Vec<_> = headers.iter().map(|header| (header.key.as_str(), header.value.as_str())).collect();
    assert_eq!(
        told,
        [
            (":path", "/owner/public/hls/seg-1.m4s"),
            ("x-vidpass-path", "/owner/public/hls/seg-1.m4s"),
            ("x-vidpass-account", "owner"),
            ("x-vidpass-video", "public"),
            ("x-vidpass-viewer", "203.0.113.9"),
            ("x-vidpass-key", ""),
            ("x-vidpass-cache-control", "public, max-age=300"),
        ]
    );
}

#[tokio::test]
async fn each_question_is_read_strictly() {
    let site = Site::start();
    let good = format!("/{}/hls/seg-1.m4s", token("private", |_| {}));
    let named = |path: &str| question(path, "GET", "203.0.113.9", "");
    for (question, expected) in [
        (named("/private/hls/seg-1.m4s"), "401 token_required"),
        (named("/private/../neighbour/secret.m3u8"), "400 path_refused"),
        (named(""), "400 path_refused"),
        (question(&good, "POST", "203.0.113.9", ""), "405 method_not_allowed"),
        (question(&good, "G T", "203.0.113.9", ""), "403 proxy_header_unclear"),
        (question(&good, "GET", "", ""), "403 viewer_address_unknown"),
        (question(&good, "GET", "pipe", ""), "403 viewer_address_unknown"),
        // Whoever is connected to Envoy is another proxy, and says nothing of the viewer.
        (question(&good, "GET", "10.0.0.7", "unknown"), "403 viewer_address_unknown"),
        (CheckRequest::default(), "403 proxy_header_unclear"),
    ] {
        let answer = ask(&site, ENVOY, question).await.unwrap();
        let Some(HttpResponse::DeniedResponse(denied)) = answer.http_response else { panic!("{expected}: let in") };
        let body: serde_json::Value = serde_json::from_str(&denied.body).unwrap();
        assert_eq!(format!("{} {}", denied.status.unwrap().code, body["code"].as_str().unwrap()), expected);
    }
}

#[tokio::test]
async fn a_stranger_is_not_even_heard() {
    let site = Site::start();
    let good = format!("/{}/hls/seg-1.m4s", token("private", |_| {}));
    for peer in ["198.51.100.1:1", "127.0.0.1:1", "10.0.0.7:1", "[::1]:1"] {
        let status = ask(&site, peer, question(&good, "GET", "203.0.113.9", "")).await.unwrap_err();
        assert_eq!(status, "7", "{peer}: PERMISSION_DENIED");
    }
    let line = r#"{outcome="denial",code="proxy_not_trusted",account="(none)"} 4"#;
    assert!(site.metrics().contains(line), "{}", site.metrics());
}

#[tokio::test]
async fn a_question_that_is_too_large_is_not_read() {
    let site = Site::start();
    let huge = question(&format!("/{}", "x".repeat(100_000)), "GET", "203.0.113.9", "");
    assert_eq!(ask(&site, ENVOY, huge).await.unwrap_err(), "11", "OUT_OF_RANGE");
}

fn question(path: &str, method: &str, source: &str, forwarded_for: &str) -> CheckRequest {
    let mut http = HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        host: "video.example".to_owned(),
        ..HttpRequest::default()
    };
    http.headers.insert(":path".to_owned(), path.to_owned());
    if !forwarded_for.is_empty() {
        http.headers.insert("x-forwarded-for".to_owned(), forwarded_for.to_owned());
    }
    let address = SocketAddress { address: source.to_owned(), ..SocketAddress::default() };
    let address = Address { address: Some(address::Address::SocketAddress(address)) };
    let attributes = AttributeContext {
        source: Some(Peer { address: Some(address), ..Peer::default() }),
        request: Some(Asked { http: Some(http), ..Asked::default() }),
        ..AttributeContext::default()
    };
    CheckRequest { attributes: Some(attributes) }
}

/// What is answered, or the number of the gRPC status where that is not OK.
async fn ask(site: &Site, peer: &str, question: CheckRequest) -> Result<CheckResponse, String> {
    let proxies = vec!["172.16.0.1".parse().unwrap()];
    let envoy = EnvoyGrpc::new(ProxyJudge { judge: Arc::clone(&site.judge), viewers: viewers(), proxies });
    // A message on the wire: not compressed, its length, itself.
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(question.encoded_len().try_into().unwrap());
    question.encode(&mut bytes).unwrap();
    let call = Request::post("/envoy.service.auth.v3.Authorization/Check").header("content-type", "application/grpc");
    let call = call.body(Full::<Bytes>::new(bytes.freeze())).unwrap();
    let (head, body) = envoy.answer(call, peer.parse().unwrap()).await.into_parts();
    let body = body.collect().await.unwrap();
    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status")).or(head.headers.get("grpc-status"));
    match status.map(|status| status.to_str().unwrap()) {
        Some("0") => Ok(CheckResponse::decode(&body.to_bytes()[5..]).unwrap()),
        other => Err(other.unwrap_or("none").to_owned()),
    }
}
