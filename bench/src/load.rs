//! The load: one thread that never sleeps, on kept connections, one request at a time on each.
//!
//! A generator that sleeps would have the server's kernel wake it, and the server be charged. Bodies are dropped in the
//! kernel (`MSG_TRUNC`), so that no core is busy copying what nobody looks at. An answer of another status or length than the
//! request should get ends the run.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio_rustls::rustls::ClientConfig;

use crate::http_text::Head;
use crate::process::Process;
use crate::secure::Secure;

/// A request, and what answers it.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) request: Vec<u8>,
    pub(crate) status: u16,
    /// The length of the body.
    pub(crate) body: u64,
}

/// Requests that are sent again and again, in this order, by so many connections.
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) exchanges: &'a [Exchange],
    /// How it is asked over TLS; `None` is without.
    pub(crate) tls: Option<&'a Arc<ClientConfig>>,
}

/// How long a part of a run is.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    Answers(usize),
}

/// What was counted while it was measured.
pub(crate) struct Sample {
    pub(crate) answers: usize,
    /// Of all processes of the server.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    latencies: Vec<Duration>,
}

impl Load<'_> {
    fn connect(&self) -> anyhow::Result<(TcpStream, Answer)> {
        if let Some(clients) = self.tls {
            let (stream, secure) = Secure::begin(clients, self.address, &self.exchanges[0])?;
            return Ok((stream, Answer::Secure(Box::new(secure))));
        }
        let stream = TcpStream::connect(self.address).with_context(|| format!("{} refuses", self.address))?;
        stream.set_nodelay(true)?;
        Ok((stream, Answer::Plain { head: vec![0; HEAD], state: State::Head(0) }))
    }

    /// Runs the load, and counts after the warm-up. `servers` are all that work for the answers.
    pub(crate) fn run(&self, servers: &[&Process], warm_up: Until, window: Until) -> anyhow::Result<Sample> {
        let mut run = Run::start(self)?;
        run.go_on(warm_up)?;
        run.latencies.clear();
        let cpu = || servers.iter().map(|server| server.cpu()).sum::<Duration>();
        let (cpu_before, started) = (cpu(), Instant::now());
        run.go_on(window)?;
        let (cpu_after, wall) = (cpu(), started.elapsed());
        let cpu = cpu_after.saturating_sub(cpu_before);
        Ok(Sample { answers: run.latencies.len(), cpu, wall, latencies: run.latencies })
    }
}

impl Sample {
    #[expect(clippy::cast_precision_loss, reason = "a count of answers is far below 2^52")]
    pub(crate) fn per_cpu_second(&self) -> anyhow::Result<f64> {
        ensure!(!self.cpu.is_zero(), "no CPU time was counted in {:?}", self.wall);
        Ok(self.answers as f64 / self.cpu.as_secs_f64())
    }

    /// The median time from a request to the end of its answer, in microseconds.
    pub(crate) fn median_latency(mut self) -> anyhow::Result<f64> {
        self.latencies.sort();
        let median = self.latencies.get(self.latencies.len() / 2).context("nothing was answered")?;
        Ok(median.as_secs_f64() * 1e6)
    }
}

/// A load that runs.
struct Run<'a> {
    load: &'a Load<'a>,
    ready: OwnedFd,
    connections: Vec<Connection>,
    /// Which request is next.
    next: usize,
    latencies: Vec<Duration>,
    /// Where bodies are dropped: the kernel writes nothing there, and takes the length as how much to drop.
    nowhere: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// Which request it waits for.
    exchange: usize,
    sent: Instant,
    answer: Answer,
}

/// What has come of an answer.
enum Answer {
    Plain { head: Vec<u8>, state: State },
    Secure(Box<Secure>),
}

enum State {
    /// Of the head, so many bytes are there.
    Head(usize),
    /// Of the body, so many bytes are missing.
    Body(u64),
}

/// The longest head; what comes with it of the body is copied, and the rest is not.
const HEAD: usize = 4096;

/// As much of a body as is dropped at once.
const DROPPED: usize = 1 << 20;

/// For how long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(5);

