//! Cutting one result body into chunk messages, and reading a chunk header.
//! It does not collect chunks; that is the reassembler.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::FrameId;
use crate::chunk::MAX_CHUNKS;

/// Payload bytes of a full chunk, on both ends and both channels.
pub const CHUNK_SIZE: usize = 49_152;

/// Bytes of the header in front of each result chunk.
pub const RESULT_HEADER_LEN: usize = 12;

/// Why a body cannot be cut.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SplitError {
    /// A chunk size of zero.
    #[error("a chunk size of 0 cannot carry anything; use {CHUNK_SIZE}")]
    ZeroChunkSize,
    /// More chunks than a reader accepts.
    #[error(
        "a body of {body} bytes needs more than {MAX_CHUNKS} chunks of {chunk_size} bytes; send fewer outputs"
    )]
    TooLarge {
        /// Length of the body.
        body: usize,
        /// Chunk size asked for.
        chunk_size: usize,
    },
}

/// Cuts `body` into the messages to send in order. An empty body is one chunk without payload.
///
/// Each message is one allocation and one copy of its slice; nothing happens until the iterator is advanced.
pub fn split_result(
    frame_id: FrameId,
    body: Bytes,
    chunk_size: usize,
) -> Result<ResultChunks, SplitError> {
    if chunk_size == 0 {
        return Err(SplitError::ZeroChunkSize);
    }
    let total = body.len().div_ceil(chunk_size).max(1);
    match u32::try_from(total) {
        Ok(total) if total <= MAX_CHUNKS => Ok(ResultChunks {
            body,
            frame: frame_id.header(),
            chunk_size,
            index: 0,
            total,
        }),
        _ => Err(SplitError::TooLarge {
            body: body.len(),
            chunk_size,
        }),
    }
}

/// The messages of one body; see [`split_result`].
#[derive(Debug, Clone)]
pub struct ResultChunks {
    body: Bytes,
    frame: u32,
    chunk_size: usize,
    index: u32,
    total: u32,
}

impl Iterator for ResultChunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.index == self.total {
            return None;
        }
        let slice = self.body.split_to(self.chunk_size.min(self.body.len()));
        let mut message = BytesMut::with_capacity(RESULT_HEADER_LEN + slice.len());
        message.put_u32_le(self.frame);
        message.put_u32_le(self.index);
        message.put_u32_le(self.total);
        message.put_slice(&slice);
        self.index += 1;
        Some(message.freeze())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.total - self.index) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for ResultChunks {}

/// The three numbers of a chunk header, as read; not yet judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkHeader {
    pub(crate) frame: u32,
    pub(crate) index: u32,
    pub(crate) total: u32,
}

impl ChunkHeader {
    /// Reads the header; `None` when the message is shorter than one.
    pub(crate) fn read(message: &[u8]) -> Option<ChunkHeader> {
        let (header, _) = message.split_first_chunk::<RESULT_HEADER_LEN>()?;
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        Some(ChunkHeader {
            frame: word(0),
            index: word(4),
            total: word(8),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_lengths_and_their_chunks() {
        let table = [
            (0, 1, 0),
            (1, 1, 1),
            (49_151, 1, 49_151),
            (49_152, 1, 49_152),
            (49_153, 2, 1),
            (98_304, 2, 49_152),
            (98_305, 3, 1),
            (1_048_576, 22, 16_384),
        ];
        for (body, total, last) in table {
            let chunks = split_result(FrameId(1), Bytes::from(vec![7; body]), CHUNK_SIZE).unwrap();
            assert_eq!(chunks.len(), total, "body of {body}");
            assert_eq!(
                chunks.last().unwrap().len() - RESULT_HEADER_LEN,
                last,
                "body of {body}"
            );
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert_eq!(
            split_result(FrameId(1), Bytes::new(), 0).unwrap_err(),
            SplitError::ZeroChunkSize
        );
        let body = Bytes::from(vec![0; MAX_CHUNKS as usize + 1]);
        assert!(split_result(FrameId(1), body.slice(1..), 1).is_ok());
        assert!(matches!(
            split_result(FrameId(1), body, 1),
            Err(SplitError::TooLarge { .. })
        ));
    }
}
