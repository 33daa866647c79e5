//! Upload framing on the `video_upload` channel: an 8-byte header in front of each slice of a file; and what two ends that
//! agreed on `upload` say about it on `inference`. It reads and writes no files.

mod chunks;
mod control;
mod framing;
mod gather;
mod id;
mod limits;
mod receiver;
mod sender;

pub use chunks::{ChunkRanges, ChunkSet, MAX_RANGES, RangesError};
pub use control::{MAX_UPLOAD_MESSAGE, UploadMessageError, UploadReply, UploadRequest};
pub use framing::{UPLOAD_HEADER_LEN, UploadError, UploadPlan, create_video_upload_chunk};
pub use gather::{GATHER_BYTES, GATHER_PARTS, UploadBatch, UploadGather};
pub use id::{UploadId, UploadIdError};
pub use limits::{MAX_UPLOAD_BYTES, MAX_UPLOAD_CHUNKS, ReceiveError, UploadLimits};
pub use receiver::{UploadAction, UploadReceiver, UploadWrite};
pub use sender::{UploadSender, UploadStep};