impl<'a> Run<'a> {
    fn start(load: &'a Load<'a>) -> anyhow::Result<Self> {
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut run =
            Run { load, ready, connections: Vec::new(), next: 0, latencies: Vec::new(), nowhere: vec![0; DROPPED] };
        for number in 0..load.connections {
            let (stream, answer) = load.connect()?;
            stream.set_nonblocking(true)?;
            epoll::add(&run.ready, &stream, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?;
            run.connections.push(Connection { stream, exchange: 0, sent: Instant::now(), answer });
            run.send(number)?;
        }
        Ok(run)
    }

    fn go_on(&mut self, until: Until) -> anyhow::Result<()> {
        let (started, answered) = (Instant::now(), self.latencies.len());
        let mut events = Vec::with_capacity(64);
        let mut heard = started;
        loop {
            epoll::wait(&self.ready, spare_capacity(&mut events), Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
            let now = Instant::now();
            if events.is_empty() {
                ensure!(now - heard < PATIENCE, "{} has fallen silent", self.load.address);
            } else {
                heard = now;
            }
            for event in events.drain(..) {
                let number = usize::try_from(event.data.u64())?;
                let exchange = self.connections[number].exchange;
                self.receive(number).with_context(|| format!("the answer to request {exchange}"))?;
            }
            let is_over = match until {
                Until::Elapsed(span) => now - started >= span,
                Until::Answers(count) => self.latencies.len() - answered >= count,
            };
            if is_over {
                return Ok(());
            }
        }
    }

    fn send(&mut self, number: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[number];
        connection.exchange = self.next;
        connection.sent = Instant::now();
        let request = &self.load.exchanges[self.next].request;
        // A request is short and the connection idle, so there is room for all of it.
        match &mut connection.answer {
            Answer::Plain { state, .. } => {
                *state = State::Head(0);
                ensure!(connection.stream.write(request)? == request.len(), "there was no room for a request");
            }
            Answer::Secure(secure) => secure.send(&connection.stream, request)?,
        }
        self.next = (self.next + 1) % self.load.exchanges.len();
        Ok(())
    }

    /// Takes what has come.
    fn receive(&mut self, number: usize) -> anyhow::Result<()> {
        let Connection { stream, exchange, sent, answer } = &mut self.connections[number];
        let is_whole = match answer {
            Answer::Plain { head, state } => {
                state.receive(stream, head, &self.load.exchanges[*exchange], &mut self.nowhere)?
            }
            Answer::Secure(secure) => secure.receive(stream, &mut self.nowhere)?,
        };
        if is_whole {
            self.latencies.push(sent.elapsed());
            self.send(number)?;
        }
        Ok(())
    }
}

impl State {
    /// Takes what has come, and gives whether the answer is whole. The first of a body comes with the `head`.
    fn receive(
        &mut self,
        stream: &TcpStream,
        head: &mut [u8],
        expected: &Exchange,
        nowhere: &mut [u8],
    ) -> anyhow::Result<bool> {
        let missing = match *self {
            Self::Head(there) => {
                let Some(count) = received(recv(stream, &mut head[there..], RecvFlags::empty()))? else {
                    return Ok(false);
                };
                let there = there + count;
                let Some(head) = Head::read(&head[..there])? else {
                    ensure!(there < HEAD, "a head of more than {HEAD} bytes");
                    *self = Self::Head(there);
                    return Ok(false);
                };
                if (head.status, head.body) != (expected.status, expected.body) {
                    let (status, body) = (expected.status, expected.body);
                    bail!("{} with {} bytes instead of {status} with {body}", head.status, head.body);
                }
                let came = (there - head.length) as u64;
                head.body.checked_sub(came).context("more came than was announced")?
            }
            Self::Body(missing) => {
                let most = usize::try_from(missing)?.min(DROPPED);
                let Some(count) = received(recv(stream, &mut nowhere[..most], RecvFlags::TRUNC))? else {
                    return Ok(false);
                };
                missing - count as u64
            }
        };
        *self = Self::Body(missing);
        Ok(missing == 0)
    }
}

/// How many bytes came; `None` where none have yet.
fn received(result: rustix::io::Result<(usize, usize)>) -> anyhow::Result<Option<usize>> {
    match result {
        Ok((_, 0)) => bail!("the connection was closed"),
        Ok((_, count)) => Ok(Some(count)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
