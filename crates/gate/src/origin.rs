//! Where the bytes of videos are: folders, HTTP servers and S3-compatible buckets.
//!
//! Every function here that gives bytes takes a `&Permit`, which names the origin. Its URL is made of the origin's own, the
//! ids of account and video, and the path of the file. Nothing else of a viewer's request reaches an origin but what it
//! says of ranges, dates and entity tags, read and written anew. (Such a tag is whatever the viewer takes for one: only
//! the origin knows its own.)

mod address;
mod blocks;
mod cache;
mod content;
mod download;
mod error;
mod fetch;
mod folder;
mod head;
mod known_as;
mod limits;
mod memory;
mod metrics;
mod open_files;
mod remote;
mod s3;
mod template;
mod transfer;
mod whole;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tracing::field::display;
use vidpass_token::{FilePath, OriginName, Permit, UnixTime};

pub use self::address::{OriginUrl, OriginUrlError};
pub use self::cache::CacheError;
use self::cache::DiskCache;
pub(crate) use self::content::Found;
use self::download::Downloads;
pub use self::error::FetchError;
pub(crate) use self::fetch::Fetch;
use self::fetch::Fetcher;
pub use self::folder::FolderError;
pub(crate) use self::folder::{FolderOrigin, Made, OpenFile};
pub(crate) use self::head::{Head, Want};
pub use self::known_as::{KnownAs, KnownAsError};
pub use self::limits::{CacheConfig, OriginLimits};
use self::memory::Memory;
use self::metrics::OriginMetrics;
use self::open_files::OpenFiles;
pub(crate) use self::remote::Got;
use self::remote::Remote;
pub use self::s3::{BucketName, RegionName, S3Bucket, S3Error, S3Style};
pub use self::template::{PathTemplate, TemplateError};
use crate::deny::Failure;

/// The name of the gate's own folder.
pub const MEDIA: &str = "media";

/// All origins, by name.
pub struct Origins {
    media: Entry,
    named: HashMap<OriginName, Entry>,
    fetcher: Arc<Fetcher>,
    /// See [`Self::room_for_large`].
    large: Arc<Semaphore>,
    /// See [`Self::hold`].
    manifests: Memory,
}

/// What [`Origins`] are made of.
#[derive(Debug)]
pub struct OriginsConfig {
    /// The gate's own folder, for videos whose account names no origin.
    pub media: PathBuf,
    /// All others.
    pub named: BTreeMap<OriginName, OriginConfig>,
    /// What remote ones may take.
    pub limits: OriginLimits,
    /// Where their files are kept; `None` is nowhere.
    pub cache: Option<CacheConfig>,
}

/// One origin.
#[derive(Debug)]
pub struct OriginConfig {
    /// What it is, and where.
    pub kind: OriginKind,
    /// Where a video's files are below that.
    pub path: PathTemplate,
    /// Where manifests say that they are, beside the origin's own address.
    pub known_as: Vec<KnownAs>,
}

/// What an origin is, and where.
#[derive(Debug)]
pub enum OriginKind {
    /// A folder of this machine.
    Folder(PathBuf),
    /// An HTTP server.
    Http(OriginUrl),
    /// A bucket.
    S3(S3Bucket),
}

/// Why there are no origins.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OriginsError {
    /// A bucket that no URL can name.
    #[error("the origin `{name}` cannot be used")]
    Bucket {
        /// The origin.
        name: OriginName,
        /// Why.
        source: S3Error,
    },
    /// The cache.
    #[error("the cache cannot be used")]
    Cache(#[from] CacheError),
    /// An origin to which no connection could be made.
    #[error("the origin `{name}` cannot be used")]
    Client {
        /// The origin.
        name: OriginName,
        /// Why.
        source: reqwest::Error,
    },
    /// A folder that cannot be opened.
    #[error("the origin `{name}` cannot be used")]
    Folder {
        /// The origin.
        name: OriginName,
        /// Why.
        source: FolderError,
    },
    /// The gate's own folder.
    #[error("media = {} cannot be used; make the folder, or set `media`", .folder.display())]
    Media {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: FolderError,
    },
}

/// An origin that is open, and what is said of its files.
struct Entry {
    origin: Origin,
    path: PathTemplate,
    /// The URLs below which its files are.
    addresses: Vec<OriginUrl>,
    known_as: Vec<KnownAs>,
}

enum Origin {
    Folder(FolderOrigin),
    /// An HTTP server, or a bucket: an HTTP server whose requests are signed.
    Remote(Arc<Remote>),
}

/// Where the files of a permitted video are.
pub(crate) enum Source<'a> {
    Folder(&'a FolderOrigin),
    Remote(Fetch),
}

