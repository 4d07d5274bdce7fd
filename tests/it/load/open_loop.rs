//! Viewers who come when they come, whether or not those before them were answered.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What became of the requests.
#[derive(Default)]
pub(super) struct Outcome {
    /// How long the answers of those took that were let in.
    pub(super) admitted: Vec<Duration>,
    /// And of those that were turned away.
    pub(super) refused: Vec<Duration>,
    /// How many came while every connection waited for an answer, and went.
    gone: u64,
}

/// One request at a time.
struct Connection {
    stream: TcpStream,
    sent: Option<Instant>,
    answer: Vec<u8>,
}

/// Sends `requests` in turn, so many a second, over so many connections. It never sleeps: a wake-up would be charged to whoever
/// wakes it.
pub(super) fn offer(address: &str, requests: &[String], connections: usize, rate: f64, time: Duration) -> Outcome {
    let mut all: Vec<Connection> = (0..connections).map(|_| Connection::open(address)).collect();
    let mut idle: Vec<usize> = (0..connections).collect();
    let (begun, mut outcome, mut came) = (Instant::now(), Outcome::default(), 0_usize);
    let mut busy: Vec<usize> = Vec::with_capacity(connections);
    while begun.elapsed() < time || !busy.is_empty() && begun.elapsed() < time * 2 {
        let due = if begun.elapsed() < time { begun.elapsed().as_secs_f64() * rate } else { 0.0 };
        while (came as f64) < due {
            match idle.pop() {
                Some(place) => {
                    all[place].send(&requests[came % requests.len()]);
                    busy.push(place);
                }
                None if rate.is_infinite() => break,
                None => outcome.gone += 1,
            }
            came += 1;
        }
        busy.retain(|place| {
            let Some((status, took)) = all[*place].answered() else { return true };
            match status {
                200 => outcome.admitted.push(took),
                503 => outcome.refused.push(took),
                other => panic!("{other}: {}", String::from_utf8_lossy(&all[*place].answer)),
            }
            idle.push(*place);
            false
        });
    }
    assert!(busy.is_empty(), "{} were never answered", busy.len());
    outcome
}

impl Connection {
    fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, sent: None, answer: Vec::new() }
    }

    fn send(&mut self, request: &str) {
        self.answer.clear();
        self.sent = Some(Instant::now());
        self.stream.write_all(request.as_bytes()).unwrap();
    }

    /// Status and time, once the answer is there as a whole.
    fn answered(&mut self) -> Option<(u16, Duration)> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => panic!("the connection was closed"),
            Ok(read) => self.answer.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("{error}"),
        }
        let head = self.answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&self.answer[..head]).unwrap();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let whole = self.answer.len() - head == length.parse::<usize>().unwrap();
        whole.then(|| (text[9..12].parse().unwrap(), self.sent.unwrap().elapsed()))
    }
}

impl Outcome {
    pub(super) fn p99(of: &[Duration]) -> Duration {
        let mut sorted = of.to_vec();
        sorted.sort_unstable();
        sorted[(sorted.len() * 99 / 100).min(sorted.len() - 1)]
    }

    pub(super) fn told(&self) -> String {
        let told = |of: &[Duration]| {
            if of.is_empty() { "none".to_owned() } else { format!("{} within {:?}", of.len(), Self::p99(of)) }
        };
        let (admitted, refused) = (told(&self.admitted), told(&self.refused));
        format!("99 of 100 let in of {admitted}, turned away of {refused}; {} found no connection", self.gone)
    }
}
