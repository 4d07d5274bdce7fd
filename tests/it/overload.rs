//! Viewers while more is asked of the server than it can sign, tokens or handshakes: large, in an optimised build, as it is about time.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{Authority, Installed, Process, free_port};

/// For how long each thing is measured.
const MEASURED: Duration = Duration::from_secs(8);

/// What a viewer never notices. The client of this test wants the same cores as the server.
const UNNOTICED: Duration = Duration::from_millis(10);

/// What a viewer may wait beside more than can be done.
const MAX_WAIT: Duration = Duration::from_millis(50);

struct Load {
    url: String,
    api_token: String,
    client: Client,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make cluster-test"]
async fn large_viewers_do_not_wait_for_tokens_that_are_signed() {
    let installed = installed("overload-large");
    installed.set("[rate_limits]\nper_credential = \"off\"");
    let (_server, load, playlist) = serve(&installed).await;

    let alone = viewers(&load, &playlist).await;
    let issuing = Issuing::start(&load, 64, Arc::new("{}".to_owned()));
    let while_issuing = viewers(&load, &playlist).await;
    let answers = issuing.end().await;
    println!(
        "cluster: {} tokens a second were issued meanwhile",
        answers[&200] / usize::try_from(MEASURED.as_secs()).unwrap()
    );
    assert_eq!(answers.keys().collect::<Vec<_>>(), [&200]);
    assert!(while_issuing <= UNNOTICED.max(alone * 2), "{alone:?} alone, {while_issuing:?} while tokens were issued");

    // Keys of 4096 bits take the server more time than the client.
    let key = installed.folder().join("private.pem");
    let options = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096", "-out"];
    assert!(Command::new("openssl").arg("genpkey").args(options).arg(&key).output().unwrap().status.success());
    let body = json!({ "id": "k", "pem": std::fs::read_to_string(key).unwrap() });
    let issuing = Issuing::start(&load, 1000, Arc::new(body.to_string()));
    let overloaded = viewers(&load, &playlist).await;
    let answers = issuing.end().await;
    println!("cluster: answers to twice what can be signed: {answers:?}");
    assert_eq!(answers.keys().collect::<Vec<_>>(), [&200, &503]);
    assert!(overloaded <= MAX_WAIT, "{overloaded:?}");
    sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    assert_eq!(load.token("{}").await.0, 200);
    assert!(began.elapsed() < Duration::from_millis(100), "all is as before: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make cluster-test"]
async fn large_viewers_do_not_wait_for_handshakes() {
    let (installed, authority) = (installed("handshakes-large"), Authority::new("handshakes-large"));
    authority.vouch_for("server");
    let port = free_port();
    installed.top("public_url = \"https://video.example.com\"");
    installed.set(&authority.tls(&format!("127.0.0.1:{port}"), "server.pem", "server.key"));
    let (_server, load, playlist) = serve(&installed).await;
    let alone = viewers(&load, &playlist).await;
    // With a group of its own first, a client has the server ask for another: it is the second message that is answered with a signature.
    for (groups, flights) in [("X25519", 1), ("P-521:X25519", 2)] {
        let hello = client_hello(port, groups, flights);
        let (beside, begun) = beside_flood(&load, &playlist, port, hello).await;
        println!("cluster: {begun} handshakes a second were begun meanwhile, with {groups}");
        assert!(beside <= MAX_WAIT, "{alone:?} alone, {beside:?} beside handshakes that are begun and never ended");
    }
    let mut curl = Command::new("curl");
    curl.args(["-s", "--cacert", &authority.file("ca.pem"), &format!("https://127.0.0.1:{port}/healthz")]);
    assert!(curl.output().unwrap().status.success(), "whoever ends a handshake gets an answer");
}

/// Within which time 99 of 100 viewers are answered while handshakes are begun with `hello`, and how many were in a second.
async fn beside_flood(load: &Load, playlist: &str, port: u16, hello: Vec<u8>) -> (Duration, usize) {
    let ends = Arc::new(AtomicBool::new(false));
    let flooder = {
        let ends = Arc::clone(&ends);
        std::thread::spawn(move || flood(port, &hello, &ends))
    };
    let beside = viewers(load, playlist).await;
    ends.store(true, Ordering::Relaxed);
    let begun = flooder.join().unwrap();
    (beside, begun / usize::try_from(MEASURED.as_secs()).unwrap())
}

/// Begins 2,000 handshakes a second, many at once, and goes on with none. Gives how many.
fn flood(port: u16, hello: &[u8], ends: &AtomicBool) -> usize {
    const AT_ONCE: usize = 400;
    const PAUSE: Duration = Duration::from_millis(200);
    // So that the server answers before the connection ends.
    const OPEN: usize = 500;
    let (mut open, mut begun, began) = (VecDeque::new(), 0, Instant::now());
    while !ends.load(Ordering::Relaxed) {
        for _ in 0..AT_ONCE {
            let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
            connection.write_all(hello).unwrap();
            open.push_back(connection);
            if open.len() > OPEN {
                open.pop_front();
            }
        }
        begun += AT_ONCE;
        let due = PAUSE * u32::try_from(begun / AT_ONCE).unwrap();
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    begun
}

/// What openssl's client, which knows these groups, sends until it has sent so many times.
fn client_hello(port: u16, groups: &str, flights: usize) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-groups", groups, "-connect", &listener.local_addr().unwrap().to_string()]);
    let mut client = openssl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (mut near, mut far) = (listener.accept().unwrap().0, TcpStream::connect(("127.0.0.1", port)).unwrap());
    let (mut hello, mut piece) = (Vec::new(), [0; 4096]);
    for flight in 0..flights {
        if flight > 0 {
            let answered = far.read(&mut piece).unwrap();
            near.write_all(&piece[..answered]).unwrap();
        }
        let sent = near.read(&mut piece).unwrap();
        far.write_all(&piece[..sent]).unwrap();
        hello.extend_from_slice(&piece[..sent]);
    }
    drop(near);
    client.wait().unwrap();
    assert_eq!(hello[0], 22, "a record of a handshake");
    hello
}

/// A server with account `a1`, and video `v1` with a playlist.
fn installed(name: &str) -> Installed {
    let installed = Installed::new(name);
    installed.json(&["account", "create", "--name", "A", "--id", "a1"]);
    installed.json(&["video", "create", "--uid", "v1"]);
    let manifest = installed.media().join("a1/v1/manifest");
    std::fs::create_dir_all(&manifest).unwrap();
    std::fs::write(manifest.join("video.m3u8"), "#EXTM3U\n").unwrap();
    installed
}

/// Starts it, and gives the path of the playlist with a token.
async fn serve(installed: &Installed) -> (Process, Arc<Load>, String) {
    let api_token = installed.json(&["api-token", "create", "--name", "T"])["token"].as_str().unwrap().to_owned();
    let (server, url) = installed.serve();
    let load = Arc::new(Load { url, api_token, client: Client::new() });
    let playlist = format!("/{}/manifest/video.m3u8", load.token("{}").await.1);
    (server, load, playlist)
}

/// Asks as a viewer does, 100 times a second, and gives the time within which 99 of 100 were answered.
///
/// On a thread of its own: the callers of this process must not hold the viewer up before the server is asked.
async fn viewers(load: &Load, path: &str) -> Duration {
    let (address, path) = (load.url.strip_prefix("http://").unwrap().to_owned(), path.to_owned());
    let asking = tokio::task::spawn_blocking(move || {
        let mut viewer = TcpStream::connect(address).unwrap();
        viewer.set_nodelay(true).unwrap();
        let (began, mut times, mut answer) = (Instant::now(), Vec::new(), [0; 4096]);
        while began.elapsed() < MEASURED {
            let asked = Instant::now();
            viewer.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
            // Head and playlist are one packet.
            let read = viewer.read(&mut answer).unwrap();
            let text = String::from_utf8_lossy(&answer[..read]);
            assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("#EXTM3U\n"), "{text}");
            times.push(asked.elapsed());
            std::thread::sleep(Duration::from_millis(10));
        }
        times.sort_unstable();
        [50, 99].map(|percent| times[times.len() * percent / 100])
    });
    let [half, most] = asking.await.unwrap();
    println!("cluster: viewers were answered within {half:?} (median), {most:?} (99 %)");
    most
}

/// Those who ask for tokens without a pause.
struct Issuing {
    ends: Arc<AtomicBool>,
    callers: JoinSet<BTreeMap<u16, usize>>,
}

impl Issuing {
    fn start(load: &Arc<Load>, callers: usize, body: Arc<String>) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let caller = || {
            let (ends, load, body) = (Arc::clone(&ends), Arc::clone(load), Arc::clone(&body));
            async move {
                let mut answers = BTreeMap::new();
                while !ends.load(Ordering::Relaxed) {
                    let (status, _) = load.token(&body).await;
                    *answers.entry(status).or_default() += 1;
                    // Whoever is told to wait does, though not for as long as they are told.
                    if status == 503 {
                        sleep(Duration::from_millis(300)).await;
                    }
                }
                answers
            }
        };
        let callers = (0..callers).map(|_| caller()).collect();
        Self { ends, callers }
    }

    /// How often each status was answered.
    async fn end(self) -> BTreeMap<u16, usize> {
        self.ends.store(true, Ordering::Relaxed);
        let mut all = BTreeMap::new();
        for answers in self.callers.join_all().await {
            for (status, count) in answers {
                *all.entry(status).or_default() += count;
            }
        }
        all
    }
}

impl Load {
    /// Asks for a token, and gives the status and the token.
    async fn token(&self, body: &str) -> (u16, String) {
        let url = format!("{}/client/v4/accounts/a1/stream/v1/token", self.url);
        let request = self.client.post(url).bearer_auth(&self.api_token).header("content-type", "application/json");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let status = answer.status().as_u16();
        if status == 503 {
            assert_eq!(answer.headers()["retry-after"], "1");
        }
        let answer: serde_json::Value = answer.json().await.unwrap();
        (status, answer["result"]["token"].as_str().unwrap_or_default().to_owned())
    }
}
