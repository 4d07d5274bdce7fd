//! What an answer carries: nothing, a few bytes, or a file that is read as the connection takes it, from a disk or from
//! an origin.

mod file;
mod remote;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::net::TcpStream;
use vidpass_token::Denial;

pub(crate) use self::file::{FileBody, SharedFile};
pub(crate) use self::remote::{Piece, RemoteBody};
use crate::admission::Admission;
use crate::deny::Failure;
use crate::origin::FetchError;

/// The body of a gate's answer.
pub struct GateBody {
    kind: Kind,
    /// What a file was permitted by, where it may be withdrawn before its end.
    admission: Option<Admission>,
    /// Whether a piece was handed out. The first one goes with the decision itself.
    begun: bool,
}

enum Kind {
    Bytes(Bytes),
    File(FileBody),
    Remote(RemoteBody),
}

/// What of a body is to be sent next.
pub(crate) enum Part {
    Bytes(Bytes),
    /// Some of a file, which is for [`GateBody::send_part`].
    OfFile,
}

/// When the kernel is asked to send.
#[derive(Clone, Copy)]
pub(crate) enum Attempt {
    /// Unless the socket is known to have no room.
    WhenReady,
    /// Whatever is known of it.
    Now,
}

/// Why a body ended before its end. The connection is then cut: its reader must not take a part for the whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The permit was withdrawn.
    #[error("the transfer was cut off")]
    CutOff {
        /// What would be answered now.
        denial: Denial,
    },
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
            Self::CutOff { .. } | Self::Read { .. } | Self::Truncated { .. } => Failure::FileUnreadable,
        }
    }
}

impl GateBody {
    pub(crate) fn empty() -> Self {
        Self::of(Kind::Bytes(Bytes::new()))
    }

    pub(crate) fn bytes(bytes: Bytes) -> Self {
        Self::of(Kind::Bytes(bytes))
    }

    pub(crate) fn file(file: FileBody) -> Self {
        Self::of(Kind::File(file))
    }

    /// What is in memory: all of a refusal, nothing of a file.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.kind {
            Kind::Bytes(bytes) => bytes,
            Kind::File(_) | Kind::Remote(_) => Bytes::new(),
        }
    }

    pub(crate) fn remote(remote: RemoteBody) -> Self {
        Self::of(Kind::Remote(remote))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, admission: None, begun: false }
    }

    /// This body, which ends in an error once `admission` does.
    pub(crate) fn while_admitted(mut self, admission: Admission) -> Self {
        self.admission = Some(admission);
        self
    }

    /// What is to be sent next, where the kernel can send a file by itself.
    pub(crate) fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Part, BodyError>>> {
        if let Some(error) = self.cut_off() {
            return Poll::Ready(Some(Err(error)));
        }
        let is_in_memory = match &mut self.kind {
            Kind::File(file) => file.is_in_memory(),
            Kind::Bytes(_) | Kind::Remote(_) => false,
        };
        let part = if is_in_memory {
            Some(Ok(Part::OfFile))
        } else {
            ready!(self.poll_piece(context)).map(|piece| piece.map(Part::Bytes))
        };
        self.begun = true;
        Poll::Ready(part)
    }

    /// Has the kernel send the part of a file that [`Self::poll_part`] told of, as far as the socket has room.
    ///
    /// # Errors
    /// `WouldBlock` where there is none; what the connection or the file says; [`BodyError`] where the file has ended.
    pub(crate) fn send_part(&mut self, socket: &TcpStream, attempt: Attempt) -> io::Result<()> {
        match &mut self.kind {
            Kind::File(file) => file.send(socket, attempt),
            Kind::Bytes(_) | Kind::Remote(_) => Ok(()),
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match &mut self.kind {
            Kind::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Bytes(bytes) => Poll::Ready(Some(Ok(mem::take(bytes)))),
            Kind::File(file) => file.poll_chunk(context),
            Kind::Remote(remote) => match ready!(remote.poll_piece(context)) {
                Some(Ok(Piece::Bytes(bytes))) => Poll::Ready(Some(Ok(bytes))),
                Some(Ok(Piece::Rest(file, range))) => {
                    self.kind = Kind::File(remote.rest(file, range));
                    self.poll_piece(context)
                }
                Some(Err(error)) => Poll::Ready(Some(Err(error))),
                None => Poll::Ready(None),
            },
        }
    }

    /// The error, where the transfer must not go on; nothing comes after it.
    fn cut_off(&mut self) -> Option<BodyError> {
        let running = self.begun && !self.is_end_stream();
        let denial = self.admission.as_ref().filter(|_| running)?.ended()?;
        *self = Self::empty();
        Some(BodyError::CutOff { denial })
    }
}

impl Body for GateBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.cut_off() {
            return Poll::Ready(Some(Err(error)));
        }
        let piece = ready!(self.poll_piece(context));
        self.begun = true;
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.kind {
            Kind::Bytes(bytes) => bytes.len() as u64,
            Kind::File(file) => file.left(),
            Kind::Remote(remote) => remote.left(),
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
    use futures_util::stream;
    use http_body_util::BodyExt as _;
    use prometheus_client::metrics::counter::Counter;

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

    #[tokio::test]
    async fn a_file_that_is_kept_meanwhile_is_read_on_from_there() {
        let content: Vec<u8> = (0..600_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let start = Piece::Bytes(Bytes::copy_from_slice(&content[17..100]));
        let pieces = stream::iter([Ok(start), Ok(Piece::Rest(file(&content), 100..599_999))]);
        let sent = Counter::default();
        let mut body = GateBody::remote(RemoteBody::new("v/x".into(), pieces, 599_982, sent.clone()));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), content[17..100]);
        assert_eq!(body.size_hint().exact(), Some(599_899));
        assert!(body.collect().await.unwrap().to_bytes() == content[100..599_999]);
        assert_eq!(sent.get(), 599_982);
    }

    fn body(content: &[u8], start: u64, end: u64) -> (GateBody, Counter) {
        let sent = Counter::default();
        (GateBody::file(FileBody::new("v/x".into(), file(content), start..end, sent.clone())), sent)
    }

    fn file(content: &[u8]) -> Arc<SharedFile> {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, content).unwrap();
        SharedFile::new(file, content.len() as u64)
    }
}
