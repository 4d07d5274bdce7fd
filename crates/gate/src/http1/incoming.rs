//! What a client sends, as far as it is not answered yet. A connection that waits holds no buffer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Handover;
use super::head::{self, Head, NotPlain};

/// How much is read at once, in bytes. A head that is longer is for a complete server, and so is its refusal.
const BUFFER: usize = 32 * 1024;

thread_local! {
    /// What any connection of this thread is read into.
    static BUFFERS: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into());
}

/// Why no further request is answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// There is none, or it did not come in time.
    Close,
    /// It is for a complete server.
    HandOver,
}

pub(super) struct Incoming {
    stream: TcpStream,
    received: Bytes,
    patience: Duration,
    /// Wakes up too early rather than too late: moving it for every request would cost more than that.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    pub(super) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, received: Bytes::new(), patience, alarm: None }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The next request. May be dropped and called again.
    ///
    /// # Errors
    /// [`Stop`] where no plain one comes.
    pub(super) async fn next(&mut self) -> Result<Head, Stop> {
        let deadline = Instant::now() + self.patience;
        loop {
            if !self.received.is_empty() {
                match head::read(&self.received) {
                    Ok(head) => return Ok(head),
                    Err(NotPlain::Unfinished) if self.received.len() < BUFFER => {}
                    Err(NotPlain::Unfinished | NotPlain::Other) => return Err(Stop::HandOver),
                }
            }
            if !poll_fn(|context| self.poll_receive(context, deadline)).await {
                return Err(Stop::Close);
            }
        }
    }

    /// The first `length` bytes are answered.
    pub(super) fn consume(&mut self, length: usize) {
        self.received.advance(length);
        if self.received.is_empty() {
            self.received = Bytes::new();
        }
    }

    pub(super) fn hand_over(self) -> Handover {
        Handover { stream: self.stream, read: self.received }
    }

    /// Whether more came: not where the connection ended, failed, or was silent for too long.
    fn poll_receive(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<bool> {
        match self.poll_read(context) {
            Poll::Ready(read) => Poll::Ready(read.is_ok_and(|bytes| bytes > 0)),
            Poll::Pending => self.poll_alarm(context, deadline).map(|()| false),
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { stream, received, .. } = self;
        BUFFERS.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(&mut buffer[..BUFFER - received.len()]);
            ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
            let read = buffer.filled();
            if received.is_empty() {
                *received = Bytes::copy_from_slice(read);
            } else {
                let mut all = BytesMut::from(&received[..]);
                all.extend_from_slice(read);
                *received = all.freeze();
            }
            Poll::Ready(Ok(read.len()))
        })
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
