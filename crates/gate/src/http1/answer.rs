//! Heads and bodies of answers, onto the socket.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body as _;
use rustix::net::sockopt::set_tcp_cork;
use tokio::net::TcpStream;
use tokio::time::timeout;
use vidpass_token::{Clock, UnixTime};

use super::plain::TYPICAL_HEAD;
use crate::body::{GateBody, Part};
use crate::serve::conditional::http_date;

/// Writes the answers of one connection.
pub(super) struct Writer {
    clock: Clock,
    patience: Duration,
    /// The last date that was written, and when it was.
    date: (UnixTime, String),
}

impl Writer {
    pub(super) fn new(clock: Clock, patience: Duration) -> Self {
        Self { clock, patience, date: (UnixTime(i64::MIN), String::new()) }
    }

    /// Sends an answer. Whether another one may follow: not where the client has gone, or did not get all of this one.
    pub(super) async fn send(
        &mut self,
        stream: &TcpStream,
        response: Response<GateBody>,
        to_head: bool,
        keep_alive: bool,
    ) -> bool {
        let close = response.headers().get(CONNECTION).is_some_and(|value| value.as_bytes() == b"close");
        let keep_alive = keep_alive && !close;
        let head = self.head(&response, to_head, keep_alive && !close);
        let sent = self.send_all(stream, head, response.into_body(), to_head).await;
        keep_alive && sent.is_ok()
    }

    /// Sends an answer without content that is written as far as this connection does not matter. Whether another one may follow.
    pub(super) async fn send_head(
        &mut self,
        stream: &TcpStream,
        mut head: Vec<u8>,
        to_head: bool,
        keep_alive: bool,
    ) -> bool {
        if !to_head {
            head.extend_from_slice(b"content-length: 0\r\n");
        }
        if !keep_alive {
            head.extend_from_slice(b"connection: close\r\n");
        }
        self.end(&mut head);
        let sent = match stream.try_write(&head) {
            Ok(sent) if sent == head.len() => Ok(()),
            Ok(sent) => self.write(stream, Bytes::from(head).slice(sent..), Bytes::new()).await,
            Err(_) => self.write(stream, head.into(), Bytes::new()).await,
        };
        keep_alive && sent.is_ok()
    }

    /// Dates a head, and ends it.
    fn end(&mut self, head: &mut Vec<u8>) {
        head.extend_from_slice(b"date: ");
        head.extend_from_slice(date(&mut self.date, (self.clock)()).as_bytes());
        head.extend_from_slice(b"\r\n\r\n");
    }

    /// RFC 9112, section 4, and the fields that a server adds (RFC 9110, sections 6.6.1 and 8.6).
    fn head(&mut self, response: &Response<GateBody>, to_head: bool, keep_alive: bool) -> Vec<u8> {
        let (status, headers) = (response.status(), response.headers());
        let mut head = Vec::with_capacity(TYPICAL_HEAD);
        head.extend_from_slice(b"HTTP/1.1 ");
        head.extend_from_slice(status.as_str().as_bytes());
        head.push(b' ');
        head.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        head.extend_from_slice(b"\r\n");
        let mut field = |name: &str, value: &[u8]| {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                head.extend_from_slice(part);
            }
        };
        for (name, value) in headers {
            field(name.as_str(), value.as_bytes());
        }
        let has_body = !to_head && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
        if has_body && !headers.contains_key(CONTENT_LENGTH) {
            let length = response.body().size_hint().exact().unwrap_or_default();
            field(CONTENT_LENGTH.as_str(), HeaderValue::from(length).as_bytes());
        }
        if !keep_alive && !headers.contains_key(CONNECTION) {
            field(CONNECTION.as_str(), b"close");
        }
        self.end(&mut head);
        head
    }

    async fn send_all(&self, stream: &TcpStream, head: Vec<u8>, mut body: GateBody, to_head: bool) -> io::Result<()> {
        // It waits until there is something of the body to go with it, or nothing.
        let mut head = Bytes::from(head);
        let mut is_corked = false;
        while !to_head && let Some(part) = poll_fn(|context| body.poll_part(context)).await {
            match part.map_err(io::Error::other)? {
                Part::Bytes(bytes) => self.write(stream, mem::take(&mut head), bytes).await?,
                Part::OfFile => {
                    if !is_corked {
                        set_tcp_cork(stream, true)?;
                        is_corked = true;
                    }
                    self.write(stream, mem::take(&mut head), Bytes::new()).await?;
                    self.in_time(stream, || body.send_part(stream)).await?;
                }
            }
        }
        self.write(stream, head, Bytes::new()).await?;
        if is_corked {
            set_tcp_cork(stream, false)?;
        }
        Ok(())
    }

    /// Writes both, in one packet where they fit.
    async fn write(&self, stream: &TcpStream, mut head: Bytes, mut bytes: Bytes) -> io::Result<()> {
        while !head.is_empty() || !bytes.is_empty() {
            let both = [IoSlice::new(&head), IoSlice::new(&bytes)];
            let written = self.in_time(stream, || stream.try_write_vectored(&both)).await?;
            let of_head = written.min(head.len());
            head.advance(of_head);
            bytes.advance(written - of_head);
        }
        Ok(())
    }

    /// What `send` gives once the client has room for it.
    ///
    /// # Errors
    /// Those of `send`, and that the client read nothing in time.
    async fn in_time<T>(&self, stream: &TcpStream, mut send: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            match send() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    timeout(self.patience, stream.writable()).await.map_err(|_| io::ErrorKind::TimedOut)??;
                }
                done => return done,
            }
        }
    }
}

/// The date as text, which is made anew once a second.
fn date((at, text): &mut (UnixTime, String), now: UnixTime) -> &str {
    if *at != now {
        (*at, *text) = (now, http_date(now).unwrap_or_default());
    }
    text
}
