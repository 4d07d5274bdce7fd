//! Files of remote origins on a disk of this machine.
//!
//! What is here is found by origin, account, uid and path, and is given to whoever holds a permit for it. The index is
//! in memory, so a new process begins with an empty folder.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use tokio::task::spawn_blocking;
use vidpass_token::{Chain, UnixTime};

use super::content::{Content, Found};
use super::head::Head;
use super::limits::CacheConfig;
use super::metrics::OriginMetrics;
use super::remote::Target;
use crate::body::SharedFile;

/// The name of every file here, before its number.
const PREFIX: &str = "object-";

/// What a file is called while it is being written.
const UNFINISHED: &str = ".part";

/// The file whose lock is held for as long as files here are written or deleted. It is never deleted: whoever locked a
/// new one would not wait for who holds the old one.
const LOCK: &str = "vidpass-cache.lock";

/// What a file takes beside its bytes: its place in the index, and the rest of its last block on the disk.
const OVERHEAD: u64 = 4096;

/// How long a typical segment is, in bytes. A hint for the index's tables, not a bound.
const TYPICAL: u64 = 1 << 20;

/// Bounded by bytes.
#[derive(Clone)]
pub(super) struct DiskCache(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    max_age: Duration,
    index: Cache<Box<str>, Arc<Kept>, ByBytes, DefaultHashBuilder, Counting>,
    next: AtomicU64,
    metrics: OriginMetrics,
    lock: Arc<File>,
}

/// A file of the cache. The file goes when this does; whoever has it open reads on.
struct Kept {
    path: PathBuf,
    head: Head,
    /// When it was asked for.
    since: UnixTime,
    metrics: OriginMetrics,
    /// The name is another process's as soon as the lock is.
    _lock: Arc<File>,
}

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The folder cannot be made, read or emptied.
    #[error("cannot use {} as the cache", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder holds something that no cache put there.
    #[error("{} holds `{name}`, which is not the cache's; choose a folder of its own", .folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What is in it.
        name: String,
    },
    /// Another process has its files there, under names that this one would use too.
    #[error("{} is the cache of another process; give each process a folder of its own", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
}

