//! What proxies ask over a real socket, which the loop of its own answers: as the complete server does.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use vidpass_gate::{ForwardAuth, Handover, PlainLimits, PlainRequest, serve_plain};
use vidpass_token::UnixTime;

use crate::forward_auth::{ASKER, forward_auth};
use crate::plain::{comparable, complete_server};
use crate::site::{NOW, Site, token};

const PRESETS: [&str; 6] = ["nginx", "nginx-accel", "caddy", "traefik", "envoy", "haproxy"];

#[tokio::test]
async fn the_loop_answers_proxies_as_the_complete_server_does() {
    let site = Site::start();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    for preset in PRESETS {
        let answers = forward_auth(&site, preset);
        let questions = question();
        let mut permits = 0;
        for _ in 0..200 {
            let question = questions.new_tree(&mut runner).unwrap().current();
            let got = exchange(&answers, &question, true).await;
            let mut expected = exchange(&answers, &question, false).await;
            permits += usize::from(got.0.contains(" 200 "));
            // A decision's name stands in the body of a refusal too.
            if got.2.len() == expected.2.len() {
                expected.2.clone_from(&got.2);
            }
            assert!(got == expected, "{preset}: {question}\n{got:?}\n{expected:?}");
        }
        assert!(permits > 5, "{preset}: {permits}");
    }
}

/// Status line, headers and body, by the loop or by the complete server.
async fn exchange(answers: &ForwardAuth, question: &str, by_loop: bool) -> (String, Vec<String>, Vec<u8>) {
    let peer = ASKER.parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    client.write_all(question.as_bytes()).await.unwrap();
    let (_stop, stopping) = watch::channel(false);
    let patience = Duration::from_secs(60);
    let limits = PlainLimits { header_timeout: patience, write_timeout: patience };
    let rest = match by_loop {
        true => {
            let answer = |asked: &PlainRequest<'_>| answers.answer_plain(asked);
            serve_plain(stream, peer, &limits, &(Arc::new(|| UnixTime(NOW)) as _), stopping, answer).await
        }
        false => Some(Handover { stream, read: bytes::Bytes::new() }),
    };
    if let Some(rest) = rest {
        complete_server(rest, |asked| std::future::ready(answers.handle(&asked, peer))).await;
    }
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    comparable(&answer)
}

fn question() -> impl Strategy<Value = String> {
    let good = token("private", |_| {});
    let over = token("private", |claims| claims.expires = UnixTime(NOW));
    let credential =
        prop_oneof![6 => Just(good), 1 => Just(over), 1 => Just("public".to_owned()), 1 => Just("x.y.z".to_owned())];
    let file = prop::sample::select(vec!["a.ts", "b/c.m4s?x=y", "downloads/d.mp4", "../x", "a%20b", ""]);
    let method = prop::sample::select(vec!["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "G T"]);
    let viewer =
        prop::sample::select(vec!["203.0.113.9", "2001:db8::1", "::ffff:203.0.113.9", "x, 10.0.0.9", "unknown"]);
    let more = prop::sample::select(vec![
        "",
        "",
        "Origin: https://example.com\r\n",
        "Sec-Fetch-Site: cross-site\r\nReferer: x\r\n",
        "X-Original-URI: /public/x\r\n",
        "X-Original-Host:\r\nX-Latin: \u{e9}\r\n",
        "Range: bytes=1-2\r\nAccept: text/html\r\n",
    ]);
    let line = prop::sample::select(vec!["GET", "GET", "HEAD"]);
    (line, method, credential, file, viewer, more).prop_map(|(line, method, credential, file, viewer, more)| {
        let target = format!("/{credential}/{file}");
        let told = format!("Original-Method: {method}\r\nX-Original-Host: h\r\nX-Original-URI: {target}\r\n");
        let forwarded = told.replace("Original", "Forwarded").replace("URI", "Uri");
        format!(
            "{line} {target} HTTP/1.1\r\nHost: h\r\nX-{told}X-{forwarded}X-Forwarded-For: {viewer}\r\n{more}Connection: close\r\n\r\n"
        )
    })
}
