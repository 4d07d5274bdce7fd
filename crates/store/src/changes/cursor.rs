//! How far a follower has come.

use std::fmt;
use std::str::FromStr;

use super::ChangeSeq;

/// How far a follower has come: a number, and the mark of the change that it saw under it.
///
/// A database that goes back in time gives a number out again, and may be past it before anybody looks. The mark tells.
/// Its text is for followers elsewhere, who keep it and give it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) seq: ChangeSeq,
    /// Random. `None` where the log has no such change.
    pub(super) mark: Option<i64>,
}

/// Why a text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct CursorError;

impl Cursor {
    /// Before the first change.
    pub const START: Self = Self { seq: ChangeSeq::START, mark: None };

    /// The number of the last change that was seen.
    #[must_use]
    pub fn seq(self) -> ChangeSeq {
        self.seq
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mark {
            Some(mark) => write!(f, "{}.{mark:016x}", self.seq),
            None => write!(f, "{}", self.seq),
        }
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (seq, mark) = match text.split_once('.') {
            Some((seq, mark)) => (seq, Some(u64::from_str_radix(mark, 16).map_err(|_| CursorError)?.cast_signed())),
            None => (text, None),
        };
        let cursor = Self { seq: ChangeSeq(seq.parse().map_err(|_| CursorError)?), mark };
        // One cursor has one text, and no number is negative.
        if cursor.seq >= ChangeSeq::START && cursor.to_string() == text { Ok(cursor) } else { Err(CursorError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_from_its_text() {
        for (seq, mark, text) in
            [(0, None, "0"), (7, Some(-1), "7.ffffffffffffffff"), (8, Some(10), "8.000000000000000a")]
        {
            let cursor = Cursor { seq: ChangeSeq(seq), mark };
            assert_eq!((cursor.to_string().as_str(), text.parse()), (text, Ok(cursor)));
        }
        for text in ["", "-1", "+1", "1.", "1.a", ".000000000000000a", "1.000000000000000A", "1.+00000000000000a", "01"]
        {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}
