//! A file that is read as the connection takes it, from an origin.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use prometheus_client::metrics::counter::Counter;

use super::{BodyError, FileBody, SharedFile};
use crate::origin::FetchError;

/// Part of a file of a remote origin, as it comes.
pub(crate) struct RemoteBody {
    /// Origin, video and path within it, for errors.
    name: Arc<str>,
    pieces: Pin<Box<dyn Stream<Item = Result<Piece, Arc<FetchError>>> + Send>>,
    /// How many bytes are still to come.
    left: u64,
    sent: Counter,
}

/// What a file of a remote origin comes in.
pub(crate) enum Piece {
    Bytes(Bytes),
    /// All that is still to come, which is on a disk of this machine by now.
    Rest(Arc<SharedFile>, Range<u64>),
}

impl RemoteBody {
    /// `length` bytes; `sent` counts them.
    pub(crate) fn new(
        name: Arc<str>,
        pieces: impl Stream<Item = Result<Piece, Arc<FetchError>>> + Send + 'static,
        length: u64,
        sent: Counter,
    ) -> Self {
        Self { name, pieces: Box::pin(pieces), left: length, sent }
    }

    /// How many bytes are still to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The rest of this, where [`Piece::Rest`] says that it is.
    pub(super) fn rest(&self, file: Arc<SharedFile>, range: Range<u64>) -> FileBody {
        FileBody::new(Arc::clone(&self.name), file, range, self.sent.clone())
    }

    pub(super) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = ready!(self.pieces.as_mut().poll_next(context));
        let piece = piece.unwrap_or_else(|| Err(Arc::new(FetchError::Stopped)));
        match &piece {
            Ok(Piece::Bytes(bytes)) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                self.sent.inc_by(bytes.len() as u64);
            }
            Ok(Piece::Rest(..)) => {}
            // It was logged where it happened, once for all viewers who share it.
            Err(_) => self.left = 0,
        }
        Poll::Ready(Some(piece.map_err(|source| BodyError::Origin { file: Arc::clone(&self.name), source })))
    }
}
