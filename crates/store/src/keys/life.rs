//! The life of a key, told from the time alone: nothing has to run for a key to begin, or to end.

use std::fmt;

use vidpass_token::UnixTime;

/// When a managed key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// From then on.
    pub from: UnixTime,
    /// Until then, when the next one takes its place; `None` where there is none.
    pub until: Option<UnixTime>,
}

/// What has become of a live key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Gates know it, and it does not sign yet.
    Pending,
    /// It signs.
    Active,
    /// Another one signs in its place. Its tokens are good until they are over.
    Retired,
}

impl Term {
    /// What has become of the key by `now`.
    #[must_use]
    pub fn state(self, now: UnixTime) -> KeyState {
        if now < self.from {
            KeyState::Pending
        } else if self.until.is_some_and(|until| until <= now) {
            KeyState::Retired
        } else {
            KeyState::Active
        }
    }
}

impl KeyState {
    /// Its name: `pending`, `active` or `retired`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KeyState::Pending => "pending",
            KeyState::Active => "active",
            KeyState::Retired => "retired",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_signs_from_its_first_second_to_the_first_of_the_next() {
        check(99, "pending");
        check(100, "active");
        check(199, "active");
        check(200, "retired");
        check(i64::MAX, "retired");
    }

    #[test]
    fn the_last_key_signs_on() {
        let last = Term { from: UnixTime(100), until: None };
        assert_eq!(last.state(UnixTime(99)), KeyState::Pending);
        assert_eq!(last.state(UnixTime(i64::MAX)), KeyState::Active);
    }

    #[track_caller]
    fn check(now: i64, expected: &str) {
        let term = Term { from: UnixTime(100), until: Some(UnixTime(200)) };
        assert_eq!(term.state(UnixTime(now)).to_string(), expected, "{now}");
    }
}
