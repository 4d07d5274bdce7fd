//! For how long a gate may decide without word from the store.
//!
//! What was taken back elsewhere is not known to a gate that is cut off. After this time it lets nobody in whose token
//! could be among that; whoever needs no token is let in as before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counted by a clock that nobody sets, so that no change of the time makes it longer.
pub(crate) struct Lease {
    /// `None`: for as long as it takes.
    length: Option<Duration>,
    start: Instant,
    /// When the store was last heard, in milliseconds after `start`.
    renewed: AtomicU64,
}

impl Lease {
    /// Begins now.
    pub(crate) fn new(length: Option<Duration>) -> Self {
        Self { length, start: Instant::now(), renewed: AtomicU64::new(0) }
    }

    /// The store answered what it was asked at `asked`.
    pub(crate) fn renew(&self, asked: Instant) {
        let milliseconds = asked.saturating_duration_since(self.start).as_millis();
        self.renewed.fetch_max(u64::try_from(milliseconds).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// For how long the store has been silent.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        let renewed = self.start + Duration::from_millis(self.renewed.load(Ordering::Relaxed));
        now.saturating_duration_since(renewed)
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.length.is_some_and(|length| self.silence(now) > length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_from_the_last_question_that_was_answered() {
        let lease = Lease::new(Some(Duration::from_secs(30)));
        let at = |seconds| lease.start + Duration::from_secs(seconds);
        assert!(!lease.is_over(at(30)) && lease.is_over(at(31)));
        lease.renew(at(20));
        assert!(!lease.is_over(at(50)) && lease.is_over(at(51)));
        lease.renew(at(10));
        assert!(!lease.is_over(at(50)), "an answer that comes late takes nothing away");
        assert!(!Lease::new(None).is_over(Instant::now() + Duration::from_secs(1 << 30)));
    }
}
