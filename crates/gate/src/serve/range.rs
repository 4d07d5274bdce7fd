//! Which part of a file is asked for (RFC 9110, section 14).

/// The part of a file that answers a `Range` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: there is no such header, or it is one to be ignored.
    Whole,
    /// The bytes from `first` to `last`, both included; both lie in the file.
    Part { first: u64, last: u64 },
    /// Nothing of what is asked for lies in the file.
    Unsatisfiable,
}

/// A part as a `Range` header names it, before the file's length is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spec {
    /// From `first` to the end.
    From { first: u64 },
    /// From `first` to `last`, both included, and `first` not after `last`.
    FromTo { first: u64, last: u64 },
    /// So many bytes at the end.
    Suffix { length: u64 },
}

impl Spec {
    /// The part of a file of `length` bytes.
    pub(crate) fn select(self, length: u64) -> Selection {
        match self {
            Self::From { first } if first >= length => Selection::Unsatisfiable,
            Self::From { first } => Selection::Part { first, last: length - 1 },
            Self::FromTo { first, .. } if first >= length => Selection::Unsatisfiable,
            Self::FromTo { first, last } => Selection::Part { first, last: last.min(length - 1) },
            Self::Suffix { length: 0 } => Selection::Unsatisfiable,
            // "The entire representation", which has no last byte to name.
            Self::Suffix { .. } if length == 0 => Selection::Whole,
            Self::Suffix { length: suffix } => {
                Selection::Part { first: length.saturating_sub(suffix), last: length - 1 }
            }
        }
    }

    /// The value of a `Range` header for an origin; `None` where its head must be known first, which is rare.
    ///
    /// Servers count in signed numbers, and some take what is beyond for nonsense. A suffix that is longer than the file
    /// is an error to others (seen: s3s-fs 0.14 answers 500).
    pub(crate) fn header(self) -> Option<String> {
        const MOST: u64 = i64::MAX.unsigned_abs();
        match self {
            Self::From { first } | Self::FromTo { first, .. } if first >= MOST => None,
            Self::FromTo { first, last } if last < MOST => Some(format!("bytes={first}-{last}")),
            Self::From { first } | Self::FromTo { first, .. } => Some(format!("bytes={first}-")),
            Self::Suffix { .. } => None,
        }
    }
}

/// Reads the value of a `Range` header.
///
/// A header of another unit, or one that does not follow the grammar, is ignored (section 14.2). So is one of several
/// ranges, which a server may (section 14.2): no player asks for them, and a thousand overlapping ones would make one
/// short request cost a thousand files.
pub(crate) fn parse(header: &[u8]) -> Option<Spec> {
    let (unit, set) = std::str::from_utf8(header).ok()?.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // A list may have empty elements (section 5.6.1.2).
    let mut specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
    let (spec, more) = (specs.next()?, specs.next());
    let (first, last) = spec.split_once('-').filter(|_| more.is_none())?;
    let spec = match (first, last) {
        ("", suffix) => Spec::Suffix { length: number(suffix)? },
        (first, "") => Spec::From { first: number(first)? },
        (first, last) => Spec::FromTo { first: number(first)?, last: number(last)? },
    };
    match spec {
        Spec::FromTo { first, last } if last < first => None,
        Spec::From { .. } | Spec::FromTo { .. } | Spec::Suffix { .. } => Some(spec),
    }
}

/// Digits only; a number that no file reaches counts as the largest there is.
fn number(digits: &str) -> Option<u64> {
    let all = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    all.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Selection::{Part, Unsatisfiable, Whole};
    use super::*;

    #[test]
    fn one_range() {
        check("bytes=0-0", 10, Part { first: 0, last: 0 });
        check("bytes=0-9", 10, Part { first: 0, last: 9 });
        check("bytes=3-5", 10, Part { first: 3, last: 5 });
        check("bytes=3-500", 10, Part { first: 3, last: 9 });
        check("bytes=9-", 10, Part { first: 9, last: 9 });
        check("bytes=0-", 10, Part { first: 0, last: 9 });
        check("bytes=-1", 10, Part { first: 9, last: 9 });
        check("bytes=-10", 10, Part { first: 0, last: 9 });
        check("bytes=-11", 10, Part { first: 0, last: 9 });
        check("BYTES=1-2", 10, Part { first: 1, last: 2 });
        check("bytes= 1-2 ", 10, Part { first: 1, last: 2 });
        check("bytes=,1-2,", 10, Part { first: 1, last: 2 });
        check("bytes=0-18446744073709551615", 10, Part { first: 0, last: 9 });
        check("bytes=0-99999999999999999999999", 10, Part { first: 0, last: 9 });
        check("bytes=-18446744073709551616", 10, Part { first: 0, last: 9 });
    }

    #[test]
    fn an_origin_is_asked_in_numbers_that_it_can_read() {
        let header = |text: &str| parse(text.as_bytes()).and_then(Spec::header);
        for (asked, sent) in [
            ("bytes= 1-2 ", Some("bytes=1-2")),
            ("bytes=5-", Some("bytes=5-")),
            ("bytes=-5", None),
            ("bytes=0-99999999999999999999999", Some("bytes=0-")),
            ("bytes=9223372036854775807-", None),
            ("bytes=9223372036854775807-9223372036854775808", None),
            ("bytes=-0", None),
            ("bytes=0-0,1-1", None),
        ] {
            assert_eq!(header(asked).as_deref(), sent, "{asked}");
        }
    }

    #[test]
    fn outside_the_file() {
        check("bytes=10-", 10, Unsatisfiable);
        check("bytes=10-20", 10, Unsatisfiable);
        check("bytes=-0", 10, Unsatisfiable);
        check("bytes=9223372036854775808-", 10, Unsatisfiable);
        check("bytes=99999999999999999999999-", 10, Unsatisfiable);
        check("bytes=99999999999999999999998-99999999999999999999999", 10, Unsatisfiable);
        check("bytes=0-", 0, Unsatisfiable);
        check("bytes=-0", 0, Unsatisfiable);
        check("bytes=-5", 0, Whole);
    }

    #[test]
    fn ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=--1",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=1",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=0x1-2",
            "bytes=1.0-2",
            "bytes=1 - 2",
            "bytes =1-2",
            "bytes:1-2",
            "items=1-2",
            "bytes=0-0,1-1",
            "bytes=0-,0-,0-",
            "bytes=-1,-1",
            "bytes=１-2",
        ] {
            check(header, 10, Whole);
        }
        check(&format!("bytes={}", ["0-"; 1000].join(",")), 10, Whole);
    }

    proptest! {
        #[test]
        fn a_part_lies_in_the_file(header in "(bytes=)?[0-9,-]{0,24}", length in 0_u64..1000) {
            if let Part { first, last } = select(header.as_bytes(), length) {
                prop_assert!(first <= last && last < length);
            }
        }

        #[test]
        fn a_range_within_the_file_is_itself(first in 0_u64..1000, more in 0_u64..1000, rest in 1_u64..1000) {
            let last = first + more;
            let header = format!("bytes={first}-{last}");
            prop_assert_eq!(select(header.as_bytes(), last + rest), Part { first, last });
        }
    }

    fn select(header: &[u8], length: u64) -> Selection {
        parse(header).map_or(Whole, |spec| spec.select(length))
    }

    #[track_caller]
    fn check(header: &str, length: u64, expected: Selection) {
        assert_eq!(select(header.as_bytes(), length), expected, "{header} of {length}");
    }
}