impl DiskCache {
    /// Makes the folder, or empties it of what an earlier process kept.
    pub(super) fn open(config: &CacheConfig, metrics: OriginMetrics) -> Result<Self, CacheError> {
        let folder = &config.folder;
        let failed = |source| CacheError::Folder { folder: folder.clone(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        // All is looked at before anything is made or deleted: the folder may be a wrong one.
        let names = names(folder).map_err(failed)?;
        if let Some(name) = names.iter().find(|name| *name != LOCK && !is_object(name)) {
            return Err(CacheError::Foreign { folder: folder.clone(), name: name.chars().take(64).collect() });
        }
        let lock = lock(folder).map_err(|error| match error {
            TryLockError::WouldBlock => CacheError::InUse { folder: folder.clone() },
            TryLockError::Error(source) => failed(source),
        })?;
        empty(folder).map_err(failed)?;
        Ok(Self(Arc::new(Inner {
            folder: folder.clone(),
            max_age: config.max_age,
            index: index(config.max_size, metrics.clone()),
            next: AtomicU64::new(0),
            metrics,
            lock: Arc::new(lock),
        })))
    }

    /// The file, where it is here and not too old.
    pub(super) async fn find(&self, target: &Target, now: UnixTime) -> Option<Found> {
        let (inner, key, name) = (Arc::clone(&self.0), target.key.clone(), Arc::clone(&target.name));
        let kept = inner.index.get(&key)?;
        // On a blocking thread, since a disk may be slow, and since the last one to let go of a file deletes it.
        let opened = spawn_blocking(move || {
            let opened = if kept.is_fresh(now, inner.max_age) { kept.open() } else { None };
            if opened.is_none() {
                inner.index.remove_if(&key, |current| Arc::ptr_eq(current, &kept));
            }
            opened.map(|file| (file, kept.head.clone()))
        });
        let (file, head) = opened.await.ok().flatten()?;
        self.0.metrics.hits.inc();
        let file = SharedFile::new(file, head.length);
        Some(Found { head, content: Content::File { file, name } })
    }

    /// Keeps a file that was asked for at `now`, and gives it to be read. Where the disk does not take it, it is not
    /// kept, and there is none.
    pub(super) async fn keep(&self, target: &Target, head: Head, chunks: Vec<Bytes>, now: UnixTime) -> Option<File> {
        let (inner, key, name) = (Arc::clone(&self.0), target.key.clone(), Arc::clone(&target.name));
        let keeping = move || match inner.write(head, &chunks, now) {
            Ok((kept, file)) => {
                inner.index.insert(key, Arc::new(kept));
                Some(file)
            }
            Err(error) => {
                tracing::warn!(file = %name, error = %Chain(&error), "a file is not kept in the cache");
                None
            }
        };
        spawn_blocking(keeping).await.ok().flatten()
    }
}

impl Inner {
    /// Writes a file under a name that nobody looks for, and gives it its own once all of it is there.
    fn write(&self, head: Head, chunks: &[Bytes], since: UnixTime) -> io::Result<(Kept, File)> {
        let path = self.folder.join(format!("{PREFIX}{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let unfinished = path.with_extension(&UNFINISHED[1..]);
        let written = write_new(&unfinished, chunks).and_then(|(file, length)| {
            if length != head.length {
                return Err(io::Error::other(format!("it has {length} bytes and not {}", head.length)));
            }
            std::fs::rename(&unfinished, &path)?;
            Ok(file)
        });
        let file = written.inspect_err(|_| drop(std::fs::remove_file(&unfinished)))?;
        self.metrics.bytes.inc_by(gauge(head.length));
        let (metrics, lock) = (self.metrics.clone(), Arc::clone(&self.lock));
        Ok((Kept { path, head, since, metrics, _lock: lock }, file))
    }
}

fn write_new(path: &Path, chunks: &[Bytes]) -> io::Result<(File, u64)> {
    let mut file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    chunks.iter().try_for_each(|chunk| file.write_all(chunk))?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    folder.read_dir()?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn lock(folder: &Path) -> Result<File, TryLockError> {
    let lock = File::options().write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK));
    let lock = lock.map_err(TryLockError::Error)?;
    lock.try_lock()?;
    Ok(lock)
}

/// Deletes what an earlier process kept. Looks anew: one may have ended only now.
fn empty(folder: &Path) -> io::Result<()> {
    names(folder)?.iter().filter(|name| is_object(name)).try_for_each(|name| std::fs::remove_file(folder.join(name)))
}

fn is_object(name: &str) -> bool {
    let number = name.strip_prefix(PREFIX).map(|rest| rest.strip_suffix(UNFINISHED).unwrap_or(rest));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
}

fn gauge(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Kept {
    /// A clock that was set back by more than `max_age` makes nothing fresh for longer.
    fn is_fresh(&self, now: UnixTime, max_age: Duration) -> bool {
        self.since.seconds_until(now).unsigned_abs() < max_age.as_secs()
    }

    /// `None` where somebody took the file away or cut it.
    fn open(&self) -> Option<File> {
        let file = File::open(&self.path).ok()?;
        (file.metadata().ok()?.len() == self.head.length).then_some(file)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.metrics.bytes.dec_by(gauge(self.head.length));
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(file = %self.path.display(), error = %Chain(&error), "a file of the cache cannot be deleted");
        }
    }
}

fn index(max_size: u64, metrics: OriginMetrics) -> Cache<Box<str>, Arc<Kept>, ByBytes, DefaultHashBuilder, Counting> {
    let items = usize::try_from(max_size / TYPICAL).unwrap_or(usize::MAX).max(1);
    // One shard, or a file that is larger than a shard's part would never be kept.
    let mut options = OptionsBuilder::new();
    let options = options.estimated_items_capacity(items).weight_capacity(max_size).shards(1).build();
    let options = options.expect("both sizes are given");
    Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), Counting(metrics))
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Box<str>, Arc<Kept>> for ByBytes {
    fn weight(&self, key: &Box<str>, kept: &Arc<Kept>) -> u64 {
        kept.head.length + key.len() as u64 + OVERHEAD
    }
}

/// Counts what goes, and lets it go only when the index is not locked.
#[derive(Clone)]
struct Counting(OriginMetrics);

impl Lifecycle<Box<str>, Arc<Kept>> for Counting {
    type RequestState = Vec<Arc<Kept>>;

    fn on_evict(&self, gone: &mut Self::RequestState, _key: Box<str>, kept: Arc<Kept>) {
        self.0.evictions.inc();
        gone.push(kept);
    }
}
