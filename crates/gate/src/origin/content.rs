//! What an origin found: a head, and the bytes as far as they were asked for.

use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use prometheus_client::metrics::counter::Counter;
use vidpass_token::UnixTime;

use super::download::Reader;
use super::folder::{Made, OpenFile};
use super::head::Head;
use super::transfer::Transfer;
use crate::body::{FileBody, GateBody, Piece, RemoteBody, SharedFile};
use crate::serve::conditional::Validators;

/// A file of a permitted video.
pub(crate) struct Found {
    pub(crate) head: Head,
    pub(crate) content: Content,
}

/// The bytes of a file.
pub(crate) enum Content {
    /// All of them, on this machine.
    File { file: Arc<SharedFile>, name: Arc<str> },
    /// None: only the head was asked for.
    Nothing,
    /// All of them, in memory.
    Memory(Bytes),
    /// All of them, as they come in memory, for several viewers.
    Shared { reader: Reader, name: Arc<str> },
    /// One part, once.
    Stream { part: Range<u64>, transfer: Box<Transfer> },
}

impl Found {
    pub(crate) fn in_folder(opened: &OpenFile, now: UnixTime) -> Self {
        let OpenFile { file, metadata, etag, name, .. } = opened;
        let validators = Validators::of_file(etag.clone(), UnixTime(metadata.mtime()), now);
        let content = Content::File { file: Arc::clone(file), name: Arc::clone(name) };
        Self { head: Head { length: metadata.size(), validators }, content }
    }

    /// What was made of a file in a folder.
    pub(crate) fn made_of(opened: &OpenFile, made: &Made, now: UnixTime) -> Self {
        let Made { bytes, etag, .. } = made;
        let validators = Validators::of_file(etag.clone(), UnixTime(opened.metadata.mtime()), now);
        Self { head: Head { length: bytes.len() as u64, validators }, content: Content::Memory(bytes.clone()) }
    }

    /// Bytes that were made of a file, which was changed at `modified`.
    pub(crate) fn in_memory(bytes: Bytes, modified: Option<UnixTime>) -> Self {
        let validators = Validators::of_bytes(&bytes, modified);
        Self { head: Head { length: bytes.len() as u64, validators }, content: Content::Memory(bytes) }
    }

    /// Whether all bytes are here, or on their way.
    pub(crate) fn is_whole(&self) -> bool {
        self.has(&(0..self.head.length))
    }

    /// Whether the bytes of `range` are here, or on their way.
    pub(crate) fn has(&self, range: &Range<u64>) -> bool {
        match &self.content {
            Content::File { .. } | Content::Memory(_) | Content::Shared { .. } => true,
            Content::Nothing => range.is_empty(),
            Content::Stream { part, .. } => part == range,
        }
    }

    /// The bytes of `range`, which [`Self::has`]; `sent` counts them.
    pub(crate) fn into_body(self, range: Range<u64>, sent: Counter) -> GateBody {
        match self.content {
            Content::File { file, name } => GateBody::file(FileBody::new(name, file, range, sent)),
            Content::Memory(bytes) => {
                let place = |at: u64| usize::try_from(at).expect("it lies in memory");
                sent.inc_by(range.end - range.start);
                GateBody::bytes(bytes.slice(place(range.start)..place(range.end)))
            }
            Content::Nothing => GateBody::empty(),
            Content::Shared { reader, name } => {
                let pieces = stream::try_unfold(reader.of(range.clone()), async |mut reader| {
                    Ok(reader.piece().await?.map(|piece| (piece, reader)))
                });
                GateBody::remote(RemoteBody::new(name, pieces, range.end - range.start, sent))
            }
            Content::Stream { transfer, .. } => {
                let name = transfer.name();
                let pieces = stream::try_unfold(transfer, async |mut transfer| {
                    let chunk = transfer.chunk().await.map_err(Arc::new)?;
                    Ok(chunk.map(|chunk| (Piece::Bytes(chunk), transfer)))
                });
                GateBody::remote(RemoteBody::new(name, pieces, range.end - range.start, sent))
            }
        }
    }
}
