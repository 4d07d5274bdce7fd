//! The one accept loop: HTTP over TCP, with a limit on everything that a client can drag out.
//!
//! `axum::serve` never closes a request whose head does not end, so connections are served here, on `hyper` with a
//! timer; before that, what reads and carries nothing is answered without it ([`serve_plain`]), where the kernel can send the
//! files. Clients speak HTTP/1.1, over TLS or without; only Envoy, for gRPC, speaks HTTP/2, on a listener of its own.

use std::convert::Infallible;
use std::future::Future;
use std::io::Cursor;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::OptionFuture;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tracing::warn;
use vidpass_gate::{Handover, PlainAnswer, PlainLimits, PlainRequest, bound_ahead, serve_plain};
use vidpass_token::Clock;

use crate::config::ConnectionLimits;
use crate::tls::Tls;

/// The longest head of a request, in bytes: a path of 8 KiB and as much again for headers, twice.
const MAX_HEAD: usize = 32 * 1024;

/// How many headers a request may have.
const MAX_HEADERS: usize = 64;

/// How long to wait before accepting again where the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many calls one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 1000;

/// What is spoken on a listener.
#[derive(Clone)]
pub(crate) enum Protocol {
    Http1,
    Https(Tls),
    /// Without TLS, from the first byte (RFC 9113, section 3.3).
    Http2,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What answers the requests of a listener.
#[derive(Clone)]
pub(crate) struct Handlers<H, P> {
    /// All of them.
    pub(crate) all: H,
    /// Those that read and carry nothing, where it wants to: see [`serve_plain`].
    pub(crate) plain: P,
}

/// As many places as there may be connections at once, on all listeners that share them.
#[derive(Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Places {
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(Semaphore::new(limits.max_connections.min(connections_that_fit()))))
    }
}

/// Serves on `listener` until `stop` resolves, then lets running requests finish, for as long as
/// `limits.shutdown_timeout` at most.
pub(crate) async fn serve<H, F, B, P>(
    (listener, protocol): (TcpListener, Protocol),
    places: Places,
    limits: ConnectionLimits,
    clock: Clock,
    handlers: Handlers<H, P>,
    stop: impl Future<Output = ()>,
) where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    P: Fn(&PlainRequest<'_>) -> PlainAnswer + Clone + Send + Sync + 'static,
{
    let (stopped, stopping) = watch::channel(false);
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    let mut accepting = true;
    loop {
        let place = Arc::clone(&places.0).acquire_owned();
        let accepted = tokio::select! {
            // In this order: a listener that waits for a client keeps no place from the others.
            accepted = async {
                let accepted = listener.accept().await;
                (place.await, accepted)
            } => accepted,
            () = &mut stop => break,
        };
        let (Ok(place), Ok((stream, peer))) = accepted else {
            if std::mem::take(&mut accepting) {
                warn!("no connection can be accepted, most likely for want of file descriptors; trying again");
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        accepting = true;
        // A refusal or a short segment is one small packet; it must not wait for the next.
        drop(stream.set_nodelay(true));
        let Handlers { all, plain } = handlers.clone();
        let service = service_fn(move |request| {
            let answer = all(request, peer);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let watcher = graceful.watcher();
        match &protocol {
            Protocol::Http1 => {
                let plain = serve_plain(stream, peer, &limits.of_plain_requests(), &clock, stopping.clone(), plain);
                // An `async` block would keep what is moved into it beside what becomes of it.
                tokio::spawn(plain.then(move |rest| {
                    // Apart, since most connections never come here, and each would hold memory for it. One that a client breaks
                    // off is the client's affair.
                    let rest = rest.map(|handover| {
                        let stream = timed(resumed(handover), None, limits);
                        Box::pin(watcher.watch(http1(limits).serve_connection(TokioIo::new(stream), service)))
                    });
                    OptionFuture::from(rest).map(|_| drop(place))
                }));
            }
            Protocol::Https(tls) => {
                bound_ahead(&stream);
                // Below TLS, which has room of its own: what it takes is not read yet.
                let stream = timed(stream, None, limits);
                let (tls, mut stopping) = (tls.clone(), stopping.clone());
                tokio::spawn(async move {
                    let secure = tokio::select! {
                        secure = tls.accept(stream, limits.header_timeout) => secure,
                        _ = stopping.wait_for(|stop| *stop) => None,
                    };
                    if let Some(stream) = secure {
                        let served = http1(limits).serve_connection(TokioIo::new(stream), service);
                        drop(watcher.watch(served).await);
                    }
                    drop(place);
                });
            }
            Protocol::Http2 => {
                // The timer of `hyper` begins with the client's first frame; from then on its pings are answered in less time.
                let stream = timed(stream, Some(limits.header_timeout * 3), limits);
                let served = watcher.watch(http2(limits).serve_connection(TokioIo::new(stream), service));
                tokio::spawn(served.map(|_| drop(place)));
            }
        }
    }
    stopped.send_replace(true);
    drop(listener);
    if tokio::time::timeout(limits.shutdown_timeout, graceful.shutdown()).await.is_err() {
        warn!(seconds = limits.shutdown_timeout.as_secs(), "requests were still running and are cut off");
    }
}

/// The connection from the first byte of the request that it is handed over with.
fn resumed(Handover { stream, read }: Handover) -> impl AsyncRead + AsyncWrite + Send {
    let (reading, writing) = stream.into_split();
    tokio::io::join(Cursor::new(read).chain(reading), writing)
}

impl ConnectionLimits {
    fn of_plain_requests(self) -> PlainLimits {
        PlainLimits { header_timeout: self.header_timeout, write_timeout: self.write_timeout }
    }
}

/// How many file descriptors a connection may need, its socket and a file, and how many the database, the files that a gate keeps
/// open for a moment, and all else do.
const DESCRIPTORS_EACH: u64 = 2;
const OTHER_DESCRIPTORS: u64 = 250;

/// How many file descriptors it takes to serve so many connections at once.
pub(crate) fn descriptors_for(connections: usize) -> u64 {
    let connections = u64::try_from(connections).unwrap_or(u64::MAX);
    connections.saturating_mul(DESCRIPTORS_EACH).saturating_add(OTHER_DESCRIPTORS)
}

/// How many connections the process has file descriptors for.
fn connections_that_fit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // Everybody may raise the soft limit to the hard one.
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let fit = current.map_or(u64::MAX, |descriptors| descriptors.saturating_sub(OTHER_DESCRIPTORS) / DESCRIPTORS_EACH);
    usize::try_from(fit).unwrap_or(usize::MAX).max(1)
}

fn http1(limits: ConnectionLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    builder
}

/// A connection that lies idle is asked whether its other end still lives, and closed where no answer comes.
fn http2(limits: ConnectionLimits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout)
        .max_header_list_size(u32::try_from(MAX_HEAD).expect("a small number"))
        .max_concurrent_streams(MAX_STREAMS);
    builder
}

/// A stream that fails where the client reads nothing of what it asked for, or sends nothing for as long as `patience`.
fn timed<S: AsyncRead + AsyncWrite>(
    stream: S,
    patience: Option<Duration>,
    limits: ConnectionLimits,
) -> Pin<Box<TimeoutStream<S>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    stream.set_read_timeout(patience);
    Box::pin(stream)
}
