//! The lines of an issuer's answer, as they arrive: it is never in memory as a whole.

use reqwest::Response;
use vidpass_api_types::GateLine;

use super::error::FeedError;

/// The longest line that is read. The longest that there is lists what was taken back of one subject, a
/// thousand times at most, in some 100 bytes each.
const MAX_LINE: usize = 4 << 20;

pub(super) struct Lines {
    answer: Response,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn of(answer: Response) -> Self {
        Self { answer, buffer: Vec::new() }
    }

    /// Hands each line to `each`, and gives the cursor of the last one, and whether that is all that there was.
    pub(super) async fn until_end(
        &mut self,
        mut each: impl FnMut(GateLine) -> Result<(), FeedError>,
    ) -> Result<(String, bool), FeedError> {
        while let Some(piece) = self.answer.chunk().await.map_err(FeedError::away)? {
            self.buffer.extend_from_slice(&piece);
            let mut begin = 0;
            while let Some(length) = self.buffer[begin..].iter().position(|byte| *byte == b'\n') {
                let line = serde_json::from_slice(&self.buffer[begin..begin + length]);
                match line.map_err(|source| FeedError::Unreadable { source })? {
                    GateLine::End { cursor, complete } => return Ok((cursor, complete)),
                    line => each(line)?,
                }
                begin += length + 1;
            }
            self.buffer.drain(..begin);
            if self.buffer.len() > MAX_LINE {
                return Err(FeedError::LineTooLong { max: MAX_LINE });
            }
        }
        Err(FeedError::CutOff)
    }
}
