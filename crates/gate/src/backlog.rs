//! Whether more is asked than this process can answer, so that some are told at once and nobody waits for long.
//!
//! What is measured is the work that is ready to be done: a task at the end of the line runs after all others that were ready
//! have had their turn. It is counted in the processor's time, so that a machine that is busy with something else does not
//! look like too many viewers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;

/// How long to wait between two measurements.
const PAUSE: Duration = Duration::from_millis(2);

/// After how long without a request nothing lies ready, whatever was measured before.
const QUIET: Duration = Duration::from_millis(50);

/// The work that lies ready, as it was measured last. Only requests have it measured: without any it costs nothing.
#[derive(Debug)]
pub(crate) struct Backlog {
    start: Instant,
    /// In microseconds.
    work: AtomicU64,
    is_measured: AtomicBool,
    /// When to measure again, in microseconds after `start`.
    due: AtomicU64,
}

impl Backlog {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            work: AtomicU64::new(0),
            is_measured: AtomicBool::new(false),
            due: AtomicU64::new(0),
        }
    }

    /// How much work lies ready when a request begins, in processor time of one thread.
    ///
    /// It grows while it is measured, so whoever comes last waits up to twice as long.
    pub(crate) fn at(self: &Arc<Self>, now: Instant) -> Duration {
        let at = microseconds(now.saturating_duration_since(self.start));
        let due = self.due.load(Ordering::Relaxed);
        let is_due = at >= due;
        // Without a runtime there is nothing that could wait.
        if is_due
            && let Ok(runtime) = Handle::try_current()
            && !self.is_measured.swap(true, Ordering::Relaxed)
        {
            if at - due > microseconds(QUIET) {
                self.work.store(0, Ordering::Relaxed);
            }
            runtime.spawn(Arc::clone(self).measure());
        }
        Duration::from_micros(self.work.load(Ordering::Relaxed))
    }

    async fn measure(self: Arc<Self>) {
        let (thread, begun) = (thread::current().id(), processor_time());
        let last = tokio::spawn(async { (thread::current().id(), processor_time()) });
        // A worker runs next what was spawned last, and puts what that takes the place of at the end of the line.
        tokio::spawn(async {});
        // Another thread has another line, and another clock.
        if let Ok((its_thread, reached)) = last.await
            && its_thread == thread
        {
            self.work.store(microseconds(reached.saturating_sub(begun)), Ordering::Relaxed);
        }
        self.due.store(microseconds(self.start.elapsed() + PAUSE), Ordering::Relaxed);
        self.is_measured.store(false, Ordering::Relaxed);
    }
}

fn microseconds(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// For how long this thread has run on a processor.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn ready_work_is_noticed_and_so_is_its_end() {
        let backlog = Arc::new(Backlog::new());
        assert_eq!(backlog.at(Instant::now()), Duration::ZERO);
        work_off(3, Duration::from_millis(10)).await;
        assert!(backlog.at(Instant::now()) >= Duration::from_millis(30));
        tokio::time::sleep(PAUSE).await;
        backlog.at(Instant::now());
        work_off(3, Duration::ZERO).await;
        assert!(backlog.at(Instant::now()) < Duration::from_millis(30), "the work is done");
    }

    #[tokio::test]
    async fn sleep_is_no_work() {
        let backlog = Arc::new(Backlog::new());
        backlog.at(Instant::now());
        tokio::task::spawn(async { thread::sleep(Duration::from_millis(60)) }).await.unwrap();
        yield_now().await;
        assert!(backlog.at(Instant::now()) < Duration::from_millis(30));
    }

    #[test]
    fn without_a_runtime_nothing_lies_ready() {
        assert_eq!(Arc::new(Backlog::new()).at(Instant::now()), Duration::ZERO);
    }

    /// So many tasks of this length each, all ready at once.
    async fn work_off(tasks: usize, length: Duration) {
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                tokio::task::spawn(async move {
                    let begun = processor_time();
                    while processor_time().saturating_sub(begun) < length {}
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        yield_now().await;
    }
}
