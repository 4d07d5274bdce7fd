//! SIGTERM lets running requests finish.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::support::Demo;

#[tokio::test]
async fn a_running_download_finishes_and_new_connections_are_refused() {
    let mut demo = Demo::start("shutdown");
    let token = demo.issue(json!({ "downloadable": true })).await;
    let file = demo.folder().join("media").join(&demo.account).join(&demo.video).join("downloads/default.mp4");
    // Larger than all socket buffers, so that the server is still sending when it is told to stop.
    let size = 64 << 20;
    std::fs::write(&file, vec![7; size]).unwrap();
    let address = demo.url.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET /{token}/downloads/default.mp4 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut start = [0; 1000];
    stream.read_exact(&mut start).unwrap();
    demo.process.signal("TERM");
    demo.process.wait_for(|demo| demo.log().contains("no new connections").then_some(()));
    let refused = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        TcpStream::connect(&address).is_err()
    });
    assert!(refused, "new connections are still taken");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() + start.len() > size, "{} bytes", rest.len() + start.len());
    assert_eq!(demo.process.ended().code(), Some(0));
}
