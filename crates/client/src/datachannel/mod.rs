//! The pieces of the data channels for programs that bring their own connection: joining result chunks, cutting and sending
//! video files. Sessions do all this themselves.
//!
//! ```
//! use framewire::datachannel::{ChunkReassembler, create_video_upload_chunk};
//!
//! let mut reassembler = ChunkReassembler::new();
//! let first = [7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, b'{'];
//! let last = [7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, b'}'];
//! assert_eq!(reassembler.add_chunk(first.to_vec())?, None);
//! let (body, frame) = reassembler.add_chunk(last.to_vec())?.expect("both chunks are there");
//! assert_eq!((&body[..], frame.0), (&b"{}"[..], 7));
//!
//! assert_eq!(&create_video_upload_chunk(1, 3, b"data")?[..8], &[1, 0, 0, 0, 3, 0, 0, 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod uploader;

use bytes::Bytes;
use framewire_protocol::{FrameId, chunk};

pub use framewire_protocol::chunk::ChunkError;
pub use framewire_protocol::upload::{UploadError, create_video_upload_chunk};
pub use uploader::{
    DEFAULT_BUFFER_LIMIT, DEFAULT_CHUNK_SIZE, UploadChannel, UploadFileError, VideoFileUploader,
};

/// Joins the chunks of result messages into bodies, in whatever order they come.
///
/// It holds at most 8 incomplete messages and 256 MiB; older ones make room. A message may have 4096 chunks.
#[derive(Debug, Default)]
pub struct ChunkReassembler {
    inner: chunk::ChunkReassembler,
}

impl ChunkReassembler {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one message of the results channel. Returns the body and the frame id of its header once every chunk is there,
    /// and forgets them. Costs O(1), and one copy of the body when it came in several chunks. Repeated chunks count once.
    ///
    /// # Errors
    /// The message is no chunk that fits those before it. Other messages being collected stay as they are.
    pub fn add_chunk(
        &mut self,
        message: impl Into<Bytes>,
    ) -> Result<Option<(Bytes, FrameId)>, ChunkError> {
        let whole = self.inner.add_chunk(message.into())?;
        Ok(whole.map(|(body, frame)| (body, FrameId(frame.into()))))
    }

    /// Incomplete messages held.
    pub fn incomplete_frames(&self) -> usize {
        self.inner.incomplete_frames()
    }

    /// Incomplete messages given up so far to make room.
    pub fn evicted(&self) -> u64 {
        self.inner.evicted()
    }
}
