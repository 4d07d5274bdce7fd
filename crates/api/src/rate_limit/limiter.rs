//! Counting by key, in bounded memory.

use std::convert::Infallible;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::{Clock, Reference as _};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use quick_cache::sync::Cache;

use super::{Allowance, Limited, Rate};

/// Counts by key. Of more keys than it holds, those that are seldom seen are forgotten, and begin anew.
pub(super) struct Limiter<K, C: Clock> {
    rate: Rate,
    clock: C,
    buckets: Cache<K, Arc<Bucket<C>>>,
}

struct Bucket<C: Clock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>,
    /// Until when nothing is left. The limiter itself can only be asked by taking one.
    empty_until: Mutex<Option<C::Instant>>,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was allowed, and so many more are.
    Taken { remaining: u32 },
    /// One more is allowed after this time.
    Refused { wait: Duration },
}

impl Outcome {
    pub(super) fn into_allowance(self, limited: Limited, rate: Rate) -> Allowance {
        let (remaining, refused_for) = match self {
            Self::Taken { remaining } => (remaining, None),
            Self::Refused { wait } => (0, Some(wait)),
        };
        Allowance { limited, rate, remaining, refused_for }
    }
}

impl<K: Clone + Eq + Hash, C: Clock + Clone> Limiter<K, C> {
    pub(super) fn new(rate: Rate, keys: usize, clock: C) -> Self {
        Self { rate, clock, buckets: Cache::new(keys) }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one, where one is left.
    pub(super) fn take(&self, key: &K) -> Outcome {
        let (bucket, now) = (self.bucket_of(key), self.clock.now());
        match bucket.limiter.check() {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                if remaining == 0 {
                    bucket.set_empty_until(now + self.rate.time_for(1).into());
                }
                Outcome::Taken { remaining }
            }
            Err(not_until) => {
                bucket.set_empty_until(not_until.earliest_possible());
                Outcome::Refused { wait: not_until.wait_time_from(now) }
            }
        }
    }

    /// Takes so many, or none where fewer are left. `None` where there are never so many.
    pub(super) fn take_many(&self, key: &K, count: NonZeroU32) -> Option<Outcome> {
        let (bucket, now) = (self.bucket_of(key), self.clock.now());
        Some(match bucket.limiter.check_n(count).ok()? {
            Ok(state) => Outcome::Taken { remaining: state.remaining_burst_capacity() },
            Err(not_until) => Outcome::Refused { wait: not_until.wait_time_from(now) },
        })
    }

    /// Whether nothing is left, without taking one.
    pub(super) fn refused(&self, key: &K) -> Option<Outcome> {
        let bucket = self.buckets.get(key)?;
        let now = self.clock.now();
        let until = bucket.empty_until().filter(|until| *until > now)?;
        Some(Outcome::Refused { wait: until.duration_since(now).into() })
    }

    fn bucket_of(&self, key: &K) -> Arc<Bucket<C>> {
        let made = self.buckets.get_or_insert_with(key, || Ok::<_, Infallible>(Arc::new(self.bucket())));
        match made {
            Ok(bucket) => bucket,
            Err(impossible) => match impossible {},
        }
    }

    fn bucket(&self) -> Bucket<C> {
        let limiter = RateLimiter::direct_with_clock(self.rate.quota(), self.clock.clone());
        Bucket { limiter: limiter.with_middleware(), empty_until: Mutex::new(None) }
    }
}

impl<C: Clock> Bucket<C> {
    fn empty_until(&self) -> Option<C::Instant> {
        *self.empty_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_empty_until(&self, moment: C::Instant) {
        *self.empty_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment);
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_at_a_time() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::new("10/m burst 3".parse().unwrap(), 10, clock.clone());
        let refused = |seconds| Outcome::Refused { wait: Duration::from_secs(seconds) };
        for remaining in [2, 1, 0] {
            assert_eq!(limiter.refused(&"a"), None);
            assert_eq!(limiter.take(&"a"), Outcome::Taken { remaining });
        }
        assert_eq!(limiter.refused(&"a"), Some(refused(6)), "the last one was taken");
        assert_eq!(limiter.take(&"a"), refused(6));
        assert_eq!(limiter.refused(&"b"), None, "each has its own");
        assert_eq!(limiter.take(&"b"), Outcome::Taken { remaining: 2 });

        clock.advance(Duration::from_secs(5));
        assert_eq!(limiter.refused(&"a"), Some(refused(1)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(limiter.refused(&"a"), None);
        assert_eq!(limiter.take(&"a"), Outcome::Taken { remaining: 0 });
        assert_eq!(limiter.refused(&"a"), Some(refused(6)));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(limiter.take(&"a"), Outcome::Taken { remaining: 2 });
    }

    #[test]
    fn many_are_taken_all_or_none() {
        let limiter = Limiter::new("10/m burst 5".parse().unwrap(), 10, FakeRelativeClock::default());
        let many = |count| limiter.take_many(&"a", NonZeroU32::new(count).unwrap());
        assert_eq!(many(6), None);
        assert_eq!(many(3), Some(Outcome::Taken { remaining: 2 }));
        assert_eq!(many(4), Some(Outcome::Refused { wait: Duration::from_secs(12) }));
        assert_eq!(many(2), Some(Outcome::Taken { remaining: 0 }));
    }

    #[test]
    fn memory_has_a_bound() {
        let limiter = Limiter::new("1/h".parse().unwrap(), 100, FakeRelativeClock::default());
        for key in 0..10_000 {
            limiter.take(&key);
        }
        assert!(limiter.buckets.len() <= 100, "{}", limiter.buckets.len());
    }
}
