//! Upload framing on the `video_upload` channel: an 8-byte header in front of each slice of a file.
//! It reads and writes no files.

mod framing;
mod limits;
mod receiver;

pub use framing::{UPLOAD_HEADER_LEN, UploadError, UploadPlan, create_video_upload_chunk};
pub use limits::{MAX_UPLOAD_BYTES, MAX_UPLOAD_CHUNKS, ReceiveError, UploadLimits};
pub use receiver::{UploadAction, UploadReceiver, UploadWrite};
