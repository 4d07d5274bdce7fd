//! What a gate does where too many ask, or read as slowly as they can. In an optimised build, with figures.

mod open_loop;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use vidpass_token::{Algorithm, Claims, SigningKey, UnixTime};

use self::open_loop::{Outcome, offer};
use crate::support::{Installed, Process, now};

const SLOW_READERS: usize = 10_000;

/// How many tokens viewers have in turn: more than a gate remembers, so that most signatures are checked.
const TOKENS: usize = 60_000;

/// How long what is admitted may take under a load of twice what can be done, and how long after it nothing is slow.
const MAX_WAIT: Duration = Duration::from_millis(50);
const RECOVERY: Duration = Duration::from_secs(2);

#[test]
#[ignore = "10,000 connections: see `make cluster-test`"]
fn large_ten_thousand_slow_readers_hinder_nobody() {
    let files = raise_open_files();
    // The server takes two descriptors for each connection, and keeps some for all else.
    let slow_readers = SLOW_READERS.min(files / 2 - 200);
    let gate = Gate::start("slow-readers");
    let alone = gate.segments(Duration::from_secs(5));
    let memory = gate.server.resident();
    let mut readers: Vec<TcpStream> = (0..slow_readers).map(|_| gate.slow_reader("/open/large.mp4")).collect();
    let beside = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            for _ in 0..20 {
                let second = Instant::now();
                for reader in &mut readers {
                    let _ = reader.read(&mut [0]);
                }
                std::thread::sleep(Duration::from_secs(1).saturating_sub(second.elapsed()));
            }
        });
        std::thread::sleep(Duration::from_secs(5));
        let beside = gate.segments(Duration::from_secs(10));
        reading.join().unwrap();
        beside
    });
    let grown = gate.server.resident() - memory;
    println!("cluster: a segment of 1 MiB beside nobody: {alone}");
    println!("cluster: beside {slow_readers} who read a byte a second: {beside}");
    println!("cluster: they take {} MiB, {} KiB each", grown >> 10, grown as f64 / slow_readers as f64);
    assert!(grown < 256 << 10, "{grown} KiB");
    assert!(beside.longest < Duration::from_secs(1));
}

#[test]
#[ignore = "it takes a core of its own: see `make cluster-test`"]
fn large_twice_the_load_is_turned_away_at_once() {
    raise_open_files();
    let gate = Gate::start("twice-the-load");
    gate.keep_to_core(1);
    let tokens = gate.tokens();
    let whole = offer(&gate.address, &tokens, 32, f64::INFINITY, Duration::from_secs(4));
    let capacity = whole.admitted.len() as f64 / 4.0;
    let memory = gate.server.resident();
    let twice = offer(&gate.address, &tokens, 4000, 2.0 * capacity, Duration::from_secs(8));
    let grown = gate.server.resident().saturating_sub(memory);
    std::thread::sleep(RECOVERY);
    let after = offer(&gate.address, &tokens, 32, 0.2 * capacity, Duration::from_secs(3));
    println!("cluster: one core decides {capacity:.0} new tokens a second");
    println!("cluster: at twice that: {}", twice.told());
    println!("cluster: two seconds after: {}", after.told());
    println!("cluster: it took {} MiB", grown >> 10);
    assert!(!twice.refused.is_empty() && !twice.admitted.is_empty());
    assert!(Outcome::p99(&twice.admitted) <= MAX_WAIT);
    assert!(after.refused.is_empty());
    assert!(grown < 256 << 10, "{grown} KiB");
}

