//! Manifests over kept connections, where one that was rewritten is given out again for a moment.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vidpass_gate::{OriginConfig, OriginKind};
use vidpass_token::VideoPolicy;

use crate::plain::{Listening, Server, comparable};
use crate::site::{ACCOUNT, Site, token};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_manifest_that_changes_is_rewritten_anew() {
    let site = Site::start();
    let gate = Listening::start(&site, Server::Plain, PATIENCE).await;
    let mut connection = gate.connect().await;
    let tokens = [token("private", |_| {}), token("private", |claims| claims.expires.0 += 1)];
    for name in ["a", "b", "longer"] {
        site.put("private/manifest/video.m3u8", &format!("#EXTM3U\n/owner/private/hls/{name}.ts\n"));
        for token in &tokens {
            let got = get(&mut connection, &format!("/{token}/manifest/video.m3u8")).await;
            assert_eq!(got, format!("#EXTM3U\n../hls/{name}.ts\n"));
        }
    }
}

#[tokio::test]
async fn what_was_rewritten_for_one_account_is_not_for_another() {
    let text = "#EXTM3U\nhttps://cdn.example.com/owner/public/x.ts\n";
    let site = Site::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("public")).unwrap();
    std::fs::write(folder.path().join("public/v.m3u8"), text).unwrap();
    let site = site.with_config(OriginConfig {
        kind: OriginKind::Folder(folder.path().to_owned()),
        path: "{uid}".parse().unwrap(),
        known_as: vec!["https://cdn.example.com/{account}/{uid}/".parse().unwrap()],
    });
    let gate = Listening::start(&site, Server::Plain, PATIENCE).await;
    let mut connection = gate.connect().await;
    for (account, expected) in [(ACCOUNT, "#EXTM3U\nx.ts\n"), ("another", text), (ACCOUNT, "#EXTM3U\nx.ts\n")] {
        let policy = VideoPolicy {
            require_signed_urls: false,
            origin: Some("origin".parse().unwrap()),
            ..VideoPolicy::private(account.parse().unwrap())
        };
        site.gate.update(|catalogue| catalogue.insert_video("public".parse().unwrap(), policy));
        assert_eq!(get(&mut connection, "/public/v.m3u8").await, expected, "{account}");
    }
}

#[tokio::test]
async fn each_viewer_gets_their_own_token_in_a_query() {
    let site = Site::start().with_token_in("query:token");
    site.put("private/v.m3u8", "#EXTM3U\n/owner/private/x.ts\n");
    let gate = Listening::start(&site, Server::Plain, PATIENCE).await;
    let mut connection = gate.connect().await;
    for more in [1, 2, 1] {
        let token = token("private", |claims| claims.expires.0 += more);
        let got = get(&mut connection, &format!("/private/v.m3u8?token={token}")).await;
        assert_eq!(got, format!("#EXTM3U\nx.ts?token={token}\n"));
    }
}

/// The body of the answer, which comes at once.
async fn get(connection: &mut TcpStream, target: &str) -> String {
    connection.write_all(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = vec![0; 16 << 10];
    let read = connection.read(&mut answer).await.unwrap();
    let (status, _, body) = comparable(&answer[..read]);
    assert_eq!(status, "HTTP/1.1 200 OK");
    String::from_utf8(body).unwrap()
}
