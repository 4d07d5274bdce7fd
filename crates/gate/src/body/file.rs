//! A file that is read as the connection takes it, from a disk.

use std::fs::{File, Metadata};
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use rustix::buffer::spare_capacity;
use rustix::fs::sendfile;
use rustix::io::{ReadWriteFlags, retry_on_intr};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_blocking};
use vidpass_token::Chain;

use super::{Attempt, BodyError};

/// How much of a file is read from a disk at once, in bytes. A connection holds about two of these.
const CHUNK: u64 = 256 * 1024;

/// How much is read from the page cache at once, in bytes, without another thread: copying it takes less than handing it over.
const CACHED: u64 = 64 * 1024;

/// How much of a file the kernel is asked to send at once, in bytes. Between two of these it is asked whether the transfer may
/// go on.
const PART: u64 = 1024 * 1024;

/// For how long a part that was found in the page cache is taken to be there still.
const KNOWN_FOR: Duration = Duration::from_millis(100);

/// An open file, for all who send of it.
#[derive(Debug)]
pub(crate) struct SharedFile {
    file: File,
    length: u64,
    opened: Instant,
    /// Which of the first 64 parts were found in the page cache, a bit each.
    found: AtomicU64,
}

/// Part of an open file.
///
/// What is not in the page cache is read on a blocking thread: a disk that is slow, or a network file system that hangs, must
/// not hold up other viewers.
pub(crate) struct FileBody {
    /// Video and path within it, for errors.
    name: Arc<str>,
    file: Arc<SharedFile>,
    position: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// Up to here it was found in the page cache.
    in_memory: u64,
    sent: Counter,
}

impl SharedFile {
    pub(crate) fn new(file: File, length: u64) -> Arc<Self> {
        Arc::new(Self { file, length, opened: Instant::now(), found: AtomicU64::new(0) })
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// The bytes of `range` that the file has, where they are in the page cache.
    pub(crate) fn read_at_once(&self, range: Range<u64>) -> Option<Bytes> {
        let mut chunk = vec![0; usize::try_from(range.end - range.start).ok()?];
        let mut slices = [IoSliceMut::new(&mut chunk)];
        let read = rustix::io::preadv2(&self.file, &mut slices, range.start, ReadWriteFlags::NOWAIT).ok()?;
        chunk.truncate(read);
        Some(chunk.into())
    }

    /// Whether `bytes` are in the page cache, as far as three of their pages tell. What lies in one part is not looked for again
    /// where all of that part was found.
    fn has_in_memory(&self, bytes: &Range<u64>) -> bool {
        let part = bytes.start / PART;
        let bit = u32::try_from(part).ok().and_then(|part| 1_u64.checked_shl(part)).unwrap_or(0);
        let whole = part * PART..self.length.min((part + 1) * PART);
        if bytes.end > whole.end {
            return self.is_found(bytes);
        }
        if self.found.load(Ordering::Relaxed) & bit != 0 && self.opened.elapsed() < KNOWN_FOR {
            return true;
        }
        let is_found = self.is_found(bytes);
        if is_found && (*bytes == whole || self.is_found(&whole)) {
            self.found.fetch_or(bit, Ordering::Relaxed);
        }
        is_found
    }

    fn is_found(&self, bytes: &Range<u64>) -> bool {
        let is_there = |at| {
            let mut byte = [0];
            let mut bytes = [IoSliceMut::new(&mut byte)];
            rustix::io::preadv2(&self.file, &mut bytes, at, ReadWriteFlags::NOWAIT).is_ok()
        };
        [bytes.start, bytes.start.midpoint(bytes.end), bytes.end - 1].into_iter().all(is_there)
    }
}

impl FileBody {
    /// The bytes of `range`; `sent` counts them.
    pub(crate) fn new(name: Arc<str>, file: Arc<SharedFile>, range: Range<u64>, sent: Counter) -> Self {
        Self { name, file, position: range.start, end: range.end, reading: None, in_memory: 0, sent }
    }

