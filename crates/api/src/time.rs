//! Times as texts (RFC 3339).

use jiff::Timestamp;
use vidpass_token::UnixTime;

/// The moment as text, in UTC.
pub(crate) fn rfc3339(moment: UnixTime) -> String {
    // Beyond the year 9999 there is no such text; nothing that the API accepts lies there.
    Timestamp::from_second(moment.0).unwrap_or(Timestamp::MAX).to_string()
}

/// The last full second before the moment that `text` names, or that moment itself.
pub(crate) fn parse_floor(text: &str) -> Option<UnixTime> {
    text.parse::<Timestamp>().ok().map(floor)
}

/// The first full second after the moment that `text` names, or that moment itself.
pub(crate) fn parse_ceil(text: &str) -> Option<UnixTime> {
    let moment: Timestamp = text.parse().ok()?;
    let whole = floor(moment);
    Some(if moment.subsec_nanosecond() == 0 { whole } else { UnixTime(whole.0 + 1) })
}

fn floor(moment: Timestamp) -> UnixTime {
    let before_1970 = moment.subsec_nanosecond() < 0;
    UnixTime(moment.as_second() - i64::from(before_1970))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_and_write() {
        assert_eq!(rfc3339(UnixTime(1_800_000_000)), "2027-01-15T08:00:00Z");
        check("2027-01-15T08:00:00Z", Some((1_800_000_000, 1_800_000_000)));
        check("2027-01-15T09:00:00.5+01:00", Some((1_800_000_000, 1_800_000_001)));
        check("1969-12-31T23:59:59.5Z", Some((-1, 0)));
        for text in ["", "2027-01-15", "2027-01-15T08:00:00", "tomorrow", "1800000000"] {
            check(text, None);
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Option<(i64, i64)>) {
        let got = parse_floor(text).zip(parse_ceil(text)).map(|(floor, ceil)| (floor.0, ceil.0));
        assert_eq!(got, expected, "{text}");
    }
}
