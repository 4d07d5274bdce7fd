//! What a thread that signs does.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

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

/// For how long tokens are signed before they are given out, where others wait. To give one out is two changes of threads, since whoever
/// answers takes the core at once, and finds no cache warm: with each token by itself that takes as long as a quarter of the signature.
const IN_A_ROW: Duration = Duration::from_micros(1500);

/// A token that is signed, or why it is not, and who waits for it.
type Done = (Reply, Result<Token, SigningError>);

/// Signs until the queue is closed: what waits together where that can be done, else one after the other.
pub(super) fn run(queue: &Queue, together: Option<&Together>, metrics: &SignerMetrics, runtime: &Handle) {
    give_way();
    let choose = |jobs: &mut VecDeque<Job>| match together {
        Some(_) => together::choose(jobs),
        None => jobs.pop_front().into_iter().collect(),
    };
    while let Some(first) = queue.take(choose) {
        let (mut done, mut next, began) = (Vec::new(), Some(first), Instant::now());
        while let Some(jobs) = next {
            let (count, since) = (jobs.len(), Instant::now());
            // A thread that ended would be missed for ever; the callers of what it had in hand are told.
            let _ = catch_unwind(AssertUnwindSafe(|| sign(jobs, together, metrics, &mut done)));
            queue.learn(count, since.elapsed());
            next = if began.elapsed() < IN_A_ROW { queue.take_waiting(choose) } else { None };
        }
        hand_out(done, runtime);
    }
}

fn sign(jobs: Vec<Job>, together: Option<&Together>, metrics: &SignerMetrics, done: &mut Vec<Done>) {
    match together {
        Some(together) if jobs.len() > 1 => sign_together(jobs, together, metrics, done),
        Some(_) | None => done.extend(jobs.into_iter().map(|job| sign_alone(job, metrics))),
    }
}

fn sign_alone(Job { token, reply }: Job, metrics: &SignerMetrics) -> Done {
    let signed = token.sign().map_err(SigningError::Sign);
    metrics.count(Made::Single, 1);
    (reply, signed)
}

fn sign_together(jobs: Vec<Job>, together: &Together, metrics: &SignerMetrics, done: &mut Vec<Done>) {
    let signatures = together.sign(&jobs.iter().map(|job| &job.token).collect::<Vec<_>>());
    for (job, signature) in jobs.into_iter().zip(signatures) {
        if let Some(signature) = signature {
            metrics.count(Made::Batched, 1);
            done.push((job.reply, Ok(job.token.with_checked_signature(&signature))));
        } else {
            // A key with primes of unequal length has no lane; of all others, the computation went wrong.
            if let Some(_parts) = job.token.key().rsa_parts() {
                metrics.repeated.inc();
                tracing::warn!(key.id = %job.token.key().id(), "a signature came out wrong among eight, and is made again alone; is the CPU or its memory failing?");
            }
            done.push(sign_alone(job, metrics));
        }
    }
}

/// Gives out tokens from a task: the thread that answers wakes up once for all of them. If each were given out from here, it would take
/// the core from this thread for the first one, and again for each of the others.
fn hand_out(done: Vec<Done>, runtime: &Handle) {
    // Nobody may be waiting any more.
    let give = |(reply, signed): Done| drop(reply.send(signed));
    if done.len() == 1 {
        done.into_iter().for_each(give);
    } else {
        runtime.spawn(async move { done.into_iter().for_each(give) });
    }
}

/// Lowers the priority of this thread alone, which is what "process" means to Linux here.
fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the threads that sign have the priority of all others");
    }
}
