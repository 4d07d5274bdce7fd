//! No spelling of a path opens the video next door.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::no_log_has_the_token;
use crate::corpus::{hostile_targets, ordinary_paths};
use crate::support::{Example, Guarded, Proxy, SECRET};

for_each_example!(opens_no_hostile_path);

async fn opens_no_hostile_path(example: &Example) {
    let guarded = Guarded::start(&format!("hostile-{}", example.name));
    let proxy = Proxy::start(example, &guarded, "hostile");
    let token = guarded.token(|_| {});
    let own = guarded.token(|claims| claims.video = "neighbour".parse().unwrap());
    let answer = raw(&proxy, &format!("/{own}/secret.m3u8"));
    assert!(answer.contains(SECRET), "its owner's path opens it: {answer}");

    let targets = hostile_targets(&token, 11);
    assert!(targets.len() >= 3_000, "{} paths", targets.len());
    for target in &targets {
        let answer = raw(&proxy, target);
        assert!(!answer.contains(SECRET), "{target:?}: {answer}");
    }
    let ordinary = ordinary_paths();
    assert!(ordinary.len() >= 30);
    let sample = guarded.installed.media().join("owner/sample");
    for path in ordinary {
        let file = sample.join(&path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "mine").unwrap();
        let answer = raw(&proxy, &format!("/{token}/{path}"));
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("mine"), "{path}: {answer}");
    }
    no_log_has_the_token(&guarded, &proxy, &token);
}

/// The answer to a request of which every byte of the target goes out as it is: all of it, or as much as comes before the
/// proxy falls silent, for it need not close a connection on which it understood nothing.
pub(super) fn raw(proxy: &Proxy, target: &str) -> String {
    let mut stream = TcpStream::connect(&proxy.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    while !is_whole(&answer) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend_from_slice(&chunk[..length]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whether an answer has as many bytes as its head says.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}
