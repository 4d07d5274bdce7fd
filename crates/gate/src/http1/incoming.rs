//! What a client sends, as far as it is not answered yet. A connection that waits holds no buffer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::Handover;
use super::head::{self, Head, NotPlain};
use super::plain::{Answer, PlainAnswer, PlainRequest};

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

/// A request that has its answer.
pub(super) struct Next {
    pub(super) answer: Answer,
    pub(super) is_head: bool,
    /// Whether the client wants to ask more.
    pub(super) keep_alive: bool,
}

pub(super) struct Incoming {
    stream: TcpStream,
    peer: SocketAddr,
    received: Bytes,
    patience: Duration,
    /// Whom the alarm wakes, and the end of the server.
    sleeper: Option<Waker>,
}

impl Incoming {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, patience: Duration) -> Self {
        Self { stream, peer, received: Bytes::new(), patience, sleeper: None }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What is to wake up a connection that waits for too long. It does so too early rather than too late: moving it for every request
    /// would cost more than that.
    pub(super) fn alarm(&self) -> Sleep {
        sleep(self.patience)
    }

    /// The next request, with what `answer` answers.
    ///
    /// # Errors
    /// [`Stop`] where no plain one comes before the server is `stopped`, or `answer` hands it over.
    pub(super) fn next<S: Future>(
        &mut self,
        answer: impl Fn(&PlainRequest<'_>) -> PlainAnswer,
        mut stopped: Pin<&mut S>,
        mut alarm: Pin<&mut Sleep>,
    ) -> impl Future<Output = Result<Next, Stop>> {
        let deadline = Instant::now() + self.patience;
        let mut is_first = true;
        poll_fn(move |context| {
            let is_first = mem::take(&mut is_first);
            if is_first && let Some(next) = self.look_at_rest(&answer) {
                return Poll::Ready(next);
            }
            if let Poll::Ready(next) = self.poll_receive(context, &answer) {
                return Poll::Ready(next);
            }
            if is_first && self.is_told(context, &alarm) {
                return Poll::Pending;
            }
            self.sleeper = Some(context.waker().clone());
            if stopped.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(Stop::Close));
            }
            poll_alarm(alarm.as_mut(), context, deadline).map(|()| Err(Stop::Close))
        })
    }

    /// What became of what came with the last request.
    fn look_at_rest(&mut self, answer: impl Fn(&PlainRequest<'_>) -> PlainAnswer) -> Option<Result<Next, Stop>> {
        let received = mem::take(&mut self.received);
        self.look(&received, |from| received.slice(from..), answer)
    }

    /// Whether alarm and end of the server are to wake this task anyway, since the last request: to ask them again costs more than
    /// to look. What wakes the task while it runs has it run again.
    fn is_told(&self, context: &Context<'_>, alarm: &Sleep) -> bool {
        self.sleeper.as_ref().is_some_and(|sleeper| sleeper.will_wake(context.waker())) && !alarm.is_elapsed()
    }

    pub(super) fn hand_over(self) -> Handover {
        Handover { stream: self.stream, read: self.received }
    }

    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        answer: impl Fn(&PlainRequest<'_>) -> PlainAnswer,
    ) -> Poll<Result<Next, Stop>> {
        BUFFERS.with_borrow_mut(|buffer| {
            loop {
                // Whoever reads on has less than a buffer of them.
                let before = self.received.len();
                let mut free = ReadBuf::new(&mut buffer[before..]);
                let read =
                    ready!(Pin::new(&mut self.stream).poll_read(context, &mut free)).map(|()| free.filled().len());
                let Some(read @ 1..) = read.ok() else { return Poll::Ready(Err(Stop::Close)) };
                buffer[..before].copy_from_slice(&self.received);
                let all = &buffer[..before + read];
                if let Some(next) = self.look(all, |from| Bytes::copy_from_slice(&all[from..]), &answer) {
                    return Poll::Ready(next);
                }
            }
        })
    }

    /// What becomes of what was received so far; `None` where there is to be more. `keep` makes a copy from a byte on.
    fn look(
        &mut self,
        received: &[u8],
        keep: impl FnOnce(usize) -> Bytes,
        answer: impl Fn(&PlainRequest<'_>) -> PlainAnswer,
    ) -> Option<Result<Next, Stop>> {
        let look = |request: &PlainRequest<'_>| (answer(request), request.method == Method::HEAD);
        let (next, from) = match head::read(received, self.peer, look) {
            Ok(Head { found: (PlainAnswer(Some(answer)), is_head), length, keep_alive }) => {
                (Some(Ok(Next { answer, is_head, keep_alive })), length)
            }
            Err(NotPlain::Unfinished) if received.len() < BUFFER => (None, 0),
            Ok(Head { found: (PlainAnswer(None), _), .. }) | Err(NotPlain::Unfinished | NotPlain::Other) => {
                (Some(Err(Stop::HandOver)), 0)
            }
        };
        // A connection that waits holds no buffer.
        self.received = if from == received.len() { Bytes::new() } else { keep(from) };
        next
    }
}

fn poll_alarm(mut alarm: Pin<&mut Sleep>, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
    while alarm.as_mut().poll(context).is_ready() {
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(deadline);
    }
    Poll::Pending
}
