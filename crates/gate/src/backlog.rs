//! Whether more is asked than this process can answer, so that some are told at once and nobody waits for long.
//!
//! What is ready to run and finds a worker's own line full waits in a queue that all workers share. A mark goes the way of all
//! others through it, and how long that takes is how long a request waits that comes now. A mark that is still on its way
//! tells as much: the wait is as long as that at least.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeMetrics};

/// Fewer that wait are no line, however slowly they go: on a machine that is busy with something else, nobody is turned away.
const A_LINE: usize = 64;

/// How long to wait between two marks.
const PAUSE: Duration = Duration::from_millis(1);

/// For how long a mark tells what waits, once it is through.
const FRESH: Duration = Duration::from_millis(50);

/// In place of a moment: no mark is on its way.
const NONE: u64 = 0;

/// How long requests wait for their turn. Only where there is a line it is measured.
#[derive(Debug)]
pub(crate) struct Backlog {
    line: OnceLock<Line>,
}

#[derive(Debug)]
struct Line {
    runtime: RuntimeMetrics,
    marks: Arc<Marks>,
    /// Has a mark put in. A worker that did so itself would put it in its own line, before the shared one.
    ask: SyncSender<()>,
}

/// All in microseconds after the start.
#[derive(Debug)]
struct Marks {
    start: Instant,
    /// When the mark was put in that is on its way.
    put_in: AtomicU64,
    /// When the last one came through, and how long it was on its way.
    through: AtomicU64,
    took: AtomicU64,
}

impl Backlog {
    pub(crate) fn new() -> Self {
        Self { line: OnceLock::new() }
    }

    /// How long a request waits for its turn that comes `now`.
    pub(crate) fn at(&self, now: Instant) -> Duration {
        let line = match self.line.get() {
            Some(line) => line,
            // Without a runtime there is nothing that could wait.
            None => match Handle::try_current() {
                Ok(runtime) => self.line.get_or_init(|| Line::new(runtime)),
                Err(_) => return Duration::ZERO,
            },
        };
        if line.runtime.global_queue_depth() < A_LINE { Duration::ZERO } else { line.wait(now) }
    }
}

impl Line {
    fn new(runtime: Handle) -> Self {
        let marks = Arc::new(Marks {
            start: Instant::now(),
            put_in: AtomicU64::new(NONE),
            through: AtomicU64::new(0),
            took: AtomicU64::new(0),
        });
        let (ask, asked) = sync_channel(1);
        let (metrics, of_thread) = (runtime.metrics(), Arc::clone(&marks));
        let work = move || of_thread.put_in_what_is_asked_for(&runtime, &asked);
        thread::Builder::new().name("backlog".to_owned()).spawn(work).expect("the system gives a thread");
        Self { runtime: metrics, marks, ask }
    }

    fn wait(&self, now: Instant) -> Duration {
        let (now, marks) = (self.marks.at(now), &self.marks);
        let (put_in, through) = (marks.put_in.load(Ordering::Relaxed), marks.through.load(Ordering::Relaxed));
        let since = now.saturating_sub(through);
        if put_in == NONE && since >= micros(PAUSE) {
            // Where one is asked for already, that is enough.
            let _ = self.ask.try_send(());
        }
        let so_far = if put_in == NONE { 0 } else { now.saturating_sub(put_in) };
        let last = if since <= micros(FRESH) { marks.took.load(Ordering::Relaxed) } else { 0 };
        Duration::from_micros(so_far.max(last))
    }
}

impl Marks {
    /// Ends with the line that asks.
    fn put_in_what_is_asked_for(self: &Arc<Self>, runtime: &Handle, asked: &Receiver<()>) {
        while asked.recv().is_ok() {
            let put_in = self.at(Instant::now());
            self.put_in.store(put_in, Ordering::Relaxed);
            let marks = Arc::clone(self);
            runtime.spawn(async move {
                let through = marks.at(Instant::now());
                marks.took.store(through - put_in, Ordering::Relaxed);
                marks.through.store(through, Ordering::Relaxed);
                marks.put_in.store(NONE, Ordering::Relaxed);
            });
        }
    }

    /// Never [`NONE`].
    fn at(&self, moment: Instant) -> u64 {
        micros(moment.saturating_duration_since(self.start)).max(1)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;
    use tokio::task::JoinHandle;

    use super::*;

    #[test]
    fn a_line_is_noticed_while_it_is_there_and_no_longer() {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let backlog = Arc::new(Backlog::new());
        let ask = || backlog.at(Instant::now());
        let asked = |backlog: &Arc<Backlog>| {
            let backlog = Arc::clone(backlog);
            runtime.block_on(runtime.spawn(async move { backlog.at(Instant::now()) })).unwrap()
        };
        assert_eq!(asked(&backlog), Duration::ZERO);
        // Half a second of work, in pieces.
        let work: Vec<JoinHandle<()>> = (0..500).map(|_| runtime.spawn(async { work(1) })).collect();
        let (begun, mut longest) = (Instant::now(), Duration::ZERO);
        while begun.elapsed() < Duration::from_millis(300) {
            longest = longest.max(ask());
            thread::sleep(Duration::from_millis(2));
        }
        assert!(longest > Duration::from_millis(100), "{longest:?}");
        work.into_iter().for_each(|work| runtime.block_on(work).unwrap());
        assert_eq!(ask(), Duration::ZERO);
        assert_eq!(asked(&backlog), Duration::ZERO, "the work is done");
    }

    #[test]
    fn what_is_slow_is_no_line() {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let backlog = Backlog::new();
        runtime.block_on(async { backlog.at(Instant::now()) });
        let work: Vec<JoinHandle<()>> = (0..A_LINE / 2).map(|_| runtime.spawn(async { work(5) })).collect();
        for _ in 0..20 {
            assert_eq!(backlog.at(Instant::now()), Duration::ZERO);
            thread::sleep(Duration::from_millis(5));
        }
        work.into_iter().for_each(|work| runtime.block_on(work).unwrap());
    }

    #[test]
    fn without_a_runtime_nothing_waits() {
        assert_eq!(Backlog::new().at(Instant::now()), Duration::ZERO);
    }

    fn work(milliseconds: u64) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(milliseconds) {}
    }
}
