//! HTTPS without a server in front.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client};
use serde_json::{Value, json};

use crate::support::{Answer, Authority, Process, Site, client, free_port};

/// Long enough to be read, checked and sent in many records.
const LENGTH: usize = 3_000_000;

const TAKEN_ON: &str = "the configuration was read again";
const REFUSED: &str = "the configuration cannot be used";

/// A server with a certificate of its own, and a long file.
struct Secure {
    site: Site,
    authority: Authority,
    /// Host and port.
    address: String,
    content: Vec<u8>,
}

impl Secure {
    fn start(name: &str, settings: &str) -> Self {
        let mut site = Site::start(name, "");
        let content: Vec<u8> = (0..LENGTH).map(|n| n.to_le_bytes()[1] ^ n.to_le_bytes()[0]).collect();
        std::fs::write(site.installed.media().join("a1/v1/long.ts"), &content).unwrap();
        let authority = Authority::new(name);
        authority.vouch_for("first");
        site.installed.top("public_url = \"https://video.example.com\"");
        site.installed.set(&format!("{}{settings}", tls(&authority, "first")));
        (site.server, site.url) = site.installed.serve();
        let address = ready(&site.server)["https"].as_str().unwrap().to_owned();
        Self { site, authority, address, content }
    }

    /// A new client, which trusts the authority and has no connection yet.
    fn client(&self) -> Client {
        let authority = std::fs::read(self.authority.certificate()).unwrap();
        let authority = Certificate::from_pem(&authority).unwrap();
        let idle = Duration::from_secs(5);
        Client::builder().no_proxy().tls_certs_only([authority]).pool_idle_timeout(idle).build().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}/{path}", self.address)
    }

    async fn status(&self, client: &Client, path: &str) -> u16 {
        client.get(self.url(path)).send().await.unwrap().status().as_u16()
    }

    /// What openssl's client tells of a handshake.
    fn handshake(&self, words: &[&str]) -> (bool, String) {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", &self.address, "-CAfile", &self.authority.file("ca.pem")]);
        let output = openssl.args(words).stdin(Stdio::null()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// The same of a connection with a request, to its end.
    fn ask(&self, words: &[&str]) -> (bool, String) {
        let mut asking = Asking::start(self, words);
        asking.ask("close");
        asking.end()
    }

    /// Whose certificate a new connection is shown.
    fn shown(&self) -> String {
        let (_, told) = self.handshake(&[]);
        told.lines().find_map(|line| line.strip_prefix("subject=CN = ")).unwrap_or(&told).to_owned()
    }

    /// Has the configuration read again, and waits for the line of the log that says what became of it.
    fn read_again(&mut self, said: &str) {
        let count = |log: String| log.lines().filter(|line| line.contains(said)).count();
        let before = count(self.site.server.log());
        self.site.server.signal("HUP");
        self.site.server.wait_for(|server| (count(server.log()) > before).then_some(()));
    }
}

/// A connection of openssl's client.
struct Asking(Child);

impl Asking {
    fn start(secure: &Secure, words: &[&str]) -> Self {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["s_client", "-connect", &secure.address, "-CAfile", &secure.authority.file("ca.pem")])
            .args(words);
        Self(openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn ask(&mut self, connection: &str) {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n");
        self.0.stdin.as_mut().unwrap().write_all(request.as_bytes()).unwrap();
    }

    /// What it told until the server closed the connection.
    fn end(self) -> (bool, String) {
        let mut client = self.0;
        let stdin = client.stdin.take();
        let output = client.wait_with_output().unwrap();
        drop(stdin);
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }
}

fn tls(authority: &Authority, server: &str) -> String {
    authority.tls("127.0.0.1:0", &format!("{server}.pem"), &format!("{server}.key"))
}

/// The first line of the log that says where the server listens.
fn ready(server: &Process) -> Value {
    let log = server.log();
    serde_json::from_str(log.lines().find(|line| line.contains("vidpass is ready")).unwrap()).unwrap()
}

#[tokio::test]
async fn what_is_answered_is_what_is_answered_without() {
    let secure = Secure::start("https", "");
    let (token, with, without) = (secure.site.issue(json!({})).await, secure.client(), client());
    let path = format!("{token}/long.ts");
    for (method, path, headers, expected) in [
        ("GET", &*path, &[][..], 200),
        ("HEAD", &path, &[], 200),
        ("GET", &path, &[("range", "bytes=65530-2000001")], 206),
        ("GET", &path, &[("range", "bytes=-1")], 206),
        ("GET", &path, &[("range", "bytes=9999999-")], 416),
        ("GET", &format!("{token}/manifest/video.m3u8"), &[], 200),
        ("GET", "v1/long.ts", &[], 401),
        ("GET", &format!("{token}/../v1/long%2ets"), &[], 400),
        ("POST", &path, &[], 405),
        ("GET", "healthz", &[], 200),
        ("GET", "client/v4/accounts/a1/stream", &[], 401),
    ] {
        let ask = |client: &Client, url: String| Answer::to(client.request(method.parse().unwrap(), url), headers);
        let mut secured = ask(&with, secure.url(path)).await;
        let mut plain = ask(&without, format!("{}/{path}", secure.site.url)).await;
        for answer in [&mut secured, &mut plain] {
            for own in ["date", "x-request-id", "x-vidpass-decision"] {
                answer.headers.remove(own);
            }
        }
        assert_eq!(secured.status, expected, "{method} {path} {headers:?}");
        assert_eq!((&secured.headers, secured.body.len()), (&plain.headers, plain.body.len()), "{method} {path}");
        assert!(secured.status != 206 || secured.body == plain.body, "{headers:?}");
    }
    let whole = with.get(secure.url(&path)).send().await.unwrap().bytes().await.unwrap();
    assert!(whole == secure.content);

    let request = with.post(secure.url("client/v4/accounts/a1/stream/v1/token")).json(&json!({}));
    let request = request.header("x-auth-email", secure.site.email).header("x-auth-key", &secure.site.key);
    let issued: Value = request.send().await.unwrap().json().await.unwrap();
    let token = issued["result"]["token"].as_str().unwrap();
    assert_eq!(secure.status(&with, &format!("{token}/long.ts")).await, 200);
}

#[tokio::test]
async fn only_what_is_sound_becomes_a_connection() {
    let secure = Secure::start("https-handshakes", "");
    for version in ["-tls1_2", "-tls1_3"] {
        let (done, told) = secure.handshake(&[version, "-alpn", "h2,http/1.1", "-verify_return_error"]);
        assert!(done && told.contains("ALPN protocol: http/1.1"), "{version}: {told}");
    }
    let (done, told) = secure.handshake(&["-tls1_3"]);
    assert!(done && told.contains("No ALPN negotiated"), "{told}");
    for (words, alert) in [
        // Without the security level, the client itself would not.
        (&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"][..], "handshake failure"),
        (&["-alpn", "h2"], "no application protocol"),
        (&["-tls1_2", "-cipher", "AES128-SHA"], "handshake failure"),
    ] {
        let (done, told) = secure.handshake(words);
        assert!(!done && told.contains(&format!("alert {alert}")), "{words:?}: {told}");
    }
    let session = secure.authority.file("session");
    // The session comes after the handshake.
    let (_, told) = secure.ask(&["-tls1_3", "-sess_out", &session]);
    assert!(told.contains("Max Early Data: 0") && !told.contains("Max Early Data: 1"), "{told}");
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(secure.ask(&[version, "-sess_out", &session]).1.contains("New, TLS"), "{version}");
        let (_, told) = secure.ask(&[version, "-sess_in", &session]);
        assert!(told.contains("Reused, TLS"), "{version}: {told}");
    }
    let mut plain = TcpStream::connect(&secure.address).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(plain, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer));
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(client().get(secure.url("healthz")).send().await.is_err(), "an authority that a client does not know");
    assert_eq!(secure.status(&secure.client(), "healthz").await, 200);
}

#[tokio::test]
async fn another_certificate_is_shown_once_it_is_read() {
    let mut secure = Secure::start("https-reload", "");
    let mut kept = Asking::start(&secure, &["-quiet"]);
    kept.ask("keep-alive");
    assert_eq!(secure.shown(), "first");

    secure.authority.vouch_for("second");
    let settings = tls(&secure.authority, "first");
    let (text, second) = (secure.site.installed.text(), tls(&secure.authority, "second"));
    secure.site.installed.write(&text.replace(&settings, &second));
    assert_eq!(secure.shown(), "first", "not before it is told to");
    secure.read_again(TAKEN_ON);
    assert_eq!(secure.shown(), "second");
    kept.ask("close");
    let (_, told) = kept.end();
    assert_eq!(told.matches("HTTP/1.1 200").count(), 2, "a connection that is open goes on: {told}");

    // What a renewal does: the files have the same names.
    let (renewed, key) = (secure.authority.file("second.pem"), secure.authority.file("second.key"));
    std::fs::write(&renewed, std::fs::read(secure.authority.file("first.pem")).unwrap()).unwrap();
    secure.read_again(REFUSED);
    assert!(secure.site.server.log().contains("cannot be used with tls.key_file"), "{}", secure.site.server.log());
    assert_eq!(secure.shown(), "second", "one that has another's key changes nothing");
    std::fs::write(key, std::fs::read(secure.authority.file("first.key")).unwrap()).unwrap();
    secure.read_again(TAKEN_ON);
    assert_eq!(secure.shown(), "first");
    assert!(!secure.site.server.log().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_handshake_that_does_not_get_on_is_ended() {
    let secure = Secure::start("https-silent", "[limits]\nheader_timeout = \"1s\"\nmax_connections = 2\n");
    for start in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\x00\x05\x01"] {
        let mut silent = TcpStream::connect(&secure.address).unwrap();
        silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        silent.write_all(start).unwrap();
        let began = Instant::now();
        silent.read_to_end(&mut Vec::new()).unwrap();
        let took = began.elapsed();
        assert!((Duration::from_millis(500)..Duration::from_secs(5)).contains(&took), "{start:?}: {took:?}");
    }
    let silent: Vec<_> = (0..6).map(|_| TcpStream::connect(&secure.address).unwrap()).collect();
    assert_eq!(secure.status(&secure.client(), "healthz").await, 200, "they do not shut others out");
    drop(silent);
}

#[tokio::test]
async fn connections_with_and_without_are_bounded_together() {
    let secure = Secure::start("https-bounded", "[limits]\nmax_connections = 1\n");
    let mut without = TcpStream::connect(secure.site.url.strip_prefix("http://").unwrap()).unwrap();
    write!(without, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(without.read(&mut [0; 1024]).unwrap() > 0, "it has the place");
    let (client, url) = (secure.client(), secure.url("healthz"));
    let waits = tokio::time::timeout(Duration::from_secs(1), client.get(&url).send()).await;
    assert!(waits.is_err(), "{waits:?}");
    drop(without);
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn how_connections_began_is_counted() {
    let mut secure = Secure::start("https-counted", "[limits]\nheader_timeout = \"1s\"\n");
    let admin = format!("127.0.0.1:{}", free_port());
    let words = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", &admin, "--log-format", "json"];
    secure.site.server = Process::start("https-counted-again", &mut secure.site.installed.command(&words));
    secure.site.server.wait_for(Process::listening);
    secure.address = ready(&secure.site.server)["https"].as_str().unwrap().to_owned();
    assert_eq!(secure.status(&secure.client(), "healthz").await, 200);
    assert!(!secure.handshake(&["-alpn", "h2"]).0);
    let mut silent = TcpStream::connect(&secure.address).unwrap();
    silent.read_to_end(&mut Vec::new()).unwrap();
    let metrics = client().get(format!("http://{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    for outcome in ["done", "failed", "late"] {
        let line = format!("vidpass_tls_handshakes_total{{outcome=\"{outcome}\"}} 1");
        assert!(metrics.lines().any(|counted| counted == line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn a_transfer_ends_with_its_token_or_its_file() {
    let secure = Secure::start("https-ended", "[limits]\nwrite_timeout = \"2s\"\n");
    // More than all buffers on the way hold.
    let large = secure.site.installed.media().join("a1/v1/large.ts");
    std::fs::write(&large, vec![7; 64 << 20]).unwrap();
    let token = secure.site.issue(json!({})).await;
    let begin = async || {
        let answer = secure.client().get(secure.url(&format!("{token}/large.ts"))).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer
    };
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", secure.site.server.id())).unwrap().count();
    let (before, began) = (descriptors(), Instant::now());
    let unread = begin().await;
    while descriptors() > before {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(began.elapsed() < Duration::from_millis(3500), "a client that reads nothing, for longer than it may");
    }
    assert!(began.elapsed() > Duration::from_millis(1500), "{:?}", began.elapsed());
    assert!(unread.bytes().await.is_err(), "a client that reads nothing");

    let cut = begin().await;
    std::fs::File::options().write(true).open(&large).unwrap().set_len(1 << 20).unwrap();
    assert!(cut.bytes().await.is_err(), "a file that became shorter");

    std::fs::write(&large, vec![7; 64 << 20]).unwrap();
    let revoked = begin().await;
    let (status, told) = secure.site.api("stream/revocations", &json!({ "video": "v1", "reason": "r" })).await;
    assert_eq!(status, 200, "{told}");
    assert!(revoked.bytes().await.is_err(), "a token that was taken back");
    assert_eq!(secure.status(&secure.client(), &format!("{token}/large.ts")).await, 401);
}
