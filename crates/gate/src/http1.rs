//! HTTP/1.1 for requests that read and carry nothing: heads go in, heads and files go out, and the kernel moves the bytes.
//!
//! This loop answers only what cannot be read in two ways ([`head`]). At the first request that is anything else it stops, and
//! the connection goes on with a complete server, from that request's first byte: what is refused, and how, is decided there
//! alone. What is answered is what [`GateService::handle`](crate::GateService::handle) and
//! [`ForwardAuth::handle`](crate::ForwardAuth::handle) answer, whoever sends it.

mod ahead;
mod answer;
mod head;
mod incoming;
mod plain;

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::watch;
use vidpass_token::Clock;

use self::ahead::Ahead;
pub use self::ahead::bound_ahead;
use self::answer::{Sent, Writer};
use self::incoming::{Incoming, Next, Stop};
pub(crate) use self::plain::HeadLines;
pub use self::plain::{PlainAnswer, PlainRequest};

/// What one connection may take.
#[derive(Clone, Debug)]
pub struct PlainLimits {
    /// How long the head of a request may take, and how long an idle connection is kept.
    pub header_timeout: Duration,
    /// How long a client may leave what it is sent unread.
    pub write_timeout: Duration,
}

/// A connection whose next request is for a complete server.
#[derive(Debug)]
pub struct Handover {
    /// The connection.
    pub stream: TcpStream,
    /// What was read of that request, and after it.
    pub read: Bytes,
}

/// Answers requests with what `answer` gives for them, one after the other, until the connection ends or `stop` says so.
///
/// Where `answer` says so, and where a request is not plain, the connection is handed over.
///
/// What this gives is all that a connection has while it waits, so it is small: it is no `async fn`, since that keeps its arguments
/// beside what becomes of them.
pub fn serve_plain<A: Fn(&PlainRequest<'_>) -> PlainAnswer>(
    stream: TcpStream,
    peer: SocketAddr,
    limits: &PlainLimits,
    clock: &Clock,
    mut stop: watch::Receiver<bool>,
    answer: A,
) -> impl Future<Output = Option<Handover>> + use<A> {
    let mut writer = Writer::new(clock.clone(), limits.write_timeout, Ahead::begin(&stream));
    let mut incoming = Incoming::new(stream, peer, limits.header_timeout);
    let is_stopping = stop.clone();
    async move {
        // One of each for the whole connection: to begin to wait costs more than to go on.
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        let mut alarm = pin!(incoming.alarm());
        loop {
            let Next { answer, is_head, keep_alive } =
                match incoming.next(&answer, stopped.as_mut(), alarm.as_mut()).await {
                    Ok(next) => next,
                    Err(Stop::HandOver) => break,
                    Err(Stop::Close) => return None,
                };
            let keep_alive = keep_alive && !*is_stopping.borrow();
            let goes_on = match writer.send(incoming.stream(), answer, is_head, keep_alive) {
                Sent::Now(goes_on) => goes_on,
                Sent::Later(sent) => sent.await,
            };
            // Whatever said so while it was sent has said it to this task, and does not say it again.
            if !goes_on || *is_stopping.borrow() {
                return None;
            }
        }
        bound_ahead(incoming.stream());
        Some(incoming.hand_over())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use vidpass_token::UnixTime;

    use super::*;

    /// In bytes. There are ten thousand of them.
    const ENOUGH: usize = 600;

    #[tokio::test]
    async fn a_connection_that_waits_is_small() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stream, peer) = (TcpStream::connect(listener.local_addr().unwrap()).await.unwrap(), "192.0.2.7:80");
        let limits = PlainLimits { header_timeout: Duration::MAX, write_timeout: Duration::MAX };
        let clock: Clock = Arc::new(|| UnixTime(0));
        let (_stop, stopping) = watch::channel(false);
        let waits = serve_plain(stream, peer.parse().unwrap(), &limits, &clock, stopping, |_| PlainAnswer::HAND_OVER);
        assert!(size_of_val(&waits) <= ENOUGH, "{} bytes", size_of_val(&waits));
    }
}
