//! Bounds of the reassembler, and what it refuses.
//! The collecting itself is in `reassembler`.

use thiserror::Error;

use crate::chunk::RESULT_HEADER_LEN;

/// Messages held while incomplete. The channel is ordered, so one or two are normal.
pub const MAX_INCOMPLETE_FRAMES: usize = 8;

/// Payload bytes held in incomplete messages.
pub const MAX_HELD_BYTES: usize = 256 * 1024 * 1024;

/// Chunks one message may announce: 192 MiB at the usual chunk size.
pub const MAX_CHUNKS: u32 = 4096;

/// Bounds of a [`ChunkReassembler`](crate::chunk::ChunkReassembler).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReassemblerLimits {
    /// Incomplete messages held; default [`MAX_INCOMPLETE_FRAMES`]. The oldest is evicted first.
    pub frames: usize,
    /// Payload bytes held in them; default [`MAX_HELD_BYTES`].
    pub bytes: usize,
    /// Highest `total_chunks` accepted; default [`MAX_CHUNKS`].
    pub chunks: u32,
}

impl Default for ReassemblerLimits {
    fn default() -> Self {
        ReassemblerLimits {
            frames: MAX_INCOMPLETE_FRAMES,
            bytes: MAX_HELD_BYTES,
            chunks: MAX_CHUNKS,
        }
    }
}

impl ReassemblerLimits {
    /// Sets the number of incomplete messages held.
    #[must_use]
    pub fn with_frames(mut self, frames: usize) -> Self {
        self.frames = frames;
        self
    }

    /// Sets the payload bytes held.
    #[must_use]
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets the highest accepted `total_chunks`.
    #[must_use]
    pub fn with_chunks(mut self, chunks: u32) -> Self {
        self.chunks = chunks;
        self
    }
}

/// Why a chunk was refused. All other messages being collected stay intact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// Shorter than the header.
    #[error("a chunk of {len} bytes is shorter than its {RESULT_HEADER_LEN}-byte header")]
    TooShort {
        /// Bytes received.
        len: usize,
    },
    /// `total_chunks` is 0.
    #[error("frame {frame} announces 0 chunks")]
    NoChunks {
        /// Frame id of the header.
        frame: u32,
    },
    /// More chunks announced than accepted.
    #[error("frame {frame} announces {total} chunks, more than {limit}")]
    TooManyChunks {
        /// Frame id of the header.
        frame: u32,
        /// Announced.
        total: u32,
        /// Accepted.
        limit: u32,
    },
    /// `chunk_index` is not below `total_chunks`.
    #[error("frame {frame} has a chunk {index} of {total}")]
    IndexOutOfRange {
        /// Frame id of the header.
        frame: u32,
        /// Index received.
        index: u32,
        /// Announced.
        total: u32,
    },
    /// Two chunks of a frame announce different totals; what was collected of it is dropped.
    #[error("frame {frame} announced {first} chunks and now {now}")]
    TotalChanged {
        /// Frame id of the header.
        frame: u32,
        /// First announcement.
        first: u32,
        /// This one.
        now: u32,
    },
    /// This frame alone exceeds the bytes that may be held; what was collected of it is dropped.
    #[error("frame {frame} holds more than {limit} bytes")]
    FrameTooLarge {
        /// Frame id of the header.
        frame: u32,
        /// Bytes that may be held.
        limit: usize,
    },
}
