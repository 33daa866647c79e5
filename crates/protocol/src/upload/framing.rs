//! The sender's half of an upload: which slice of the file goes into which message.
//! It does not read the file or pace the sending.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Bytes of the header in front of each upload chunk.
pub const UPLOAD_HEADER_LEN: usize = 8;

/// Why an upload chunk or plan cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The index is not below the total.
    #[error("upload chunk {index} of {total} does not exist")]
    IndexOutOfRange {
        /// Index asked for.
        index: u32,
        /// Chunks in the file.
        total: u32,
    },
    /// Nothing to upload: a worker would wait for ever.
    #[error("the file is empty (0 bytes); there is nothing to upload")]
    EmptyFile,
    /// A chunk size of zero.
    #[error("a chunk size of 0 cannot carry anything; set WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE to 49152")]
    ZeroChunkSize,
    /// The header has 32 bits for the number of chunks.
    #[error(
        "a file of {file_size} bytes needs more than 4294967295 chunks of {chunk_size} bytes; use larger chunks"
    )]
    TooManyChunks {
        /// Size of the file.
        file_size: u64,
        /// Chunk size asked for.
        chunk_size: usize,
    },
    /// The file changed after its size was read.
    #[error(
        "chunk {index} has {got} bytes where {expected} were planned: the file changed while it was uploaded"
    )]
    FileChanged {
        /// Index of the chunk.
        index: u32,
        /// Planned length.
        expected: usize,
        /// Length read.
        got: usize,
    },
}

/// One upload message: header, then `data` (which may be empty). Copies `data` once.
pub fn create_video_upload_chunk(
    index: u32,
    total: u32,
    data: &[u8],
) -> Result<Bytes, UploadError> {
    if index >= total {
        return Err(UploadError::IndexOutOfRange { index, total });
    }
    let mut message = BytesMut::with_capacity(UPLOAD_HEADER_LEN + data.len());
    message.put_slice(&header(index, total));
    message.put_slice(data);
    Ok(message.freeze())
}

fn header(index: u32, total: u32) -> [u8; UPLOAD_HEADER_LEN] {
    let [a, b, c, d] = index.to_le_bytes();
    let [e, f, g, h] = total.to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

/// How a file of a known size is cut. Cheap to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadPlan {
    file_size: u64,
    chunk_size: usize,
    total: u32,
}

impl UploadPlan {
    /// Plans the upload; an empty file and a zero chunk size are errors here, not a wait later.
    pub fn new(file_size: u64, chunk_size: usize) -> Result<UploadPlan, UploadError> {
        if file_size == 0 {
            return Err(UploadError::EmptyFile);
        }
        if chunk_size == 0 {
            return Err(UploadError::ZeroChunkSize);
        }
        let total = u32::try_from(file_size.div_ceil(chunk_size as u64)).map_err(|_| {
            UploadError::TooManyChunks {
                file_size,
                chunk_size,
            }
        })?;
        Ok(UploadPlan {
            file_size,
            chunk_size,
            total,
        })
    }

    /// Bytes of the file.
    pub fn file_size(&self) -> u64 {
        self.file_size
    }

    /// Payload bytes of every chunk but the last.
    pub fn chunk_size(&self) -> usize {
        self.chunk_size
    }

    /// Messages the upload consists of, at least 1.
    pub fn total_chunks(&self) -> u32 {
        self.total
    }

    /// Where chunk `index` lies in the file: offset and length. `None` past the end.
    pub fn range(&self, index: u32) -> Option<(u64, usize)> {
        if index >= self.total {
            return None;
        }
        let offset = u64::from(index) * self.chunk_size as u64;
        let left = self.file_size - offset;
        Some((
            offset,
            usize::try_from(left).map_or(self.chunk_size, |left| left.min(self.chunk_size)),
        ))
    }

    /// The header of the message for chunk `index`, for callers that put the data behind it themselves. `None` past the end.
    pub fn header(&self, index: u32) -> Option<[u8; UPLOAD_HEADER_LEN]> {
        (index < self.total).then(|| header(index, self.total))
    }

    /// The message for chunk `index`, refusing data of another length than planned. Copies `data` once.
    pub fn message(&self, index: u32, data: &[u8]) -> Result<Bytes, UploadError> {
        let (_, expected) = self.range(index).ok_or(UploadError::IndexOutOfRange {
            index,
            total: self.total,
        })?;
        if data.len() != expected {
            return Err(UploadError::FileChanged {
                index,
                expected,
                got: data.len(),
            });
        }
        create_video_upload_chunk(index, self.total, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_carry_index_and_total() {
        let message = create_video_upload_chunk(1, 3, b"ab").unwrap();
        assert_eq!(message.as_ref(), b"\x01\0\0\0\x03\0\0\0ab");
        assert_eq!(
            create_video_upload_chunk(0, 1, b"").unwrap().len(),
            UPLOAD_HEADER_LEN
        );
        assert!(matches!(
            create_video_upload_chunk(3, 3, b""),
            Err(UploadError::IndexOutOfRange { .. })
        ));
        let plan = UploadPlan::new(5, 2).unwrap();
        let apart = plan.header(1).unwrap();
        assert_eq!(
            plan.message(1, b"ab").unwrap(),
            [&apart[..], b"ab"].concat()
        );
        assert_eq!(plan.header(3), None);
    }

    #[test]
    fn a_plan_covers_the_file_exactly() {
        for (size, total, last) in [
            (1, 1, 1),
            (49_152, 1, 49_152),
            (49_153, 2, 1),
            (1_079_607, 22, 47_415),
        ] {
            let plan = UploadPlan::new(size, 49_152).unwrap();
            assert_eq!(plan.total_chunks(), total);
            let (offset, len) = plan.range(total - 1).unwrap();
            assert_eq!((offset + len as u64, len), (size, last));
            assert_eq!(plan.range(total), None);
        }
    }

    #[test]
    fn plans_that_cannot_work_are_refused() {
        assert_eq!(UploadPlan::new(0, 10), Err(UploadError::EmptyFile));
        assert_eq!(UploadPlan::new(10, 0), Err(UploadError::ZeroChunkSize));
        assert!(matches!(
            UploadPlan::new(1 << 40, 1),
            Err(UploadError::TooManyChunks { .. })
        ));
        let plan = UploadPlan::new(10, 4).unwrap();
        assert!(plan.message(2, b"ab").is_ok());
        let changed = UploadError::FileChanged {
            index: 1,
            expected: 4,
            got: 1,
        };
        assert_eq!(plan.message(1, b"a"), Err(changed));
        assert!(matches!(
            plan.message(3, b""),
            Err(UploadError::IndexOutOfRange { .. })
        ));
    }
}
