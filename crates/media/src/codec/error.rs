//! Why a live frame could not be encoded or decoded.
//! Not FFmpeg's error numbers: only what a caller can act on.

use thiserror::Error;

use super::{MAX_ENCODED_BYTES, MAX_LIVE_PIXELS, MIN_LIVE_SIDE, VideoCodec};
use crate::limits::FrameError;

/// Why a frame could not be encoded. The encoder can be used again; its next frame is a keyframe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// This FFmpeg cannot encode the codec.
    #[error("the FFmpeg in use has no {codec} encoder ({encoder})")]
    NoEncoder {
        /// The codec.
        codec: VideoCodec,
        /// FFmpeg's name of the encoder that is missing.
        encoder: &'static str,
    },
    /// The picture is too small or too large for live video.
    #[error(
        "a picture of {width}x{height} cannot be sent as live video: \
         each side needs at least {MIN_LIVE_SIDE} pixels, all together at most {MAX_LIVE_PIXELS}"
    )]
    Size {
        /// Width of the frame.
        width: u32,
        /// Height of the frame.
        height: u32,
    },
    /// The frame could not be converted for encoding.
    #[error("the picture could not be converted for encoding")]
    Frame(#[from] FrameError),
    /// The encoder could not be opened for pictures of this size.
    #[error("the {codec} encoder could not be opened for {width}x{height}: {reason}")]
    Open {
        /// The codec.
        codec: VideoCodec,
        /// Width.
        width: u32,
        /// Height.
        height: u32,
        /// What FFmpeg said.
        reason: String,
    },
    /// The encoder failed.
    #[error("the {codec} encoder failed: {reason}")]
    Failed {
        /// The codec.
        codec: VideoCodec,
        /// What FFmpeg said.
        reason: String,
    },
}

/// Why an encoded frame gave no picture. After each of them but [`NoDecoder`](Self::NoDecoder) the decoder waits for a
/// keyframe: ask the sender for one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VideoDecodeError {
    /// This FFmpeg cannot decode the codec.
    #[error("the FFmpeg in use has no {codec} decoder")]
    NoDecoder {
        /// The codec.
        codec: VideoCodec,
    },
    /// The decoder could not be opened.
    #[error("the {codec} decoder could not be opened: {reason}")]
    Open {
        /// The codec.
        codec: VideoCodec,
        /// What FFmpeg said.
        reason: String,
    },
    /// The frame refers to others that were lost or never came. It was left out.
    #[error("a {codec} frame was left out: only a keyframe can be decoded now")]
    NeedsKeyframe {
        /// The codec.
        codec: VideoCodec,
    },
    /// The data is no frame of the codec, is cut short, or refers to frames that are missing.
    #[error("a {codec} frame is damaged: {reason}")]
    Damaged {
        /// The codec.
        codec: VideoCodec,
        /// What is wrong with it.
        reason: String,
    },
    /// The encoded frame is larger than any real one.
    #[error("an encoded frame of {bytes} bytes is over the limit of {MAX_ENCODED_BYTES}")]
    TooManyBytes {
        /// Its length.
        bytes: usize,
    },
    /// The picture is larger than live video may be.
    #[error("a picture of {width}x{height} is over the limit of {MAX_LIVE_PIXELS} pixels")]
    TooLarge {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// There is no memory for the picture: its user holds too many frames.
    #[error("the decoded picture has no room")]
    Frame(#[from] FrameError),
}
