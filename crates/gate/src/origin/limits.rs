//! What an origin may take.

use std::path::PathBuf;
use std::time::Duration;

/// What origins may take, of time and of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginLimits {
    /// For a connection to be made.
    pub connect_timeout: Duration,
    /// From a request to the first bytes of the file.
    pub response_timeout: Duration,
    /// From some bytes to the next.
    pub read_timeout: Duration,
    /// How many requests an origin may have at once, from their start to the last byte.
    pub max_requests: usize,
    /// How much memory downloads that viewers share may use together, in bytes. Beyond it each viewer has their own. A file
    /// that no cache keeps may take a sixteenth of it.
    pub max_shared: u64,
    /// How much memory manifests that are being sent may take together, in bytes. Small ones do not count.
    pub max_manifests: u64,
    /// The largest file whose download is shared, and that is kept in the cache, in bytes.
    pub max_object: u64,
}

/// Where files of remote origins are kept, and how many for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// A folder of the cache's own.
    pub folder: PathBuf,
    /// How much it may hold, in bytes.
    pub max_size: u64,
    /// For how long a file is kept.
    pub max_age: Duration,
}

impl OriginLimits {
    /// What one manifest may take: with less, the largest ones would never be served.
    pub const MIN_MANIFESTS: u64 = 80 << 20;
}

impl Default for OriginLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            max_requests: 1000,
            max_shared: 256 << 20,
            max_manifests: 256 << 20,
            max_object: 64 << 20,
        }
    }
}
