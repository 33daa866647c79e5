//! Video for the wire: frames to VP8 or H.264 one by one, and back, without delay.
//! Not files (`decode`, `mp4`), not packets or timestamps of the network.

mod bitstream;
mod clock;
mod decoder;
mod encoder;
mod error;
mod options;
mod rate;
mod tuning;

use std::fmt;

pub use decoder::VideoDecoder;
pub use encoder::{EncodedFrame, VideoEncoder};
pub use error::{EncodeError, VideoDecodeError};
pub use options::EncoderOptions;

/// Most pixels of a live picture: 4096x2304, the largest H.264 level 5.2 allows. A hostile stream can make its decoder
/// hold at most 17 pictures of that size.
pub const MAX_LIVE_PIXELS: u64 = 4096 * 2304;

/// Smallest side of a picture that is encoded.
pub const MIN_LIVE_SIDE: u32 = 16;

/// Most bytes of one encoded frame. A keyframe of the largest picture at the best quality is smaller.
pub const MAX_ENCODED_BYTES: usize = 4 << 20;

/// The codecs of live video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// VP8, RFC 6386.
    Vp8,
    /// H.264, constrained baseline when encoding; any profile with 4:2:0 pictures when decoding.
    H264,
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VideoCodec::Vp8 => "VP8",
            VideoCodec::H264 => "H264",
        })
    }
}
