//! Moments and lengths of time as people type them.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use vidpass_token::UnixTime;

/// Why a text is not a length of time or a moment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SpanError {
    /// Not a length of time.
    #[error("is not a length of time such as `90s`, `10m` or `1h 30m`")]
    Duration,
    /// Not a moment.
    #[error(
        "is not a moment: give Unix seconds, a date such as `2030-01-31T12:00:00Z`, or a time from now such as `2h`"
    )]
    Moment,
    /// No time at all, or less.
    #[error("must be longer than nothing")]
    NotPositive,
}

/// Reads a length of time such as `90s`, `1h 30m` or `30d`. A day has 24 hours.
///
/// # Errors
/// [`SpanError::Duration`] or [`SpanError::NotPositive`]
pub(crate) fn parse(text: &str) -> Result<Duration, SpanError> {
    parse_or_none(text)?.filter(|span| !span.is_zero()).ok_or(SpanError::NotPositive)
}

/// Reads a length of time such as `90s` or `1d`, or `0s`.
///
/// # Errors
/// As [`parse`], but that nothing is accepted too.
pub(crate) fn parse_or_zero(text: &str) -> Result<Duration, SpanError> {
    parse_or_none(text)?.ok_or(SpanError::NotPositive)
}

/// `None` where it is negative.
fn parse_or_none(text: &str) -> Result<Option<Duration>, SpanError> {
    Ok(Duration::try_from(signed(text).ok_or(SpanError::Duration)?).ok())
}

/// A day is 24 hours and a week is 7 days; months and years have no length.
fn signed(text: &str) -> Option<SignedDuration> {
    text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

/// A moment as it was typed: fixed, or counted from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// This one.
    At(UnixTime),
    /// So much later than now; negative is earlier.
    FromNow(SignedDuration),
}

impl Moment {
    /// The moment, where `now` is this one.
    #[must_use]
    pub(crate) fn resolve(self, now: UnixTime) -> UnixTime {
        match self {
            Self::At(time) => time,
            Self::FromNow(span) => UnixTime(now.0.saturating_add(span.as_secs())),
        }
    }
}

impl std::str::FromStr for Moment {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let seconds = || text.parse().ok().map(|seconds| Self::At(UnixTime(seconds)));
        let date = || text.parse::<Timestamp>().ok().map(|date| Self::At(UnixTime(date.as_second())));
        let span = || signed(text).map(Self::FromNow);
        seconds().or_else(date).or_else(span).ok_or(SpanError::Moment)
    }
}

/// A length of time as [`parse`] reads it.
#[must_use]
pub(crate) fn length(span: Duration) -> String {
    const DAY: u64 = 86_400;
    let seconds = span.as_secs();
    if seconds.is_multiple_of(DAY) { format!("{}d", seconds / DAY) } else { format!("{seconds}s") }
}

/// A moment as a date in UTC (RFC 3339); the bare number where it is no date.
#[must_use]
pub(crate) fn date(time: UnixTime) -> String {
    Timestamp::from_second(time.0).map_or_else(|_| time.to_string(), |date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_as_people_type_them() {
        check("1800000000", Some(1_800_000_000));
        check("2027-01-15T08:00:00Z", Some(1_800_000_000));
        check("2027-01-15T09:00:00+01:00", Some(1_800_000_000));
        check("2h", Some(1000 + 7200));
        check("1h 30m", Some(1000 + 5400));
        check("90d", Some(1000 + 90 * 86_400));
        check("1w", Some(1000 + 7 * 86_400));
        check("1mo", None);
        check("-1h", Some(1000 - 3600));
        check("90", Some(90));
        check("tomorrow", None);
        check("", None);
    }

    #[test]
    fn a_length_of_time_is_longer_than_nothing() {
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse("1mo"), Err(SpanError::Duration));
        assert_eq!(parse("1d 2h"), Ok(Duration::from_secs(26 * 3600)));
        assert_eq!(parse_or_zero("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_or_zero("-1s"), Err(SpanError::NotPositive));
        assert_eq!(parse("0s"), Err(SpanError::NotPositive));
        assert_eq!(parse("-5m"), Err(SpanError::NotPositive));
        assert_eq!(parse("5"), Err(SpanError::Duration));
    }

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        let moment = text.parse::<Moment>().ok().map(|moment| moment.resolve(UnixTime(1000)).0);
        assert_eq!(moment, expected, "{text}");
    }
}
