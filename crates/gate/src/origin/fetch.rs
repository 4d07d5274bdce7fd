//! Files of remote origins: from the cache, from a download that is running, or from the origin.

use std::fs::File;
use std::sync::Arc;

use vidpass_token::{FilePath, UnixTime};

use super::cache::DiskCache;
use super::content::{Content, Found};
use super::download::{Download, Downloads, Share, share};
use super::error::FetchError;
use super::head::{Head, Want};
use super::metrics::OriginMetrics;
use super::remote::{Got, Remote, Target};
use crate::deny::Failure;
use crate::manifest::ManifestKind;

/// What all remote origins share.
pub(super) struct Fetcher {
    pub(super) downloads: Downloads,
    pub(super) cache: Option<DiskCache>,
    pub(super) metrics: OriginMetrics,
}

/// A file to be fetched for a viewer who is permitted: a [`Target`] is made with a permit alone.
#[derive(Clone)]
pub(crate) struct Fetch {
    pub(super) origin: Arc<Remote>,
    pub(super) target: Arc<Target>,
    pub(super) keep: bool,
    pub(super) now: UnixTime,
}

impl Fetcher {
    /// Whether the cache would keep such a file. A manifest may change at any time; whatever it names does not.
    pub(super) fn keeps(&self, file: FilePath<'_>) -> bool {
        self.cache.is_some() && ManifestKind::of(file).is_none()
    }

    /// The file, where the cache has it.
    pub(super) async fn cached(&self, fetch: &Fetch) -> Option<Found> {
        match &self.cache {
            Some(cache) if fetch.keep => cache.find(&fetch.target, fetch.now).await,
            Some(_) | None => None,
        }
    }

    /// Asks the origin, or whoever is asking it for the same whole file already.
    pub(super) async fn get(self: &Arc<Self>, fetch: &Fetch, want: &Want) -> Result<Got, Failure> {
        match want {
            Want::Whole => self.whole(fetch).await,
            Want::Head | Want::Part { .. } | Want::WholeUnless(_) => fetch.ask(want).await,
        }
    }

    async fn whole(self: &Arc<Self>, fetch: &Fetch) -> Result<Got, Failure> {
        let start = |download| {
            let (fetcher, fetch) = (Arc::clone(self), fetch.clone());
            drop(tokio::spawn(async move { fetcher.download(fetch, download).await }));
        };
        let (viewer, is_new) = self.downloads.join(&fetch.target.key, start);
        if is_new {
            self.metrics.misses.inc()
        } else {
            self.metrics.joined.inc()
        };
        match share(viewer).await {
            Share::AskAlone => fetch.ask(&Want::Whole).await,
            Share::Failed(Failure::NotFound) => Ok(Got::NotFound),
            Share::Failed(failure) => Err(failure),
            Share::Mine(found) => Ok(Got::Found(found)),
            Share::Ours(head, reader) => {
                let name = Arc::clone(&fetch.target.name);
                Ok(Got::Found(Found { head, content: Content::Shared { reader, name } }))
            }
        }
    }

    /// The task that one download is. A file that is to be kept is downloaded to its end, whoever leaves.
    async fn download(&self, fetch: Fetch, download: Arc<Download>) {
        let key = &fetch.target.key;
        let _joinable = self.downloads.joinable(key, &download);
        let work = self.run(&fetch, &download);
        if fetch.keep {
            work.await;
        } else {
            self.downloads.while_wanted(key, &download, work).await;
        }
    }

    async fn run(&self, fetch: &Fetch, download: &Download) {
        let found = match fetch.ask(&Want::Whole).await {
            Ok(Got::Found(found)) => found,
            Ok(Got::NotFound) => return download.fail(Failure::NotFound),
            // The origin is asked for nothing of the kind, and `Want::read` lets no such answer through.
            Ok(Got::NotModified(_) | Got::PreconditionFailed | Got::RangeNotSatisfiable) => {
                return download.fail(Failure::OriginFailed);
            }
            Err(failure) => return download.fail(failure),
        };
        let memory = if fetch.keep {
            self.downloads.reserve_until_kept(&found.head)
        } else {
            self.downloads.reserve(&found.head)
        };
        match (memory, found) {
            (Some(memory), Found { head, content: Content::Stream { transfer, .. } }) => {
                let length = head.length;
                let chunks = download.run(head.clone(), *transfer, memory).await;
                if let Some(file) = self.kept(fetch, head, chunks).await {
                    download.read_on_from(file, length);
                }
            }
            (_, found) => download.hand_over(found),
        }
    }

    async fn kept(&self, fetch: &Fetch, head: Head, chunks: Option<Vec<bytes::Bytes>>) -> Option<File> {
        let cache = self.cache.as_ref().filter(|_| fetch.keep)?;
        cache.keep(&fetch.target, head, chunks?, fetch.now).await
    }
}

impl Fetch {
    /// `want`, or more of it: a file that is to be kept is worth having whole, though this viewer may need none of it.
    pub(crate) fn widen(&self, want: Want) -> Want {
        match want {
            Want::WholeUnless(_) if self.keep => Want::Whole,
            want @ (Want::Head | Want::Part { .. } | Want::Whole | Want::WholeUnless(_)) => want,
        }
    }

    /// Asks the origin for this viewer alone, and logs what the viewer does not learn.
    async fn ask(&self, want: &Want) -> Result<Got, Failure> {
        self.origin.open(&self.target, want, self.now).await.map_err(|error| self.failed(&error))
    }

    pub(crate) fn failed(&self, error: &FetchError) -> Failure {
        error.log(&self.origin.name, &self.target, "an origin gives no file");
        error.failure()
    }
}
