//! How much of an answer the kernel takes before the network does (`tcp(7)`, `TCP_NOTSENT_LOWAT`).
//!
//! What lies in its buffers for viewers who are slow to read counts for all connections of the machine together: where that is
//! more than `tcp_mem` allows, the kernel resets connections of viewers who are not. So a connection has little of it until its
//! client has taken more than the buffers of one that reads nothing.

use socket2::SockRef;
use tokio::net::TcpStream;

/// How much it is at first, in bytes: with a segment of a loopback, which has 64 KiB, about 80 KiB.
const AT_FIRST: u32 = 16 * 1024;

/// How much it is from then on, in bytes. More than the longest segment, since a corked connection waits for a whole one.
const PROVEN: u32 = 128 * 1024;

/// What a client has taken by then, in bytes.
const PROOF: u64 = 512 * 1024;

/// What one connection was given.
pub(super) struct Ahead {
    given: u64,
}

impl Ahead {
    pub(super) fn begin(stream: &TcpStream) -> Self {
        set(stream, AT_FIRST);
        Self { given: 0 }
    }

    /// The kernel took so many bytes more.
    pub(super) fn gave(&mut self, stream: &TcpStream, bytes: u64) {
        let was_proven = self.is_proven();
        self.given = self.given.saturating_add(bytes);
        if self.is_proven() && !was_proven {
            set(stream, PROVEN);
        }
    }

    pub(super) fn is_proven(&self) -> bool {
        self.given >= PROOF
    }
}

/// Bounds how much an answer is ahead of the network on a connection that is served by others than [`super::serve_plain`].
pub fn bound_ahead(stream: &TcpStream) {
    set(stream, PROVEN);
}

fn set(stream: &TcpStream, bytes: u32) {
    // A kernel without it sends all the same.
    drop(SockRef::from(stream).set_tcp_notsent_lowat(bytes));
}
