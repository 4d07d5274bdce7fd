//! What a server takes when it has nothing to do, and how soon it is there.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, ensure};
use rustix::process::{Resource, getrlimit};

use crate::Bench;
use crate::bar::Outcome;
use crate::contest::{Better, Candidate, compete};
use crate::http_text::{self, Head};
use crate::nginx::{self, Site};
use crate::process::Process;
use crate::tokens::{self, viewer};
use crate::vidpass::Vidpass;

/// As many as are wanted, where the limit of open files lets both servers have them: vidpass keeps two for each.
const IDLE: usize = 10_000;
const EACH: u64 = 2;
const BESIDE: u64 = 1_000;

pub(crate) fn memory(bench: &Bench) -> anyhow::Result<Outcome> {
    const FILE: &str = "manifest/video.m3u8";
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let idle = IDLE.min(usize::try_from(files.saturating_sub(BESIDE) / EACH).unwrap_or(IDLE));
    let vidpass = Vidpass::new(bench)?;
    vidpass.put(FILE, b"#EXTM3U\n")?;
    let media = vidpass.media();
    let token = tokens::sign(&vidpass.key, 2)?.remove(0);
    let with_token = http_text::get(&format!("/{token}/{FILE}"), &[("X-Forwarded-For", &viewer(0))]);
    let plain = http_text::get(&format!("/{FILE}"), &[]);

    // What a process keeps of an earlier round is not this round's, so each has new ones.
    let figures = compete(
        bench.rounds,
        Better::Less,
        Candidate::new("vidpass", || {
            let gate = vidpass.serve()?;
            with_idle_connections(&gate.process, gate.listen, &with_token, idle)
        }),
        vec![Candidate::new("nginx", || {
            let site = Site { template: "nginx-files.conf", root: &media, asked: 0, tcp_nopush: true, tls: None };
            let nginx = nginx::start(bench, &site)?;
            with_idle_connections(&nginx.process, nginx.address, &plain, idle)
        })],
    )?;
    let enough = if idle < IDLE { ", all that this machine's limit of open files has room for" } else { "" };
    Ok(Outcome::Measured(figures.remark(format!(
        "{idle} connections{enough}; each was answered once; proportional set size (Pss) of all processes, in a new server each round."
    ))))
}

/// How much memory a server takes while it has many connections on which nothing happens.
#[expect(clippy::cast_precision_loss, reason = "a count of KiB is far below 2^52")]
fn with_idle_connections(server: &Process, address: SocketAddr, request: &[u8], count: usize) -> anyhow::Result<f64> {
    let mut idle = Vec::new();
    for number in 0..count {
        let stream = answered(address, request).with_context(|| format!("connection {number}"))?;
        idle.push(stream);
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let memory = server.memory()?;
    // All of them were there to the end.
    for (number, stream) in idle.iter().enumerate() {
        stream.set_nonblocking(true)?;
        let is_open = stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        ensure!(is_open, "idle connection {number} was closed");
    }
    Ok(memory as f64)
}

/// A connection on which one request was answered.
fn answered(address: SocketAddr, request: &[u8]) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request)?;
    let mut read = vec![0; 4096];
    let mut there = 0;
    loop {
        let count = stream.read(&mut read[there..])?;
        ensure!(count > 0, "closed");
        there += count;
        if let Some(head) = Head::read(&read[..there])? {
            ensure!(head.status == 200, "status {}", head.status);
            if there == head.length + usize::try_from(head.body)? {
                return Ok(stream);
            }
        }
    }
}

pub(crate) fn start(bench: &Bench) -> anyhow::Result<Outcome> {
    let vidpass = Vidpass::new(bench)?;
    let figures = compete(
        bench.rounds.max(9),
        Better::Less,
        Candidate::new("vidpass", || Ok(vidpass.time_to_first_answer()?.as_secs_f64() * 1e3)),
        Vec::new(),
    )?;
    Ok(Outcome::Measured(
        figures.remark("Issuer and gate on SQLite, a warm page cache; asked again and again from the start."),
    ))
}
