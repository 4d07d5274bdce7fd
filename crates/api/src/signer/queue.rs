//! What waits to be signed, and for how long.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;
use vidpass_token::{Token, UnsignedToken};

use super::SigningError;

/// For how long a token may have to wait. Callers try again after a second, so what waits longer is asked for twice.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// So many for each thread may wait however slow they were: a machine that stood still must get to know its new pace.
const ALWAYS: usize = 8;

/// What a signature is taken to cost before one was made: RSA of 2048 bits on a slow core.
const FIRST_PACE: Duration = Duration::from_millis(1);

/// A token that waits, and who waits for it.
pub(super) struct Job {
    pub(super) token: UnsignedToken,
    pub(super) reply: Reply,
}

/// How it is given out.
pub(super) type Reply = oneshot::Sender<Result<Token, SigningError>>;

/// The tokens that wait, the first ones first.
pub(super) struct Queue {
    state: Mutex<State>,
    has_work: Condvar,
    threads: usize,
    waiting: Gauge,
    refused: Counter,
}

struct State {
    jobs: VecDeque<Job>,
    /// How long a thread took for a signature, of late.
    pace: Duration,
    /// How many threads wait for work. Where none does, telling them would be a system call for each token that nobody hears.
    asleep: usize,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(threads: usize, waiting: Gauge, refused: Counter) -> Self {
        let state = State { jobs: VecDeque::new(), pace: FIRST_PACE, asleep: 0, is_closed: false };
        Self { state: Mutex::new(state), has_work: Condvar::new(), threads, waiting, refused }
    }

    /// Refuses where one more would have to wait for too long.
    pub(super) fn require_room(&self) -> Result<(), SigningError> {
        self.room(&self.state())
    }

    /// Adds a token, where it need not wait for too long.
    pub(super) fn push(&self, job: Job) -> Result<(), SigningError> {
        let state = self.state();
        self.room(&state)?;
        self.add(state, job);
        Ok(())
    }

    /// Adds a token of somebody who sees to it that there are not too many.
    pub(super) fn push_anyway(&self, job: Job) {
        self.add(self.state(), job);
    }

    /// Waits until there are tokens, and takes those that `choose` does, at least one. `None` where none will come any more.
    pub(super) fn take(&self, mut choose: impl FnMut(&mut VecDeque<Job>) -> Vec<Job>) -> Option<Vec<Job>> {
        let mut state = self.state();
        loop {
            if let Some(chosen) = self.choose(&mut state, &mut choose) {
                return Some(chosen);
            }
            if state.is_closed {
                return None;
            }
            state.asleep += 1;
            state = self.has_work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
        }
    }

    /// The same, without waiting: `None` where there are none now.
    pub(super) fn take_waiting(&self, choose: impl FnOnce(&mut VecDeque<Job>) -> Vec<Job>) -> Option<Vec<Job>> {
        self.choose(&mut self.state(), choose)
    }

    fn choose(&self, state: &mut State, choose: impl FnOnce(&mut VecDeque<Job>) -> Vec<Job>) -> Option<Vec<Job>> {
        // Whoever hung up needs no token.
        while state.jobs.pop_front_if(|job| job.reply.is_closed()).is_some() {}
        let chosen = (!state.jobs.is_empty()).then(|| choose(&mut state.jobs));
        self.tell(state);
        chosen
    }

    /// Learns how long a thread took for so many signatures.
    pub(super) fn learn(&self, signatures: usize, time: Duration) {
        let each = time / u32::try_from(signatures.max(1)).unwrap_or(u32::MAX);
        let mut state = self.state();
        state.pace = (state.pace * 15 + each) / 16;
    }

    /// Ends the threads, when all is done that waits.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.has_work.notify_all();
    }

    fn room(&self, state: &State) -> Result<(), SigningError> {
        if has_room(state.jobs.len(), state.pace, self.threads) {
            return Ok(());
        }
        self.refused.inc();
        Err(SigningError::Overloaded)
    }

    fn add(&self, mut state: MutexGuard<'_, State>, job: Job) {
        state.jobs.push_back(job);
        self.tell(&state);
        let somebody_sleeps = state.asleep > 0;
        // Who wakes up wants the lock.
        drop(state);
        if somebody_sleeps {
            self.has_work.notify_one();
        }
    }

    fn tell(&self, state: &State) {
        self.waiting.set(i64::try_from(state.jobs.len()).unwrap_or(i64::MAX));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one more need not wait for too long behind those that `wait`, with so many `threads` at this `pace`.
fn has_room(wait: usize, pace: Duration, threads: usize) -> bool {
    let rounds = u32::try_from(wait / threads.max(1)).unwrap_or(u32::MAX);
    wait < ALWAYS * threads || pace.saturating_mul(rounds) < LONGEST_WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_a_time() {
        const MS: Duration = Duration::from_millis(1);
        check(499, MS, 1, true);
        check(500, MS, 1, false);
        check(999, MS, 2, true);
        check(1000, MS, 2, false);
        check(4999, MS / 10, 1, true);
        check(5000, MS / 10, 1, false);
        // A thread that has slept for a minute signs again.
        check(7, MS * 60_000, 1, true);
        check(8, MS * 60_000, 1, false);
        check(usize::MAX, MS, 1, false);
        check(0, Duration::MAX, 1, true);

        #[track_caller]
        fn check(wait: usize, pace: Duration, threads: usize, expected: bool) {
            assert_eq!(has_room(wait, pace, threads), expected);
        }
    }
}
