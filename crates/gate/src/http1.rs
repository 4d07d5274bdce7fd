//! HTTP/1.1 for requests that read and carry nothing: heads go in, heads and files go out, and the kernel moves the bytes.
//!
//! This loop answers only what cannot be read in two ways ([`head`]). At the first request that is anything else it stops, and
//! the connection goes on with a complete server, from that request's first byte: what is refused, and how, is decided there
//! alone. What is answered is what [`GateService::handle`](crate::GateService::handle) answers, whoever sends it.

mod answer;
mod head;
mod incoming;

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::TcpStream;
use tokio::sync::watch;
use vidpass_token::Clock;

use self::answer::Writer;
use self::head::Head;
use self::incoming::{Incoming, Stop};
use crate::body::GateBody;

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
/// Where `answer` gives nothing, and where a request is not plain, the connection is handed over.
pub async fn serve_plain<A, F>(
    stream: TcpStream,
    peer: SocketAddr,
    limits: &PlainLimits,
    clock: &Clock,
    mut stop: watch::Receiver<bool>,
    answer: A,
) -> Option<Handover>
where
    A: Fn(Request<()>, SocketAddr) -> Option<F>,
    F: Future<Output = Response<GateBody>>,
{
    let mut writer = Writer::new(clock.clone(), limits.write_timeout);
    let mut incoming = Incoming::new(stream, limits.header_timeout);
    let is_stopping = stop.clone();
    // One for the whole connection: to begin to wait costs more than to go on.
    let mut stopped = pin!(stop.wait_for(|stop| *stop));
    loop {
        let next = tokio::select! {
            biased;
            next = incoming.next() => next,
            _ = &mut stopped => return None,
        };
        let Head { request, length, keep_alive } = match next {
            Ok(head) => head,
            Err(Stop::HandOver) => return Some(incoming.hand_over()),
            Err(Stop::Close) => return None,
        };
        let is_head = request.method() == http::Method::HEAD;
        let Some(answered) = answer(request, peer) else { return Some(incoming.hand_over()) };
        let response = answered.await;
        let keep_alive = keep_alive && !*is_stopping.borrow();
        incoming.consume(length);
        if !writer.send(incoming.stream(), response, is_head, keep_alive).await {
            return None;
        }
    }
}
