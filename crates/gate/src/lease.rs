//! For how long a gate may decide without word from the store.
//!
//! What was taken back elsewhere is not known to a gate that is cut off. After this time it lets nobody in whose token
//! could be among that; whoever needs no token is let in as before.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Counted by a clock that nobody sets, so that no change of the time makes it longer.
pub(crate) struct Lease {
    /// `None`: for as long as it takes.
    length: Option<Duration>,
    start: Instant,
    /// When the store was last heard, in milliseconds after `start`, which may be before it.
    renewed: AtomicI64,
}

impl Lease {
    /// Begins now.
    pub(crate) fn new(length: Option<Duration>) -> Self {
        Self { length, start: Instant::now(), renewed: AtomicI64::new(0) }
    }

    /// The store answered what it was asked at `asked`.
    pub(crate) fn renew(&self, asked: Instant) {
        self.renewed.fetch_max(self.milliseconds(asked), Ordering::Relaxed);
    }

    /// The store was last heard so long before `now`, by an earlier process. To be called before the first word.
    pub(crate) fn begin_after(&self, silence: Duration, now: Instant) {
        let heard = self.milliseconds(now).saturating_sub(milliseconds(silence));
        self.renewed.store(heard, Ordering::Relaxed);
    }

    /// For how long the store has been silent.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        let silent = self.milliseconds(now).saturating_sub(self.renewed.load(Ordering::Relaxed));
        Duration::from_millis(u64::try_from(silent).unwrap_or(0))
    }

    fn milliseconds(&self, at: Instant) -> i64 {
        milliseconds(at.saturating_duration_since(self.start))
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.length.is_some_and(|length| self.silence(now) > length)
    }
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
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

    #[test]
    fn it_goes_on_from_what_an_earlier_process_heard() {
        let lease = Lease::new(Some(Duration::from_secs(30)));
        let at = |seconds| lease.start + Duration::from_secs(seconds);
        lease.begin_after(Duration::from_secs(20), at(5));
        assert!(!lease.is_over(at(15)) && lease.is_over(at(16)));
        lease.begin_after(Duration::MAX, at(5));
        assert!(lease.is_over(at(5)));
        lease.renew(at(6));
        assert!(!lease.is_over(at(36)) && lease.is_over(at(37)));
    }
}
