//! A text with some of its parts replaced.

use std::borrow::Cow;
use std::ops::Range;

use super::ManifestError;

/// The most that a rewritten manifest may have, in bytes. A long token beside each of a million short names would
/// make gigabytes.
const MAX_REWRITTEN: usize = 64 << 20;

/// Replaces parts of a text, first to last; all other bytes stay as they are.
pub(super) struct Splice<'a> {
    text: &'a [u8],
    /// How much of `text` is in `out`, or was replaced by something that is.
    done: usize,
    out: Vec<u8>,
}

impl<'a> Splice<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self { text, done: 0, out: Vec::new() }
    }

    /// Puts `new` into the place of `part`, which lies after all that was replaced before.
    pub(super) fn replace(&mut self, part: Range<usize>, new: &[u8]) -> Result<(), ManifestError> {
        self.out.extend_from_slice(&self.text[self.done..part.start]);
        self.out.extend_from_slice(new);
        self.done = part.end;
        if self.out.len() > MAX_REWRITTEN {
            return Err(ManifestError::TooLarge { limit: MAX_REWRITTEN });
        }
        Ok(())
    }

    /// The text as it is now; borrowed where nothing was replaced.
    pub(super) fn finish(mut self) -> Cow<'a, [u8]> {
        if self.done == 0 {
            return Cow::Borrowed(self.text);
        }
        self.out.extend_from_slice(&self.text[self.done..]);
        Cow::Owned(self.out)
    }
}
