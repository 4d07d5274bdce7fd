//! What a thread that signs does.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use tokio::runtime::Handle;
use vidpass_token::Token;

use super::SigningError;
use super::queue::{Job, Queue, Reply};
use super::together::{self, Together};
use crate::metrics::{Made, SignerMetrics};

/// How much its threads give way to others that want the core (0 to 19).
///
/// The kernel gives them a tenth of what it gives a thread that answers viewers, and no less, where both have more to do than the
/// core can: so a flood of requests for tokens does not make viewers wait, nor one of viewers end the signing of tokens.
/// Measured on two cores that were busy otherwise, 16 callers asking without a pause: at the same priority viewers waited 20 ms
/// (median; 99 %: 65 ms), at 5 they waited 7 ms (35 ms), at 10 they waited 3 ms (20 ms), and 2.3 ms (12 ms) without any callers.
const NICENESS: i32 = 10;

/// Signs until the queue is closed: what waits together where that can be done, else one after the other.
pub(super) fn run(queue: &Queue, together: Option<&Together>, metrics: &SignerMetrics, runtime: &Handle) {
    give_way();
    let choose = |jobs: &mut VecDeque<Job>| match together {
        Some(_) => together::choose(jobs),
        None => jobs.pop_front().into_iter().collect(),
    };
    while let Some(jobs) = queue.take(choose) {
        let (count, began) = (jobs.len(), Instant::now());
        // A thread that ended would be missed for ever; the callers of what it had in hand are told.
        let _ = catch_unwind(AssertUnwindSafe(|| sign(jobs, together, metrics, runtime)));
        queue.learn(count, began.elapsed());
    }
}

fn sign(jobs: Vec<Job>, together: Option<&Together>, metrics: &SignerMetrics, runtime: &Handle) {
    match together {
        Some(together) if jobs.len() > 1 => sign_together(jobs, together, metrics, runtime),
        Some(_) | None => jobs.into_iter().for_each(|job| sign_alone(job, metrics)),
    }
}

fn sign_alone(Job { token, reply }: Job, metrics: &SignerMetrics) {
    let signed = token.sign().map_err(SigningError::Sign);
    metrics.count(Made::Single, 1);
    // Nobody may be waiting any more.
    let _ = reply.send(signed);
}

fn sign_together(jobs: Vec<Job>, together: &Together, metrics: &SignerMetrics, runtime: &Handle) {
    let signatures = together.sign(&jobs.iter().map(|job| &job.token).collect::<Vec<_>>());
    let mut done = Vec::with_capacity(jobs.len());
    for (job, signature) in jobs.into_iter().zip(signatures) {
        if let Some(signature) = signature {
            metrics.count(Made::Batched, 1);
            done.push((job.reply, job.token.with_checked_signature(&signature)));
        } else {
            // A key with primes of unequal length has no lane; of all others, the computation went wrong.
            if let Some(_parts) = job.token.key().rsa_parts() {
                metrics.repeated.inc();
                tracing::warn!(key.id = %job.token.key().id(), "a signature came out wrong among eight, and is made again alone; is the CPU or its memory failing?");
            }
            sign_alone(job, metrics);
        }
    }
    hand_out(done, runtime);
}

/// Gives out the tokens of a batch from a task: the thread that answers wakes up once for all of them. If each were given out from
/// here, it would take the core from this thread for the first one, and again for each of the others.
fn hand_out(done: Vec<(Reply, Token)>, runtime: &Handle) {
    runtime.spawn(async move {
        for (reply, token) in done {
            // Nobody may be waiting any more.
            let _ = reply.send(Ok(token));
        }
    });
}

/// Lowers the priority of this thread alone, which is what "process" means to Linux here.
fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the threads that sign have the priority of all others");
    }
}
