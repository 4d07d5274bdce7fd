//! Paths that try to reach the video next door, through the real HTTP parser: not one byte of it may come.

use crate::site::{SECRET, Site, token};
use crate::wire::exchange;

/// Ways to write `..`.
const UP: [&str; 27] = [
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    ".%2E",
    "%252e%252e",
    "%25252e%25252e",
    "%u002e%u002e",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "%ef%bc%8e%ef%bc%8e",
    "\u{ff0e}\u{ff0e}",
    "..;",
    "..;x=y",
    ".%00.",
    "..%00",
    "%00..",
    "...",
    "....",
    "..%20",
    ".. ",
    "..%09",
    "..#",
    "..?",
    ".",
    "%2e",
];

/// Ways to write `/`.
const SLASH: [&str; 15] = [
    "/",
    "//",
    "/./",
    "/%2e/",
    "%2f",
    "%2F",
    "%252f",
    "%25252f",
    "\\",
    "%5c",
    "%255c",
    "%c0%af",
    "%ef%bc%8f",
    "\u{ff0f}",
    ";/",
];

#[tokio::test]
async fn no_path_opens_the_neighbour() {
    let site = Site::start();
    let token = token("private", |_| {});
    let own = crate::site::token("neighbour", |_| {});
    assert!(get(&site, &format!("/{own}/secret.m3u8")).await.ends_with(SECRET), "the owner's path opens it");
    let mut count = 0;
    for start in starts(&token) {
        for up in UP {
            for slash in SLASH {
                for depth in 1..=3 {
                    let climb = format!("{up}{slash}").repeat(depth);
                    for end in ["neighbour/secret.m3u8", "neighbour%2fsecret.m3u8"] {
                        closed(&site, &format!("{start}{slash}{climb}{end}")).await;
                        count += 1;
                    }
                }
            }
        }
    }
    for target in others(&token) {
        closed(&site, &target).await;
        count += 1;
    }
    assert!(count >= 3_000, "{count} paths");
    eprintln!("{count} hostile paths, none of which opened the neighbour");
}

#[tokio::test]
async fn ordinary_paths_are_served() {
    let site = Site::start();
    let token = token("private", |_| {});
    let mut count = 0;
    for folder in ["", "manifest/", "hls/1080p/", "dash/video/avc1/", "a~b/", "-/", "_/", "v1.2/"] {
        for name in ["video.m3u8", "video.mpd", "seg-00001.m4s", "en_US.vtt", "init-stream0.mp4", "no-extension"] {
            site.put(&format!("private/{folder}{name}"), "mine");
            let answer = get(&site, &format!("/{token}/{folder}{name}")).await;
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("mine"), "{folder}{name}: {answer}");
            count += 1;
        }
    }
    assert!(count >= 30);
}

/// What may stand before the climbing.
fn starts(token: &str) -> Vec<String> {
    let plain = ["public".to_owned(), token.to_owned()];
    let below = plain
        .iter()
        .flat_map(|credential| ["", "/manifest", "/hls/seg-1.m4s", "/#"].map(|rest| format!("/{credential}{rest}")));
    below.chain([format!("http://h/{token}"), format!("//h/{token}"), String::new()]).collect()
}

/// Families that are not about climbing: other spellings of the neighbour, prefixes, and the query.
fn others(token: &str) -> Vec<String> {
    let file = "secret.m3u8";
    [
        "neighbour",
        "NEIGHBOUR",
        "Neighbour",
        "neighbou",
        "neighbourr",
        "neighbour.bak",
        "neighbour.",
        "neighbour~",
        "neighbour%00",
        "neighbour%20",
        "%6eeighbour",
        "neighbour;x",
        "neighbour,x",
        "neighbour:x",
        "neighbour@h",
        "private,neighbour",
        "*",
        "?",
        "neighbour?x=",
    ]
    .iter()
    .map(|video| format!("/{video}/{file}"))
    .chain([
        format!("/{token}/neighbour/{file}"),
        format!("/{token}//neighbour/{file}"),
        format!("/{token}/{file}?video=neighbour"),
        format!("/neighbour/{file}?token={token}"),
        format!("/neighbour/{file}?/{token}/"),
        format!("/neighbour/{file}#/{token}/"),
        format!("/{token}?/../neighbour/{file}"),
        format!("/{token}/neighbour%2f{file}"),
        format!("/{token}/%2fneighbour/{file}"),
        format!("/{token},neighbour/{file}"),
        format!("/{token}.neighbour/{file}"),
        format!("/neighbour.{token}/{file}"),
        format!("/neighbour/{token}/{file}"),
        format!("//neighbour/{file}"),
        format!("http://neighbour/{file}"),
        format!("http://h/neighbour/{file}"),
        format!("neighbour/{file}"),
        "*".to_owned(),
        "neighbour:80".to_owned(),
        format!("/{token}/{file}?{}", "x".repeat(9000)),
        format!("/{token}/{}", "x/".repeat(5000)),
        format!("/{token}/\r\nX: /neighbour/{file}"),
        format!("/{token}/%0d%0aX:%20/neighbour/{file}"),
        format!("/{token}/\t/neighbour/{file}"),
        format!("/{token}/\u{1}/neighbour/{file}"),
        format!("/{token}/\u{0}/../neighbour/{file}"),
    ])
    .collect()
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
