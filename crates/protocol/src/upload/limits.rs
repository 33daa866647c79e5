//! Bounds of an upload, and what its receiver refuses.
//! The receiving itself is in `receiver`.

use thiserror::Error;

/// Largest file accepted by default: 8 GiB.
pub const MAX_UPLOAD_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// Most chunks accepted by default; bounds the bitmap of received chunks to 512 KiB.
pub const MAX_UPLOAD_CHUNKS: u32 = 4 * 1024 * 1024;

/// Bounds of an [`UploadReceiver`](crate::upload::UploadReceiver).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadLimits {
    /// Largest file; default [`MAX_UPLOAD_BYTES`].
    pub max_bytes: u64,
    /// Most chunks; default [`MAX_UPLOAD_CHUNKS`].
    pub max_chunks: u32,
}

impl Default for UploadLimits {
    fn default() -> Self {
        UploadLimits {
            max_bytes: MAX_UPLOAD_BYTES,
            max_chunks: MAX_UPLOAD_CHUNKS,
        }
    }
}

impl UploadLimits {
    /// The default chunk bound with this file size.
    pub fn new(max_bytes: u64) -> Self {
        UploadLimits {
            max_bytes,
            ..UploadLimits::default()
        }
    }

    /// Sets the most chunks accepted.
    #[must_use]
    pub fn with_max_chunks(mut self, max_chunks: u32) -> Self {
        self.max_chunks = max_chunks;
        self
    }
}

/// Why an upload cannot go on. Only [`TooShort`](Self::TooShort) and
/// [`IndexOutOfRange`](Self::IndexOutOfRange) leave the upload usable; see [`ReceiveError::is_fatal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// 2 to 7 bytes: neither a ping nor a chunk.
    #[error("an upload message of {len} bytes is neither a ping nor a chunk")]
    TooShort {
        /// Bytes received.
        len: usize,
    },
    /// `chunk_index` is not below `total_chunks`, or `total_chunks` is 0.
    #[error("upload chunk {index} of {total} does not exist")]
    IndexOutOfRange {
        /// Index received.
        index: u32,
        /// Announced.
        total: u32,
    },
    /// More chunks than accepted.
    #[error("the upload announces {total} chunks, more than {limit}; use larger chunks")]
    TooManyChunks {
        /// Announced.
        total: u32,
        /// Accepted.
        limit: u32,
    },
    /// The total changed within one upload.
    #[error("the upload announced {first} chunks and now {now}")]
    TotalChanged {
        /// First announcement.
        first: u32,
        /// This one.
        now: u32,
    },
    /// A chunk other than the last differs in size, or the last one is larger than the others or empty.
    #[error(
        "upload chunk {index} has {got} bytes where {expected} are the rule; did the file change while it was sent?"
    )]
    ChunkSize {
        /// Index of the chunk.
        index: u32,
        /// Size of a chunk of this upload; 0 = not known yet, but at least 1.
        expected: usize,
        /// Received.
        got: usize,
    },
    /// The file is larger than accepted.
    #[error("the upload has at least {bytes} bytes, more than the {limit} this worker accepts")]
    TooLarge {
        /// Size it would have.
        bytes: u64,
        /// Accepted.
        limit: u64,
    },
}

impl ReceiveError {
    /// Whether the upload can never become whole; a single odd message is not fatal.
    pub fn is_fatal(&self) -> bool {
        !matches!(
            self,
            ReceiveError::TooShort { .. } | ReceiveError::IndexOutOfRange { .. }
        )
    }
}
