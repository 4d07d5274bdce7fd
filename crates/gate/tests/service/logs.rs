//! What is written of requests, and what never is.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use crate::site::{Site, forged, token};

#[tokio::test]
async fn a_denial_is_one_line_and_no_line_has_a_token() {
    let site = Site::start();
    let good = token("private", |_| {});
    let forged = forged("private");
    site.get(&format!("/{good}/hls/seg-1.m4s?filename=private-note")).await;
    let host = [("host", "video.example")];
    site.ask(http::Method::GET, &format!("/{forged}/hls/seg-1.m4s"), &host).await;
    site.get(&format!("/{good}/../{good}/x")).await;
    site.get(&format!("/{good}/nothing.m4s")).await;
    site.get(&format!("/{good}%20/x")).await;
    site.get(&format!("/public/{good}/x")).await;
    site.get(&format!("/watch/{good}/manifest/video.m3u8")).await;

    let text = written();
    for secret in [&good, &forged] {
        for part in secret.split('.') {
            assert!(!text.contains(part), "{text}");
        }
    }
    assert!(!text.contains("private-note"), "{text}");
    assert_eq!(text.lines().count(), 7, "{text}");
    let denied = text.lines().nth(1).unwrap();
    for field in [
        "\"level\":\"INFO\"",
        "\"deny.code\":\"signature_invalid\"",
        "\"http.method\":\"GET\"",
        "\"http.status\":401",
        "\"path\":\"hls/seg-1.m4s\"",
        "\"key.id\":\"key-1\"",
        "\"token.fingerprint\":\"",
        "\"viewer.address\":\"192.0.2.7\"",
        "\"viewer.country\":\"unknown\"",
        "\"http.host\":\"video.example\"",
        "\"decision.id\":\"",
        "\"via\":\"gate\"",
    ] {
        assert!(denied.contains(field), "{field} in {denied}");
    }
    assert!(!denied.contains("video.id"), "nothing unverified is told: {denied}");
}

thread_local! {
    /// What was logged on this thread, which is one test's own.
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What was logged on this thread since the last call.
pub(crate) fn written() -> String {
    String::from_utf8(WRITTEN.take()).unwrap()
}

/// Writes every line of every level to [`WRITTEN`]. To be called before anything is logged anywhere: while another
/// thread meets a line for the first time, a second log would not see it.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let log = tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE);
        tracing::subscriber::set_global_default(log.with_writer(|| Writer).finish()).unwrap();
    });
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WRITTEN.with_borrow_mut(|written| written.extend(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
