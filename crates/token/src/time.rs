//! Moments in whole seconds. Nothing here, or anywhere in this crate, asks what time it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A moment, in whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted (RFC 7519, `NumericDate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// The moment `span` later, its fraction of a second dropped.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(whole_seconds(span)))
    }

    /// The moment `span` earlier, its fraction of a second dropped.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(whole_seconds(span)))
    }

    /// Seconds from `self` to `later`; negative where `later` is earlier.
    #[must_use]
    pub fn seconds_until(self, later: Self) -> i64 {
        later.0.saturating_sub(self.0)
    }
}

fn whole_seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where the outermost callers get `now` from. Only its name is here: nothing in this crate calls one.
pub type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;
