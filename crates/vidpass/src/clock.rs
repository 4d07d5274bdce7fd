//! The one place that asks what time it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vidpass_token::{Clock, UnixTime};

/// The system's clock.
#[must_use]
pub(crate) fn system() -> Clock {
    Arc::new(now)
}

/// This moment, by the system's clock; a clock before 1970 reads as 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "everything else gets `now` from here")]
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixTime(0).plus(since)
}
