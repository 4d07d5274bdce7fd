//! What a thread that signs does.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::SigningError;
use super::queue::{Job, Queue};
use crate::metrics::{SignerMetrics, SigningPath};

/// How much its threads give way to others that want the core (0 to 19).
///
/// The kernel gives them a tenth of what it gives a thread that answers viewers, and no less, where both have more to do than the
/// core can: so a flood of requests for tokens does not make viewers wait, nor one of viewers end the signing of tokens.
const NICENESS: i32 = 10;

/// Signs until the queue is closed.
pub(super) fn run(queue: &Queue, metrics: &SignerMetrics) {
    give_way();
    while let Some(jobs) = queue.take(|jobs| first(jobs)) {
        let (count, began) = (jobs.len(), Instant::now());
        // A thread that ended would be missed for ever; the callers of what it had in hand are told.
        let _ = catch_unwind(AssertUnwindSafe(|| sign(jobs, metrics)));
        queue.learn(count, began.elapsed());
    }
}

fn first(jobs: &mut VecDeque<Job>) -> Vec<Job> {
    jobs.pop_front().into_iter().collect()
}

fn sign(jobs: Vec<Job>, metrics: &SignerMetrics) {
    for Job { token, reply } in jobs {
        let signed = token.sign().map_err(SigningError::Sign);
        metrics.count(SigningPath::Single, 1);
        // Nobody may be waiting any more.
        let _ = reply.send(signed);
    }
}

/// Lowers the priority of this thread alone, which is what "process" means to Linux here.
fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the threads that sign have the priority of all others");
    }
}
