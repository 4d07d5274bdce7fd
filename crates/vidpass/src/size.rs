//! Sizes as people type them.

/// Units and what they stand for, in bytes.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Why a text is not a size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a size such as `64 MiB`, `500 MB` or `10 GiB`")]
pub(crate) struct SizeError;

/// Reads a size such as `64 MiB`, in bytes: a whole number above zero and a unit.
///
/// # Errors
/// [`SizeError`]
pub(crate) fn parse(text: &str) -> Result<u64, SizeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or(SizeError)?;
    let number: u64 = number.parse().map_err(|_| SizeError)?;
    number.checked_mul(unit.1).filter(|bytes| (1..1 << 60).contains(bytes)).ok_or(SizeError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        check("64 MiB", Ok(64 << 20));
        check("64MiB", Ok(64 << 20));
        check("1 B", Ok(1));
        check("2 kB", Ok(2000));
        check("10 GiB", Ok(10 << 30));
        for bad in [
            "",
            "64",
            "MiB",
            "0 B",
            "-1 MiB",
            "1.5 GiB",
            "64 mib",
            "64 M",
            "1 MiB ",
            "99999999 TiB",
            "99999999999999999999 B",
        ] {
            check(bad, Err(SizeError));
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<u64, SizeError>) {
        assert_eq!(parse(text), expected, "{text:?}");
    }
}
