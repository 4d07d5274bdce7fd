//! What an answer carries: nothing, a few bytes, or a file that is read as the connection takes it, from a disk or from
//! an origin.

use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use rustix::buffer::spare_capacity;
use tokio::task::{JoinHandle, spawn_blocking};
use vidpass_token::Chain;

use crate::deny::Failure;
use crate::origin::FetchError;

/// How much of a file is read at once, in bytes. A connection holds about two of these.
const CHUNK: u64 = 256 * 1024;

/// The body of a gate's answer.
pub struct GateBody(Kind);

enum Kind {
    Bytes(Bytes),
    File(FileBody),
    Remote(RemoteBody),
}

/// Why a body ended before its end. The connection is then cut: its reader must not take a part for the whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The origin broke off.
    #[error("cannot fetch {file}")]
    Origin {
        /// Origin, video and path within it.
        file: Arc<str>,
        /// Why.
        source: Arc<FetchError>,
    },
    /// The file could not be read.
    #[error("cannot read {file}")]
    Read {
        /// Video and path within it.
        file: Arc<str>,
        /// Why.
        source: io::Error,
    },
    /// The file became shorter while it was being sent.
    #[error("{file} ended at byte {at}, before byte {end}")]
    Truncated {
        /// Video and path within it.
        file: Arc<str>,
        /// Where it ends now.
        at: u64,
        /// Where what was promised ends.
        end: u64,
    },
}

impl BodyError {
    /// What the viewer gets, where nothing was sent before.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Origin { source, .. } => source.failure(),
            Self::Read { .. } | Self::Truncated { .. } => Failure::FileUnreadable,
        }
    }
}

/// Part of an open file.
///
/// Each chunk is read on a blocking thread: a disk that is slow, or a network file system that hangs, must not hold up
/// other viewers.
pub(crate) struct FileBody {
    /// Video and path within it, for errors.
    name: Arc<str>,
    file: Arc<File>,
    position: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    sent: Counter,
}

/// Part of a file of a remote origin, as it comes.
pub(crate) struct RemoteBody {
    /// Origin, video and path within it, for errors.
    name: Arc<str>,
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Arc<FetchError>>> + Send>>,
    /// How many bytes are still to come.
    left: u64,
    sent: Counter,
}

impl GateBody {
    pub(crate) fn empty() -> Self {
        Self(Kind::Bytes(Bytes::new()))
    }

    pub(crate) fn bytes(bytes: Bytes) -> Self {
        Self(Kind::Bytes(bytes))
    }

    pub(crate) fn file(file: FileBody) -> Self {
        Self(Kind::File(file))
    }

    /// What is in memory: all of a refusal, nothing of a file.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.0 {
            Kind::Bytes(bytes) => bytes,
            Kind::File(_) | Kind::Remote(_) => Bytes::new(),
        }
    }

    pub(crate) fn remote(remote: RemoteBody) -> Self {
        Self(Kind::Remote(remote))
    }
}

impl RemoteBody {
    /// `length` bytes; `sent` counts them.
    pub(crate) fn new(
        name: Arc<str>,
        chunks: impl Stream<Item = Result<Bytes, Arc<FetchError>>> + Send + 'static,
        length: u64,
        sent: Counter,
    ) -> Self {
        Self { name, chunks: Box::pin(chunks), left: length, sent }
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let chunk = ready!(self.chunks.as_mut().poll_next(context));
        Poll::Ready(Some(match chunk.unwrap_or_else(|| Err(Arc::new(FetchError::Stopped))) {
            Ok(chunk) => {
                self.left = self.left.saturating_sub(chunk.len() as u64);
                self.sent.inc_by(chunk.len() as u64);
                Ok(chunk)
            }
            Err(source) => {
                // It was logged where it happened, once for all viewers who share it.
                self.left = 0;
                Err(BodyError::Origin { file: Arc::clone(&self.name), source })
            }
        }))
    }
}

impl FileBody {
    /// The bytes of `file` from `start` up to, and without, `end`; `sent` counts them.
    pub(crate) fn new(name: Arc<str>, file: File, start: u64, end: u64, sent: Counter) -> Self {
        Self { name, file: Arc::new(file), position: start, end, reading: None, sent }
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.position >= self.end {
            return Poll::Ready(None);
        }
        let (file, position, end) = (&self.file, self.position, self.end);
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(file);
            spawn_blocking(move || read_chunk(&file, position, end))
        });
        let read = ready!(Pin::new(reading).poll(context)).unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        self.reading = None;
        Poll::Ready(Some(self.take(read)))
    }

    fn take(&mut self, read: io::Result<Bytes>) -> Result<Bytes, BodyError> {
        let result = match read {
            Ok(chunk) if chunk.is_empty() => {
                Err(BodyError::Truncated { file: Arc::clone(&self.name), at: self.position, end: self.end })
            }
            Ok(chunk) => {
                self.position += chunk.len() as u64;
                self.sent.inc_by(chunk.len() as u64);
                Ok(chunk)
            }
            Err(source) => Err(BodyError::Read { file: Arc::clone(&self.name), source }),
        };
        if let Err(error) = &result {
            tracing::error!(file = %self.name, error = %Chain(error), "a file could not be sent whole");
            self.end = self.position;
        }
        result
    }
}

/// Reads up to a chunk; fewer bytes only where the file ends, and none where it ended before `position`.
fn read_chunk(file: &File, position: u64, end: u64) -> io::Result<Bytes> {
    let length = usize::try_from(CHUNK.min(end - position)).expect("a chunk fits into memory");
    let mut chunk = Vec::with_capacity(length);
    while chunk.len() < length {
        let at = position + chunk.len() as u64;
        let read = rustix::io::retry_on_intr(|| rustix::io::pread(file, spare_capacity(&mut chunk), at))?;
        if read == 0 {
            break;
        }
    }
    // A file may have grown, and a vector may have room to spare: never more than was promised.
    chunk.truncate(length);
    Ok(chunk.into())
}

impl Body for GateBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(mem::take(bytes))))),
            Kind::File(file) => file.poll_chunk(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data))),
            Kind::Remote(remote) => remote.poll_chunk(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.0 {
            Kind::Bytes(bytes) => bytes.len() as u64,
            Kind::File(file) => file.end - file.position,
            Kind::Remote(remote) => remote.left,
        })
    }
}

impl std::fmt::Debug for GateBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GateBody({} bytes)", self.size_hint().lower())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_part_of_a_file_arrives_whole() {
        let content: Vec<u8> = (0..600_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let (body, sent) = body(&content, 17, 599_999);
        assert_eq!(body.size_hint().exact(), Some(599_982));
        assert!(body.collect().await.unwrap().to_bytes() == content[17..599_999]);
        assert_eq!(sent.get(), 599_982);
    }

    #[tokio::test]
    async fn a_file_that_was_cut_short_ends_in_an_error() {
        let (mut body, _) = body(&[7; 1000], 0, 2000);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 1000);
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "v/x ended at byte 1000, before byte 2000");
        assert_eq!(error.failure(), Failure::FileUnreadable, "not an origin's, before anything was sent");
        assert!(body.frame().await.is_none());
    }

    fn body(content: &[u8], start: u64, end: u64) -> (GateBody, Counter) {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, content).unwrap();
        let sent = Counter::default();
        (GateBody::file(FileBody::new("v/x".into(), file, start, end, sent.clone())), sent)
    }
}
