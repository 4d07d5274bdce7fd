//! Heads and bodies of answers, onto the socket.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{Response, StatusCode};
use http_body::Body as _;
use rustix::net::SendFlags;
use rustix::net::sockopt::set_tcp_cork;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use vidpass_token::Clock;

use super::ahead::Ahead;
use super::plain::{Answer, HeadLines};
use crate::body::{Attempt, GateBody, Part};
use crate::headers::field;

/// How much fits into what the kernel keeps for a socket at first, in bytes.
const SENT_AT_ONCE: u64 = 64 * 1024;

/// For how long a socket may have no room until the kernel is asked again by itself. It doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Writes the answers of one connection.
pub(super) struct Writer {
    clock: Clock,
    patience: Duration,
    ahead: Ahead,
}

/// Whether another answer may follow: not where the client has gone, or did not get all of this one.
pub(super) enum Sent<'a> {
    Now(bool),
    /// Apart: a connection that waits for a request holds no memory for it.
    Later(Pin<Box<dyn Future<Output = bool> + Send + 'a>>),
}

impl Writer {
    pub(super) fn new(clock: Clock, patience: Duration, ahead: Ahead) -> Self {
        Self { clock, patience, ahead }
    }

    /// Sends an answer, at once where it is no more than a head and the socket has room for it.
    pub(super) fn send<'a>(
        &'a mut self,
        stream: &'a TcpStream,
        answer: Answer,
        to_head: bool,
        keep_alive: bool,
    ) -> Sent<'a> {
        match answer {
            Answer::Written(lines, body) => self.send_written(stream, lines, body, to_head, keep_alive),
            Answer::Response(response) => self.send_response(stream, *response, to_head, keep_alive),
            Answer::Later(response) => Sent::Later(Box::pin(async move {
                match self.send_response(stream, response.await, to_head, keep_alive) {
                    Sent::Now(goes_on) => goes_on,
                    Sent::Later(sent) => sent.await,
                }
            })),
        }
    }

    fn send_response<'a>(
        &'a mut self,
        stream: &'a TcpStream,
        response: Response<GateBody>,
        to_head: bool,
        keep_alive: bool,
    ) -> Sent<'a> {
        let close = response.headers().get(CONNECTION).is_some_and(|value| value.as_bytes() == b"close");
        let mut lines = lines(&response, to_head);
        lines.add_date((self.clock)());
        self.send_written(stream, lines, response.into_body(), to_head, keep_alive && !close)
    }

    /// The same for an answer whose lines are written, but for what the connection says (RFC 9112, section 9.6).
    fn send_written<'a>(
        &'a mut self,
        stream: &'a TcpStream,
        mut lines: HeadLines,
        body: GateBody,
        to_head: bool,
        keep_alive: bool,
    ) -> Sent<'a> {
        if !keep_alive {
            lines.add(field!("connection"), &["close"]);
        }
        let head = lines.end();
        if !to_head && !body.is_end_stream() {
            return Sent::Later(Box::pin(
                async move { self.send_all(stream, &head, body).await.is_ok() && keep_alive },
            ));
        }
        let sent = match try_send(stream, &head, Follows::Nothing) {
            full if is_full(&full) => 0,
            Ok(sent) => sent,
            Err(_) => return Sent::Now(false),
        };
        if sent == head.len() {
            return Sent::Now(keep_alive);
        }
        Sent::Later(Box::pin(
            async move { self.write(stream, &head[sent..], Follows::Nothing).await.is_ok() && keep_alive },
        ))
    }

    async fn send_all(&mut self, stream: &TcpStream, mut head: &[u8], mut body: GateBody) -> io::Result<()> {
        let mut cork = Cork::of(stream, &body);
        // The head waits until there is something of the body to go with it, or nothing.
        while let Some(part) = poll_fn(|context| body.poll_part(context)).await {
            match part.map_err(io::Error::other)? {
                Part::Bytes(bytes) => self.write_both(stream, mem::take(&mut head), &bytes).await?,
                Part::OfFile => {
                    let left = body.size_hint().lower();
                    // Until then a cork could hold back as much as the kernel takes.
                    if self.ahead.is_proven() {
                        cork.set()?;
                    }
                    self.write(stream, mem::take(&mut head), Follows::More).await?;
                    self.send_part(stream, &mut body, &mut cork).await?;
                    self.ahead.gave(stream, left - body.size_hint().lower());
                }
            }
        }
        self.write(stream, head, Follows::Nothing).await?;
        cork.release()
    }

    /// Has the kernel send some of a file.
    ///
    /// Where the socket has no room for long, what a cork holds back goes out, and the kernel is asked again: it may have had no memory
    /// to send from while the client had everything, and then nothing that the client does ends the wait.
    async fn send_part(&self, stream: &TcpStream, body: &mut GateBody, cork: &mut Cork<'_>) -> io::Result<()> {
        let first = body.send_part(stream, Attempt::WhenReady);
        if !is_full(&first) {
            return first;
        }
        let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let left = self.patience.checked_sub(began.elapsed()).ok_or(io::ErrorKind::TimedOut)?;
            let sent = match timeout(pause.min(left), stream.writable()).await {
                Ok(writable) => writable.and_then(|()| body.send_part(stream, Attempt::WhenReady)),
                Err(_) => {
                    cork.release()?;
                    pause *= 2;
                    body.send_part(stream, Attempt::Now)
                }
            };
            if !is_full(&sent) {
                return sent;
            }
        }
    }

    async fn write(&self, stream: &TcpStream, mut bytes: &[u8], follows: Follows) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = self.in_time(stream, || try_send(stream, bytes, follows)).await?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Writes both, in one packet where they fit.
    async fn write_both(&self, stream: &TcpStream, head: &[u8], bytes: &[u8]) -> io::Result<()> {
        let mut both = [IoSlice::new(head), IoSlice::new(bytes)];
        let mut left = &mut both[..];
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            let written = self.in_time(stream, || stream.try_write_vectored(left)).await?;
            IoSlice::advance_slices(&mut left, written);
        }
        Ok(())
    }

    /// What `send` gives once the client has room for it.
    ///
    /// # Errors
    /// Those of `send`, and that the client read nothing in time.
    async fn in_time<T>(&self, stream: &TcpStream, mut send: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            let sent = send();
            if !is_full(&sent) {
                return sent;
            }
            timeout(self.patience, stream.writable()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        }
    }
}