    /// How many bytes are still to come.
    pub(super) fn left(&self) -> u64 {
        self.end - self.position
    }

    /// Whether the next part is in the page cache: then the kernel sends it without waiting for a disk.
    pub(super) fn is_in_memory(&mut self) -> bool {
        if self.reading.is_none() && self.position < self.in_memory {
            return true;
        }
        let part = self.next_part();
        let is_in_memory = self.reading.is_none() && !part.is_empty() && self.file.has_in_memory(&part);
        if is_in_memory {
            self.in_memory = part.end;
        }
        is_in_memory
    }

    /// Has the kernel send some of the next part (`sendfile(2)`).
    ///
    /// # Errors
    /// `WouldBlock` where the socket has no room.
    pub(super) fn send(&mut self, socket: &TcpStream, attempt: Attempt) -> io::Result<()> {
        let part = self.next_part();
        let length = usize::try_from(part.end - part.start).expect("a part fits into memory");
        let send = || {
            let mut position = self.position;
            Ok(retry_on_intr(|| sendfile(socket, &self.file.file, Some(&mut position), length))?)
        };
        let sent = match attempt {
            Attempt::WhenReady => socket.try_io(Interest::WRITABLE, send),
            Attempt::Now => send(),
        }?;
        self.position += sent as u64;
        self.sent.inc_by(sent as u64);
        if sent > 0 {
            return Ok(());
        }
        let error = self.truncated();
        self.give_up(&error);
        Err(io::Error::other(error))
    }

    /// What was found in memory and is not sent yet, or what is to be looked for.
    fn next_part(&self) -> Range<u64> {
        let end = if self.position < self.in_memory { self.in_memory } else { self.position + PART };
        self.position..self.end.min(end)
    }

    pub(super) fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.position >= self.end {
            return Poll::Ready(None);
        }
        if self.reading.is_none()
            && let Some(chunk) = self.read_cached()
        {
            return Poll::Ready(Some(self.take(Ok(chunk))));
        }
        let (file, position, end) = (&self.file, self.position, self.end);
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(file);
            spawn_blocking(move || read_chunk(&file.file, position, end))
        });
        let read = ready!(Pin::new(reading).poll(context)).unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        self.reading = None;
        Poll::Ready(Some(self.take(read)))
    }

    /// Some of what is left, where it is in the page cache.
    fn read_cached(&self) -> Option<Bytes> {
        self.file.read_at_once(self.position..self.end.min(self.position + CACHED))
    }

    fn take(&mut self, read: io::Result<Bytes>) -> Result<Bytes, BodyError> {
        let result = match read {
            Ok(chunk) if chunk.is_empty() => Err(self.truncated()),
            Ok(chunk) => {
                self.position += chunk.len() as u64;
                self.sent.inc_by(chunk.len() as u64);
                Ok(chunk)
            }
            Err(source) => Err(BodyError::Read { file: Arc::clone(&self.name), source }),
        };
        if let Err(error) = &result {
            self.give_up(error);
        }
        result
    }

    fn truncated(&self) -> BodyError {
        BodyError::Truncated { file: Arc::clone(&self.name), at: self.position, end: self.end }
    }

    fn give_up(&mut self, error: &BodyError) {
        tracing::error!(file = %self.name, error = %Chain(error), "a file could not be sent whole");
        self.end = self.position;
    }
}

/// Reads up to a chunk; fewer bytes only where the file ends, and none where it ended before `position`.
fn read_chunk(file: &File, position: u64, end: u64) -> io::Result<Bytes> {
    let length = usize::try_from(CHUNK.min(end - position)).expect("a chunk fits into memory");
    let mut chunk = Vec::with_capacity(length);
    while chunk.len() < length {
        let at = position + chunk.len() as u64;
        let read = retry_on_intr(|| rustix::io::pread(file, spare_capacity(&mut chunk), at))?;
        if read == 0 {
            break;
        }
    }
    // A file may have grown, and a vector may have room to spare: never more than was promised.
    chunk.truncate(length);
    Ok(chunk.into())
}