fn ask(mut stream: TcpStream, path: &str, timeout: Duration) -> TcpStream {
    stream.set_read_timeout(Some(timeout)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

/// Raises the limit of open files, which the server inherits, and says how many there may be.
fn raise_open_files() -> usize {
    const WANTED: u64 = 40_000;
    let both = |files| Rlimit { current: Some(files), maximum: Some(files) };
    if setrlimit(Resource::Nofile, both(WANTED)).is_err() {
        let allowed = getrlimit(Resource::Nofile).maximum.unwrap();
        setrlimit(Resource::Nofile, both(allowed)).unwrap();
    }
    usize::try_from(getrlimit(Resource::Nofile).current.unwrap()).unwrap()
}

/// A gate with a video for everybody and one that needs a token, and the key for it.
struct Gate {
    server: Process,
    address: String,
    key: SigningKey,
    _installed: Installed,
}

/// How long segments took.
struct Latencies {
    p50: Duration,
    p99: Duration,
    longest: Duration,
}

impl Gate {
    fn start(name: &str) -> Self {
        let installed = Installed::new(name);
        installed.json(&["account", "create", "--name", "Owner", "--id", "owner"]);
        installed.json(&["video", "create", "--uid", "open", "--require-signed-urls", "false"]);
        installed.json(&["video", "create", "--uid", "private"]);
        let key = installed.json(&["key", "create", "--alg", "ES256"]);
        for (video, size) in [("open", 64 << 20), ("private", 16)] {
            let folder = installed.media().join("owner").join(video);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("large.mp4"), vec![7; size]).unwrap();
            std::fs::write(folder.join("segment.m4s"), vec![7; size.min(1 << 20)]).unwrap();
        }
        // Whoever waits for a turn is not idle to this test.
        installed.set("[limits]\nmax_connections = 12000\nheader_timeout = \"60s\"");
        let (server, url) = installed.serve();
        let key = SigningKey::from_jwk(None, key["jwk"].as_str().unwrap()).unwrap();
        Self { server, address: url.strip_prefix("http://").unwrap().to_owned(), key, _installed: installed }
    }

    fn keep_to_core(&self, core: usize) {
        let pid = self.server.id().to_string();
        let status = Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &pid]).output().unwrap().status;
        assert!(status.success());
    }

    /// A connection on which a request was sent.
    fn request(&self, path: &str, timeout: Duration) -> TcpStream {
        ask(TcpStream::connect(&self.address).unwrap(), path, timeout)
    }

    /// The same for who keeps little: elsewhere the buffers of slow readers are on machines of their own, and here the kernel would count
    /// them with those of the server.
    fn slow_reader(&self, path: &str) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&self.address.parse::<SocketAddr>().unwrap().into()).unwrap();
        ask(socket.into(), path, Duration::from_secs(60))
    }

    /// Fetches a segment every 20 ms.
    fn segments(&self, time: Duration) -> Latencies {
        let (end, mut took) = (Instant::now() + time, Vec::new());
        while Instant::now() < end {
            let begun = Instant::now();
            let mut answer = Vec::new();
            let mut stream = self.request("/open/segment.m4s", Duration::from_secs(10));
            stream.read_to_end(&mut answer).unwrap();
            drop(stream.shutdown(Shutdown::Both));
            assert!(answer.starts_with(b"HTTP/1.1 200") && answer.len() > 1 << 20, "{} bytes", answer.len());
            took.push(begun.elapsed());
            std::thread::sleep(Duration::from_millis(20).saturating_sub(begun.elapsed()));
        }
        took.sort_unstable();
        let at = |part: usize| took[took.len() * part / 100];
        Latencies { p50: at(50), p99: at(99), longest: *took.last().unwrap() }
    }

    /// Requests with a token each.
    fn tokens(&self) -> Vec<String> {
        assert_eq!(self.key.algorithm(), Algorithm::Es256);
        let request = |number| {
            let claims = Claims {
                token_id: Some(format!("t{number}").parse().unwrap()),
                ..Claims::new("private".parse().unwrap(), UnixTime(now() + 3600))
            };
            let token = self.key.sign(&claims).unwrap();
            format!("GET /{}/segment.m4s HTTP/1.1\r\nHost: x\r\n\r\n", token.as_str())
        };
        (0..TOKENS).map(request).collect()
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:?} p99 {:?} longest {:?}", self.p50, self.p99, self.longest)
    }
}
