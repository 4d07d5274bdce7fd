//! The one accept loop: HTTP/1.1 over TCP, with a limit on everything that a client can drag out.
//!
//! `axum::serve` never closes a request whose head does not end, so connections are served here, on `hyper` with a
//! timer. HTTP/2 is not spoken: browsers want TLS for it, and the server that has the TLS speaks HTTP/1.1 to us.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tracing::warn;

use crate::config::ConnectionLimits;

/// The longest head of a request, in bytes: a path of 8 KiB and as much again for headers, twice.
const MAX_HEAD: usize = 32 * 1024;

/// How many headers a request may have.
const MAX_HEADERS: usize = 64;

/// How long to wait before accepting again where the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Serves `handle` on `listener` until `stop` resolves, then lets running requests finish, for as long as
/// `limits.shutdown_timeout` at most.
pub(crate) async fn serve<H, F, B>(
    listener: TcpListener,
    limits: ConnectionLimits,
    handle: H,
    stop: impl Future<Output = ()>,
) where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.max_connections.min(connections_that_fit())));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    let mut accepting = true;
    loop {
        let place = places.clone().acquire_owned();
        let accepted = tokio::select! {
            accepted = async { (place.await, listener.accept().await) } => accepted,
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
        let handle = handle.clone();
        let service = service_fn(move |request| {
            let answer = handle(request, peer);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = builder(limits).serve_connection(timed(stream, limits), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A connection that a client breaks off is the client's affair.
            drop(connection.await);
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.shutdown_timeout, graceful.shutdown()).await.is_err() {
        warn!(seconds = limits.shutdown_timeout.as_secs(), "requests were still running and are cut off");
    }
}

/// How many connections the process has file descriptors for. Each may need two, its socket and a file; the rest is for
/// the database and whatever else is open.
fn connections_that_fit() -> usize {
    const OTHERS: u64 = 100;
    let limit = getrlimit(Resource::Nofile);
    // Everybody may raise the soft limit to the hard one.
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let fit = current.map_or(u64::MAX, |descriptors| descriptors.saturating_sub(OTHERS) / 2);
    usize::try_from(fit).unwrap_or(usize::MAX).max(1)
}

fn builder(limits: ConnectionLimits) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    builder
}

/// A stream that fails where the client reads nothing of what it asked for.
fn timed(stream: TcpStream, limits: ConnectionLimits) -> std::pin::Pin<Box<TokioIo<TimeoutStream<TcpStream>>>> {
    // A refusal or a short segment is one small packet; it must not wait for the next.
    drop(stream.set_nodelay(true));
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    Box::pin(TokioIo::new(stream))
}
