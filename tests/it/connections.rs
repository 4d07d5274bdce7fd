//! What one client can take: time, connections, and answers that it does not read.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Installed, Process};

/// A server that is impatient, with a public video of 64 MiB.
struct Impatient {
    _server: Process,
    address: String,
    _installed: Installed,
}

const SIZE: usize = 64 << 20;

impl Impatient {
    fn start(name: &str) -> Self {
        let installed = Installed::new(name);
        let account = installed.json(&["account", "create", "--name", "A"])["id"].as_str().unwrap().to_owned();
        installed.json(&["video", "create", "--uid", "v1", "--require-signed-urls", "false"]);
        let folder = installed.media().join(account).join("v1");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("large.mp4"), vec![7; SIZE]).unwrap();
        installed.set("[limits]\nheader_timeout = \"1s\"\nwrite_timeout = \"1s\"\nmax_connections = 8");
        let (server, url) = installed.serve();
        Self { _server: server, address: url.strip_prefix("http://").unwrap().to_owned(), _installed: installed }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends a request for the health of the server, and gives the status.
    fn health(&self) -> String {
        let mut stream = self.connect();
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

#[test]
fn a_connection_that_does_not_get_on_is_closed() {
    let server = Impatient::start("stalled-heads");
    for start in
        ["", "G", "GET /x HTTP/1.1\r\nHost: x\r\nX-Slow: ", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut stream = server.connect();
        stream.write_all(start.as_bytes()).unwrap();
        closed_within(&mut stream, Duration::from_secs(5), start);
    }
    // One that was used and is idle.
    let mut stream = server.connect();
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    closed_within(&mut stream, Duration::from_secs(5), "idle");
}

#[test]
fn envoys_connection_that_does_not_get_on_is_closed() {
    let installed = Installed::new("stalled-grpc");
    let listener = "[[forward_auth]]\nlisten = \"127.0.0.1:0\"\npreset = \"envoy-grpc\"";
    installed.set(&format!("[limits]\nheader_timeout = \"1s\"\n{listener}"));
    let (server, _) = installed.serve();
    let log = server.log();
    let line = log.lines().find(|line| line.contains("proxies may ask")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    for start in ["", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(line["listen"].as_str().unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(start.as_bytes()).unwrap();
        closed_within(&mut stream, Duration::from_secs(8), start);
    }
}

#[test]
fn silent_connections_do_not_shut_others_out() {
    let server = Impatient::start("silent-connections");
    let silent: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    assert_eq!(server.health(), "200");
    drop(silent);
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let server = Impatient::start("stalled-read");
    let mut stream = server.connect();
    write!(stream, "GET /v1/large.mp4 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // The server's patience is the one thing that is waited for here: nothing else tells that it is over.
    std::thread::sleep(Duration::from_secs(3));
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(received.starts_with(b"HTTP/1.1 200 "));
    assert!(received.len() < SIZE, "all {} bytes arrived", received.len());
    assert_eq!(server.health(), "200");
}

#[test]
fn a_request_that_two_servers_could_read_differently_is_refused() {
    let server = Impatient::start("ambiguous-requests");
    for head in [
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ] {
        let mut stream = server.connect();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer}");
    }
}

#[track_caller]
fn closed_within(stream: &mut TcpStream, patience: Duration, what: &str) {
    let started = Instant::now();
    let end = stream.read_to_end(&mut Vec::new());
    let reset = end.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
    assert!(end.is_ok() || reset, "{what:?}: {end:?}");
    assert!(started.elapsed() < patience, "{what:?} was closed after {:?}", started.elapsed());
}
