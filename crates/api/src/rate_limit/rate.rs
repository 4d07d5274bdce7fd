//! A rate as it is written: `10/m burst 20`.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::Quota;

/// So many in a second, a minute or an hour, and how many of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(Quota);

/// A text that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a rate such as `1000/s` or `10/m burst 20` (s, m or h; from 1 to 1000000)")]
pub struct RateError;

const MOST: u32 = 1_000_000;

impl Rate {
    /// `count` in a second, all of them at once where need be.
    #[must_use]
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self(Quota::per_second(count))
    }

    /// `count` in a minute, and `burst` at once.
    #[must_use]
    pub const fn per_minute(count: NonZeroU32, burst: NonZeroU32) -> Self {
        Self(Quota::per_minute(count).allow_burst(burst))
    }

    pub(super) fn quota(self) -> Quota {
        self.0
    }

    pub(super) fn burst(self) -> u32 {
        self.0.burst_size().get()
    }

    /// How long it takes until so many more are allowed.
    pub(super) fn time_for(self, count: u32) -> Duration {
        self.0.replenish_interval().saturating_mul(count)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (rate, burst) = match text.split_once(" burst ") {
            Some((rate, burst)) => (rate, Some(number(burst)?)),
            None => (text, None),
        };
        let (count, period) = rate.split_once('/').ok_or(RateError)?;
        let count = number(count)?;
        let quota = match period {
            "s" => Quota::per_second(count),
            "m" => Quota::per_minute(count),
            "h" => Quota::per_hour(count),
            _ => return Err(RateError),
        };
        Ok(Self(quota.allow_burst(burst.unwrap_or(count))))
    }
}

fn number(text: &str) -> Result<NonZeroU32, RateError> {
    text.parse().ok().filter(|number: &NonZeroU32| number.get() <= MOST).ok_or(RateError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        check("1000/s", Some((1000, 1)));
        check("10/m", Some((10, 6000)));
        check("10/m burst 20", Some((20, 6000)));
        check("1/h burst 5", Some((5, 3_600_000)));
        check("1000000/s", Some((1_000_000, 0)));
        for text in ["", "10", "10/d", "0/s", "-1/s", "10/m burst 0", "10/m burst", "10 / m", "1000001/s", "1.5/s"] {
            check(text, None);
        }
    }

    /// The burst, and how many milliseconds lie between two.
    #[track_caller]
    fn check(text: &str, expected: Option<(u32, u128)>) {
        let rate = text.parse::<Rate>().ok();
        assert_eq!(rate.map(|rate| (rate.burst(), rate.time_for(1).as_millis())), expected, "{text}");
    }
}
