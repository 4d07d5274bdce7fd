//! For how long a gate has had no word from the store.
//!
//! What was taken back elsewhere is not known to a gate that is cut off. After a configured time of silence it lets nobody
//! in whose token could be among that; whoever needs no token is let in as before.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Counted by a clock that nobody sets, so that no change of the time makes it longer.
pub(crate) struct LastHeard {
    start: Instant,
    /// When the store was last heard, in milliseconds after `start`, which may be before it.
    renewed: AtomicI64,
}

impl LastHeard {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), renewed: AtomicI64::new(0) }
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
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_lasts_from_the_last_question_that_was_answered() {
        let heard = LastHeard::new();
        let at = |seconds| heard.start + Duration::from_secs(seconds);
        check(&heard, at(30), 30);
        heard.renew(at(20));
        check(&heard, at(50), 30);
        heard.renew(at(10));
        check(&heard, at(50), 30);
    }

    #[test]
    fn it_goes_on_from_what_an_earlier_process_heard() {
        let heard = LastHeard::new();
        let at = |seconds| heard.start + Duration::from_secs(seconds);
        heard.begin_after(Duration::from_secs(20), at(5));
        check(&heard, at(15), 30);
        heard.begin_after(Duration::MAX, at(5));
        assert!(heard.silence(at(5)) > Duration::from_secs(u64::from(u32::MAX)));
        heard.renew(at(6));
        check(&heard, at(36), 30);
    }

    #[track_caller]
    fn check(heard: &LastHeard, now: Instant, silence: u64) {
        assert_eq!(heard.silence(now), Duration::from_secs(silence));
    }
}
