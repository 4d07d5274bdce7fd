//! The bytes of a file as they come, in no more memory than the file is long.

use std::mem;

use bytes::Bytes;

/// How many bytes of a file lie together, but for its last ones.
const BLOCK: usize = 64 << 10;

/// The first bytes of a file, or all of them.
#[derive(Default)]
pub(super) struct Blocks {
    /// Of the whole file.
    length: usize,
    full: Vec<Bytes>,
    /// The block that is not full yet.
    last: Vec<u8>,
}

impl Blocks {
    /// None yet, of a file of so many bytes.
    pub(super) fn of(length: u64) -> Self {
        Self { length: in_memory(length), ..Self::default() }
    }

    /// Copies: a chunk can hold on to a buffer of kilobytes for each byte that came alone.
    pub(super) fn add(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            if self.last.is_empty() {
                let missing = self.length.saturating_sub(self.full.len() * BLOCK);
                self.last = Vec::with_capacity(missing.min(BLOCK));
            }
            let (now, later) = chunk.split_at(chunk.len().min(BLOCK - self.last.len()));
            self.last.extend_from_slice(now);
            if self.last.len() == BLOCK {
                self.end();
            }
            chunk = later;
        }
    }

    /// The last bytes were added.
    pub(super) fn end(&mut self) {
        if !self.last.is_empty() {
            self.full.push(mem::take(&mut self.last).into());
        }
    }

    /// All bytes, after the end.
    pub(super) fn full(&self) -> &[Bytes] {
        &self.full
    }

    /// Whether the byte at `position` is there; not to be asked after the end.
    pub(super) fn has(&self, position: u64) -> bool {
        in_memory(position) < self.full.len() * BLOCK + self.last.len()
    }

    /// Some bytes from `position` on; `None` where there are none.
    pub(super) fn from(&self, position: u64) -> Option<Bytes> {
        let (block, at) = (in_memory(position) / BLOCK, in_memory(position) % BLOCK);
        match self.full.get(block) {
            Some(block) => (at < block.len()).then(|| block.slice(at..)),
            None if block == self.full.len() => {
                self.last.get(at..).filter(|rest| !rest.is_empty()).map(Bytes::copy_from_slice)
            }
            None => None,
        }
    }
}

pub(super) fn in_memory(length: u64) -> usize {
    usize::try_from(length).expect("what is shared fits into memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_no_more_memory_than_the_file_is_long_however_they_come() {
        let content: Vec<u8> = (0..150_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        for chunk in [1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 150_000] {
            let mut blocks = Blocks::of(150_000);
            for chunk in content.chunks(chunk) {
                blocks.add(chunk);
                assert!(blocks.full.len() * BLOCK + blocks.last.capacity() <= content.len());
            }
            for position in [0, 1, BLOCK - 1, BLOCK, 149_999] {
                let bytes = blocks.from(position as u64).unwrap();
                assert!(content[position..].starts_with(&bytes) && !bytes.is_empty(), "{position} of {chunk}");
            }
            assert_eq!(blocks.from(150_000), None);
            blocks.end();
            assert_eq!(blocks.full.iter().map(Bytes::len).collect::<Vec<_>>(), [BLOCK, BLOCK, 150_000 - 2 * BLOCK]);
            assert!(blocks.full.concat() == content, "{chunk}");
            assert_eq!(blocks.from(150_000), None);
        }
    }
}
