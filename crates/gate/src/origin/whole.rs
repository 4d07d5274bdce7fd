//! What the rewriting of manifests needs: a whole file in memory, and where absolute URLs in it may point.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use prometheus_client::metrics::counter::Counter;
use vidpass_token::{FilePath, Permit, UnixTime};

use super::content::Found;
use super::head::{Head, Want};
use super::home;
use super::remote::Got;
use super::{Origins, Source};
use crate::body::GateBody;
use crate::deny::Failure;
use crate::manifest::Home;

/// A whole file.
#[derive(Debug)]
pub struct WholeFile {
    /// All of it.
    pub bytes: Bytes,
    /// When it was changed last, where the origin says so.
    pub modified: Option<UnixTime>,
}

/// Why a file is not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWhole {
    /// There is none, or it cannot be read to its end.
    Failed(Failure),
    /// It is larger than the caller takes.
    TooLarge {
        /// Its length in bytes.
        length: u64,
    },
}

impl Origins {
    /// All bytes of a file of the permitted video, if there are no more than `max`. Viewers who ask for it at once share
    /// one request to a remote origin. `now` is the time of the viewer's request.
    ///
    /// # Errors
    /// [`NotWhole`]
    pub async fn whole(
        &self,
        permit: &Permit,
        file: FilePath<'_>,
        max: u64,
        now: UnixTime,
    ) -> Result<WholeFile, NotWhole> {
        let found = self.find_whole(permit, file, now).await.map_err(NotWhole::Failed)?;
        let Head { length, validators } = found.head.clone();
        if length > max {
            return Err(NotWhole::TooLarge { length });
        }
        let body = found.into_body(0..length, Counter::default());
        let bytes = read_to_end(body).await.ok_or(NotWhole::Failed(Failure::OriginFailed))?;
        Ok(WholeFile { bytes, modified: validators.modified })
    }

    async fn find_whole(&self, permit: &Permit, file: FilePath<'_>, now: UnixTime) -> Result<Found, Failure> {
        let fetch = match self.source(permit, file, now)? {
            Source::Folder(folder) => {
                let opened = folder.open_file(permit, file).await.map_err(|error| error.failure())?;
                return Ok(Found::in_folder(opened, now));
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

    /// The places below which URLs name files of the permitted video: those of its origin, and what that is known as.
    ///
    /// # Errors
    /// [`Failure::OriginUnknown`]
    pub fn homes(&self, permit: &Permit) -> Result<Vec<Home>, Failure> {
        let entry = self.entry(permit)?;
        let addresses = entry.addresses.iter().map(|address| home::below(address, &entry.path, permit));
        let own = match addresses.len() {
            0 => vec![home::without_host(&entry.path, permit)],
            _ => addresses.collect(),
        };
        Ok(own.into_iter().chain(entry.known_as.iter().map(|known| known.home(permit))).flatten().collect())
    }
}

/// `None` where it breaks off, which was logged where it happened.
async fn read_to_end(mut body: GateBody) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        bytes.extend_from_slice(frame.ok()?.data_ref()?);
    }
    Some(bytes.freeze())
}
