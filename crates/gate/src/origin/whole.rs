//! What the rewriting of manifests needs: a whole file in memory, and where absolute URLs in it may point.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use vidpass_token::{FilePath, Permit, UnixTime};

use super::content::{Content, Found};
use super::head::Want;
use super::known_as;
use super::remote::Got;
use super::{Origins, Source};
use crate::body::{BodyError, GateBody};
use crate::deny::Failure;
use crate::manifest::Home;

/// How many large files are in memory at once, be it that they are read or that something is made of them.
pub(super) const MAX_LARGE: usize = 8;

/// The largest manifest that is not counted while it is sent, in bytes: most are small, and served whoever is slow.
const MAX_UNCOUNTED: usize = 64 << 10;

/// How long a viewer waits for room for a large one.
const SHORT_WAIT: Duration = Duration::from_secs(1);

impl Origins {
    /// A file of the permitted video, of which all bytes are here or on their way. Viewers who ask for it at once share
    /// one request to a remote origin. `now` is the time of the viewer's request.
    pub(crate) async fn find_whole(
        &self,
        permit: &Permit,
        file: FilePath<'_>,
        now: UnixTime,
    ) -> Result<Found, Failure> {
        let fetch = match self.source(permit, file, now)? {
            Source::Folder(folder) => {
                let opened = folder.open_file(permit, file).await.map_err(|error| error.failure())?;
                return Ok(Found::in_folder(&opened, now));
            }
            Source::Remote(fetch) => fetch,
        };
        if let Some(found) = self.cached(&fetch).await {
            return Ok(found);
        }
        match self.get(&fetch, &Want::Whole).await? {
            Got::Found(found) => Ok(found),
            Got::NotFound => Err(Failure::NotFound),
            Got::NotModified(_) | Got::PreconditionFailed | Got::RangeNotSatisfiable => Err(Failure::OriginFailed),
        }
    }

    /// Room in memory for a large file and for the work on what is made of it. To be had before the file is read: who
    /// waits holds none of its bytes.
    pub(crate) async fn room_for_large(&self, length: u64) -> Result<OwnedSemaphorePermit, Failure> {
        let room = timeout(SHORT_WAIT, Arc::clone(&self.large).acquire_owned()).await;
        let room = room.ok().and_then(Result::ok).ok_or_else(|| {
            tracing::warn!(max_large = MAX_LARGE, "too many large manifests are asked for at once");
            Failure::OriginBusy
        })?;
        // What is made of it is hardly ever shorter, and would not find room afterwards.
        if self.manifests.has(length) { Ok(room) } else { Err(full()) }
    }

    /// What was made of a file. Unless it is small, it counts until it is sent or given up: viewers who are slow to take
    /// it hold no more memory together than `max_manifests`.
    pub(crate) fn hold(&self, made: Found) -> Result<Found, Failure> {
        let Found { head, content } = made;
        let content = match content {
            Content::Memory(bytes) if bytes.len() > MAX_UNCOUNTED => {
                Content::Memory(self.manifests.count(bytes).ok_or_else(full)?)
            }
            Content::File { .. }
            | Content::Memory(_)
            | Content::Nothing
            | Content::Shared { .. }
            | Content::Stream { .. } => content,
        };
        Ok(Found { head, content })
    }

    /// The places below which URLs name files of the permitted video: those of its origin, and what that is known as.
    pub(crate) fn homes(&self, permit: &Permit) -> Result<Vec<Home>, Failure> {
        let entry = self.entry(permit)?;
        let addresses = entry.addresses.iter().map(|address| known_as::below(address, &entry.path, permit));
        let own = match addresses.len() {
            0 => vec![known_as::without_host(&entry.path, permit)],
            _ => addresses.collect(),
        };
        Ok(own.into_iter().chain(entry.known_as.iter().map(|known| known.home(permit))).flatten().collect())
    }
}

impl Found {
    /// All bytes, if they come to their end; if not, that was logged where it happened.
    pub(crate) async fn read_whole(self) -> Result<Bytes, Failure> {
        let all = 0..self.head.length;
        read_to_end(self.into_body(all, Counter::default())).await.map_err(|error| error.failure())
    }
}

fn full() -> Failure {
    tracing::warn!("manifests that are being sent have all the memory that they may have");
    Failure::OriginBusy
}

async fn read_to_end(mut body: GateBody) -> Result<Bytes, BodyError> {
    let length = usize::try_from(body.size_hint().lower()).unwrap_or_default();
    let mut bytes = BytesMut::with_capacity(length);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Some(data) = frame?.data_ref() {
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.freeze())
}
