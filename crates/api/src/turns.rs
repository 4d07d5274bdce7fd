//! Turns for what keeps a core busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many may wait for each turn. The slowest work is to check a private key of 8192 bits: some milliseconds.
const WAITING_FOR_EACH: usize = 128;

/// So many at a time; some wait, and more are refused.
#[derive(Clone)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    most: usize,
}

/// More wait for a turn than may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoTurn;

impl Turns {
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(at_once)),
            waiting: Arc::default(),
            most: at_once.saturating_mul(WAITING_FOR_EACH),
        }
    }

    /// Waits for a turn, which is over when it is dropped.
    pub(crate) async fn take(&self) -> Result<OwnedSemaphorePermit, NoTurn> {
        let _place = Place::take(Arc::clone(&self.waiting), self.most)?;
        Ok(Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed"))
    }
}

/// A place among those who wait.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: Arc<AtomicUsize>, most: usize) -> Result<Self, NoTurn> {
        // From here on it is given back, whatever comes.
        let place = Self(waiting);
        if place.0.fetch_add(1, Ordering::Relaxed) < most { Ok(place) } else { Err(NoTurn) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn more_than_may_wait_are_refused_and_who_gives_up_makes_room() {
        let turns = Turns::new(1);
        let first = turns.take().await.unwrap();
        let waiting: Vec<_> = (0..WAITING_FOR_EACH)
            .map(|_| {
                let turns = turns.clone();
                tokio::spawn(async move { turns.take().await.map(drop) })
            })
            .collect();
        until_waiting(&turns, WAITING_FOR_EACH).await;
        assert_eq!(turns.take().await.err(), Some(NoTurn));
        waiting[0].abort();
        until_waiting(&turns, WAITING_FOR_EACH - 1).await;
        drop(first);
        let taken = join_all(waiting).await.into_iter().filter(|waited| matches!(waited, Ok(Ok(_)))).count();
        assert_eq!(taken, WAITING_FOR_EACH - 1);
        assert_eq!(turns.waiting.load(Ordering::Relaxed), 0);
    }

    async fn until_waiting(turns: &Turns, count: usize) {
        while turns.waiting.load(Ordering::Relaxed) != count {
            tokio::task::yield_now().await;
        }
    }
}
