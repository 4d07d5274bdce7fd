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
use self::answer::Writer;
use self::incoming::{Incoming, Next, Stop};
use self::plain::Answer;
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
pub async fn serve_plain(
    stream: TcpStream,
    peer: SocketAddr,
    limits: &PlainLimits,
    clock: &Clock,
    mut stop: watch::Receiver<bool>,
    answer: impl Fn(&PlainRequest<'_>) -> PlainAnswer,
) -> Option<Handover> {
    let mut writer = Writer::new(clock.clone(), limits.write_timeout, Ahead::begin(&stream));
    let mut incoming = Incoming::new(stream, peer, limits.header_timeout);
    let is_stopping = stop.clone();
    // One for the whole connection: to begin to wait costs more than to go on.
    let mut stopped = pin!(stop.wait_for(|stop| *stop));
    loop {
        let Next { answer, is_head, keep_alive } = match incoming.next(&answer, stopped.as_mut()).await {
            Ok(next) => next,
            Err(Stop::HandOver) => {
                ahead::release(incoming.stream());
                return Some(incoming.hand_over());
            }
            Err(Stop::Close) => return None,
        };
        let keep_alive = keep_alive && !*is_stopping.borrow();
        let stream = incoming.stream();
        let goes_on = match answer {
            Answer::Written(lines, body) => writer.send_written(stream, lines, body, is_head, keep_alive).await,
            Answer::Response(response) => writer.send(stream, *response, is_head, keep_alive).await,
            Answer::Later(response) => writer.send(stream, response.await, is_head, keep_alive).await,
        };
        // Whatever said so while it was sent has said it to this task, and does not say it again.
        if !goes_on || *is_stopping.borrow() {
            return None;
        }
    }
}
