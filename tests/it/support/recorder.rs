//! An origin that keeps what it hears.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers every request with 200, but for paths that end in the number of another status, and says what a careless
/// origin says: where to go instead, and that everybody may keep it.
pub(crate) struct Recorder {
    pub(crate) address: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &kept);
            }
        });
        Self { address, heard }
    }

    /// Each request so far, with all its bytes.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, kept: &Mutex<Vec<String>>) {
    // Whatever comes besides the head comes at once.
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (mut heard, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        heard.extend_from_slice(&chunk[..length]);
    }
    let heard = String::from_utf8_lossy(&heard).into_owned();
    let path = heard.split(' ').nth(1).unwrap_or_default();
    let status = path.rsplit('/').next().and_then(|name| name.parse().ok()).unwrap_or(200_u16);
    kept.lock().unwrap().push(heard);
    let head =
        "Location: http://elsewhere.example/\r\nCache-Control: public, max-age=31536000\r\nConnection: close\r\n";
    let _ = write!(stream, "HTTP/1.1 {status} Recorded\r\nContent-Length: 4\r\n{head}\r\nfine");
}