/// As much as the socket has room for. The kernel may keep it until what follows is there (`send(2)`, `MSG_MORE`).
fn try_send(stream: &TcpStream, bytes: &[u8], follows: Follows) -> io::Result<usize> {
    let flags = match follows {
        Follows::More => SendFlags::NOSIGNAL | SendFlags::MORE,
        Follows::Nothing => SendFlags::NOSIGNAL,
    };
    stream.try_io(Interest::WRITABLE, || Ok(rustix::net::send(stream, bytes, flags)?))
}

/// Whether the socket had no room.
fn is_full<T>(sent: &io::Result<T>) -> bool {
    sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Has the kernel hold back what does not fill a packet while more of an answer follows (`tcp(7)`, `TCP_CORK`).
///
/// What is sent at once goes without: `MSG_MORE` on its head does the same for half of the calls.
struct Cork<'s> {
    stream: &'s TcpStream,
    is_wanted: bool,
    is_set: bool,
}

impl<'s> Cork<'s> {
    fn of(stream: &'s TcpStream, body: &GateBody) -> Self {
        Self { stream, is_wanted: body.size_hint().lower() > SENT_AT_ONCE, is_set: false }
    }

    fn set(&mut self) -> io::Result<()> {
        if self.is_wanted && !self.is_set {
            set_tcp_cork(self.stream, true)?;
            self.is_set = true;
        }
        Ok(())
    }

    fn release(&mut self) -> io::Result<()> {
        if mem::take(&mut self.is_set) {
            set_tcp_cork(self.stream, false)?;
        }
        Ok(())
    }
}

/// What comes after bytes that are written.
#[derive(Clone, Copy)]
enum Follows {
    /// More of the same answer.
    More,
    Nothing,
}

/// The status and the headers of an answer, and its length where they do not tell (RFC 9110, section 8.6).
fn lines(response: &Response<GateBody>, to_head: bool) -> HeadLines {
    let (status, headers) = (response.status(), response.headers());
    let mut lines = HeadLines::new(status);
    // What the connection says is added where that is known.
    for (name, value) in headers.iter().filter(|(name, _)| *name != CONNECTION) {
        lines.add_from_map(name, value);
    }
    let has_body = !to_head && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        let length = response.body().size_hint().exact().unwrap_or_default();
        lines.add(field!("content-length"), &[itoa::Buffer::new().format(length)]);
    }
    lines
}
