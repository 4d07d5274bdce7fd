//! A bound on memory.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is counted in these, in bytes, so that a number of 32 bits says it.
const UNIT: u64 = 1024;

/// So much memory, of which some may be in use.
pub(super) struct Memory(Arc<Semaphore>);

/// Bytes, and the memory that they take.
struct Counted {
    bytes: Bytes,
    _memory: OwnedSemaphorePermit,
}

impl Memory {
    pub(super) fn of(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units)))
    }

    /// Whether so much is left at the moment.
    pub(super) fn has(&self, bytes: u64) -> bool {
        usize::try_from(bytes.div_ceil(UNIT)).is_ok_and(|units| units <= self.0.available_permits())
    }

    /// So much of it, if that is left. It comes back when this is dropped.
    pub(super) fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok()
    }

    /// The same bytes, which take memory until the last slice of them is dropped: a connection that is slow to send them
    /// has them after the body is gone.
    pub(super) fn count(&self, bytes: Bytes) -> Option<Bytes> {
        let memory = self.take(bytes.len() as u64)?;
        Some(Bytes::from_owner(Counted { bytes, _memory: memory }))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_the_last_of_them_is_gone() {
        let memory = Memory::of(4096);
        let mut bytes = memory.count(Bytes::from(vec![7; 2000])).unwrap();
        assert!(memory.has(2048) && !memory.has(2049));
        assert_eq!(memory.count(Bytes::from(vec![7; 2049])), None);
        let start = bytes.split_to(1);
        drop(bytes);
        assert!(!memory.has(2049));
        drop(start);
        assert!(memory.has(4096) && !memory.has(4097) && !memory.has(u64::MAX));
    }
}