impl Origins {
    /// Opens every folder and the cache. No remote origin is asked anything yet. Registers metrics,
    /// `vidpass_gate_origin_*` and `vidpass_gate_cache_*`.
    ///
    /// # Errors
    /// [`OriginsError`]
    pub fn open(config: OriginsConfig, registry: &mut Registry) -> Result<Self, OriginsError> {
        let metrics = OriginMetrics::register(registry);
        let OriginsConfig { media, named, limits, cache } = config;
        let files = OpenFiles::new();
        let media = FolderOrigin::open(&media, PathTemplate::default(), files.clone())
            .map_err(|source| OriginsError::Media { folder: media, source })?;
        let cache = cache.map(|cache| DiskCache::open(&cache, metrics.clone())).transpose()?;
        let open = Opening { limits, files, metrics: metrics.clone() };
        let named = named.into_iter().map(|(name, config)| Ok((name.clone(), open.entry(name, config)?)));
        let downloads = Downloads::new(limits.max_shared, limits.max_object);
        Ok(Self {
            media: Entry::folder(media, PathTemplate::default(), Vec::new()),
            named: named.collect::<Result<_, OriginsError>>()?,
            fetcher: Arc::new(Fetcher { downloads, cache, metrics }),
            large: Arc::new(Semaphore::new(whole::MAX_LARGE)),
            manifests: Memory::of(limits.max_manifests),
        })
    }

    /// Where the files of the permitted video are. An origin that nobody knows is a failure of ours, never another
    /// origin: a file of the same name there may be another account's.
    fn entry(&self, permit: &Permit) -> Result<&Entry, Failure> {
        self.known_entry(permit).ok_or_else(|| {
            let (name, account, video) = (permit.origin().map(display), permit.account(), permit.video());
            tracing::error!(origin = name, account.id = %account, video.id = %video, "the configuration has no such origin");
            Failure::OriginUnknown
        })
    }

    fn known_entry(&self, permit: &Permit) -> Option<&Entry> {
        match permit.origin() {
            Some(name) if name.as_str() != MEDIA => self.named.get(name),
            Some(_) | None => Some(&self.media),
        }
    }

    /// The folder that has the files of the permitted video, where one has.
    pub(crate) fn folder(&self, permit: &Permit) -> Option<&FolderOrigin> {
        match &self.known_entry(permit)?.origin {
            Origin::Folder(folder) => Some(folder),
            Origin::Remote(_) => None,
        }
    }

    pub(crate) fn source(&self, permit: &Permit, file: FilePath<'_>, now: UnixTime) -> Result<Source<'_>, Failure> {
        Ok(match &self.entry(permit)?.origin {
            Origin::Folder(folder) => Source::Folder(folder),
            Origin::Remote(remote) => Source::Remote(Fetch {
                origin: Arc::clone(remote),
                target: Arc::new(remote.target(permit, file)),
                keep: self.fetcher.keeps(file),
                now,
            }),
        })
    }

    /// The file, where the cache has it.
    pub(crate) async fn cached(&self, fetch: &Fetch) -> Option<Found> {
        self.fetcher.cached(fetch).await
    }

    /// What the origin has, or whoever is asking it for the same already.
    pub(crate) async fn get(&self, fetch: &Fetch, want: &Want) -> Result<Got, Failure> {
        self.fetcher.get(fetch, want).await
    }
}

/// Makes entries of what the configuration says.
struct Opening {
    limits: OriginLimits,
    files: OpenFiles,
    metrics: OriginMetrics,
}

impl Opening {
    fn entry(&self, name: OriginName, config: OriginConfig) -> Result<Entry, OriginsError> {
        let OriginConfig { kind, path, known_as } = config;
        match kind {
            OriginKind::Folder(folder) => match FolderOrigin::open(&folder, path.clone(), self.files.clone()) {
                Ok(folder) => Ok(Entry::folder(folder, path, known_as)),
                Err(source) => Err(OriginsError::Folder { name, source }),
            },
            OriginKind::Http(url) => {
                let addresses = vec![url.clone()];
                let origin = self.remote(name, url, &path, None)?;
                Ok(Entry { origin, path, addresses, known_as })
            }
            OriginKind::S3(bucket) => match bucket.url() {
                Ok(url) => {
                    let origin = self.remote(name, url, &path, Some(bucket.signer()))?;
                    Ok(Entry { origin, path, addresses: bucket.known_urls(), known_as })
                }
                Err(source) => Err(OriginsError::Bucket { name, source }),
            },
        }
    }

    fn remote(
        &self,
        name: OriginName,
        base: OriginUrl,
        path: &PathTemplate,
        signer: Option<s3::Signer>,
    ) -> Result<Origin, OriginsError> {
        // So that it is there, as 0, before anything breaks.
        drop(self.metrics.broken_off(&name));
        let client = remote::client(&base, &self.limits);
        let client = client.map_err(|source| OriginsError::Client { name: name.clone(), source })?;
        Ok(Origin::Remote(Arc::new(Remote {
            name,
            base,
            path: path.clone(),
            signer,
            client,
            limits: self.limits,
            slots: Arc::new(Semaphore::new(self.limits.max_requests)),
            metrics: self.metrics.clone(),
        })))
    }
}

impl Entry {
    fn folder(folder: FolderOrigin, path: PathTemplate, known_as: Vec<KnownAs>) -> Self {
        Self { origin: Origin::Folder(folder), path, addresses: Vec::new(), known_as }
    }
}

impl std::fmt::Debug for Origins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        map.entry(&MEDIA, &self.media.origin);
        map.entries(self.named.iter().map(|(name, entry)| (name.as_str(), &entry.origin))).finish()
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => folder.fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}
