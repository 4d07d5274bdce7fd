//! Paths that try to reach the video next door, through the real HTTP parser: not one byte of it may come.

mod corpus;

use self::corpus::{hostile_targets, ordinary_paths};
use crate::site::{SECRET, Site, token};
use crate::wire::exchange;

#[tokio::test]
async fn no_path_opens_the_neighbour() {
    let site = Site::start();
    let token = token("private", |_| {});
    let own = crate::site::token("neighbour", |_| {});
    assert!(get(&site, &format!("/{own}/secret.m3u8")).await.ends_with(SECRET), "the owner's path opens it");
    let targets = hostile_targets(&token, 1);
    assert!(targets.len() >= 3_000, "{} paths", targets.len());
    for target in &targets {
        closed(&site, target).await;
    }
}

#[tokio::test]
async fn ordinary_paths_are_served() {
    let site = Site::start();
    let token = token("private", |_| {});
    let paths = ordinary_paths();
    assert!(paths.len() >= 30);
    // A manifest that cannot be read would not be served.
    let mine = "<MPD id='mine'/>";
    for path in paths {
        site.put(&format!("private/{path}"), mine);
        let answer = get(&site, &format!("/{token}/{path}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(mine), "{path}: {answer}");
    }
}

async fn closed(site: &Site, target: &str) {
    let answer = get(site, target).await;
    assert!(!answer.contains(SECRET), "{target:?}: {answer}");
    let refused = ["HTTP/1.1 400", "HTTP/1.1 401", "HTTP/1.1 404", "HTTP/1.1 414", "HTTP/1.1 431", "HTTP/1.1 405"];
    assert!(
        refused.iter().any(|status| answer.starts_with(status)) || answer.contains("0123456789"),
        "{target:?}: {answer}"
    );
}

async fn get(site: &Site, target: &str) -> String {
    exchange(site, format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes()).await
}
