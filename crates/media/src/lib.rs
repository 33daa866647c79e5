//! Frames: decode, convert, rotate, resize, draw, JPEG, mp4.
//!
//! A [`Frame`] is a reference-counted picture, I420 or BGR, whose memory comes from a bounded [`FramePool`] and goes
//! back there when the last holder drops it. Everything else in this crate makes frames or reads them:
//! [`Decoder`] reads any video file FFmpeg reads, [`JpegEncoder`] and [`decode_image`] are the picture codecs,
//! [`Canvas`] draws, [`Resizer`] feeds models, [`Mp4Writer`] writes H.264.
//!
//! Nothing here opens a socket, knows a protocol or starts a thread of its own (FFmpeg does when asked for more than
//! one codec thread). Calls are synchronous and CPU-bound: keep them off network threads.
//!
//! Without the `ffmpeg` feature the crate needs no system library; [`Decoder`], [`probe`] and [`Mp4Writer`] are absent.
//!
//! ```
//! use framewire_media::{Canvas, Frame, FramePool, Bgr, JpegEncoder, RectStyle, Rect, decode_image};
//!
//! let pool = FramePool::default();
//! let mut frame = Frame::solid_bgr(&pool, 64, 48, Bgr::new(30, 30, 30))?;
//! Canvas::on(&mut frame, &pool)?.rect(Rect::new(8.0, 8.0, 40.0, 30.0), RectStyle::outline(Bgr::GREEN, 2));
//! let jpeg = JpegEncoder::default().encode(&frame)?.to_vec();
//! assert_eq!(decode_image(&jpeg, &pool)?.width(), 64);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]
#![cfg_attr(not(feature = "ffmpeg"), forbid(unsafe_code))]

#[cfg(feature = "ffmpeg")]
mod codec;
mod color;
mod convert;
#[cfg(feature = "ffmpeg")]
mod decode;
mod draw;
#[cfg(feature = "ffmpeg")]
#[allow(unsafe_code)]
mod ffmpeg;
mod frame;
mod image;
mod limits;
#[cfg(feature = "ffmpeg")]
mod live;
#[cfg(feature = "ffmpeg")]
mod mp4;
mod pattern;
mod pool;
mod resize;
mod rotate;
mod timing;
#[cfg(feature = "ffmpeg")]
mod truncation;

#[cfg(feature = "ffmpeg")]
pub use codec::{
    EncodeError, EncodedFrame, EncoderOptions, MAX_ENCODED_BYTES, MAX_LIVE_PIXELS, MIN_LIVE_SIDE,
    VideoCodec, VideoDecodeError, VideoDecoder, VideoEncoder,
};
pub use color::{ColorInfo, ColorMatrix, ColorRange};
#[cfg(feature = "ffmpeg")]
pub use decode::{DecodeError, DecodeStats, Decoder, DecoderOptions, OpenError, VideoInfo, probe};
pub use draw::{
    Bgr, Canvas, Font, ParseColorError, Rect, RectStyle, TextExtent, TextStyle, Weight,
};
#[cfg(feature = "ffmpeg")]
pub use ffmpeg::version as ffmpeg_version;
pub use frame::{Frame, FrameMut, PixelFormat, Plane, PlaneMut};
pub use image::{
    DEFAULT_JPEG_QUALITY, ImageError, ImageKind, JpegEncodeError, JpegEncoder, MAX_IMAGE_BYTES,
    decode_image, decode_jpeg, decode_png,
};
pub use limits::{FrameError, MAX_DIMENSION, MAX_PIXELS};
#[cfg(feature = "ffmpeg")]
pub use live::{
    CameraOptions, Interrupt, LiveError, LiveFrame, LiveInfo, LiveInput, LiveOptions, LiveStats,
    MjpegKind,
};
#[cfg(feature = "ffmpeg")]
pub use mp4::{Mp4Error, Mp4Options, Mp4Preset, Mp4Summary, Mp4Writer};
pub use pattern::{TestPattern, read_pattern_counter};
pub use pool::{FramePool, PoolLimits, PoolStats};
pub use resize::{ChannelOrder, Letterbox, ResizeError, Resizer};
pub use rotate::Rotation;
pub use timing::{TimeBase, Timing};

#[cfg(test)]
mod tests {
    use super::*;

    /// Compiles only if everything may move between threads as the documentation says.
    #[test]
    fn frames_are_shared_and_workers_are_moved_between_threads() {
        fn shared<T: Send + Sync>() {}
        fn moved<T: Send>() {}
        shared::<Frame>();
        shared::<FramePool>();
        moved::<JpegEncoder>();
        moved::<Resizer>();
        moved::<Font>();
        #[cfg(feature = "ffmpeg")]
        {
            moved::<Decoder>();
            moved::<Mp4Writer>();
            moved::<LiveInput>();
            shared::<Interrupt>();
            moved::<VideoDecoder>();
            moved::<VideoEncoder>();
        }
    }
}
