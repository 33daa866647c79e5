//! The only place that talks to FFmpeg: demuxing, decoding, pixel formats, encoding, muxing. All unsafe code is here.
//! Not policy: what a failure means for a file is decided by `decode` and `mp4`.

mod cause;
mod codec;
mod encoder;
mod input;
mod interrupt;
mod lend;
mod live;
mod output;
mod picture;
mod scale;

use std::fmt;
use std::sync::Once;

use ffmpeg_next as ff;

pub(crate) use cause::Cause;
pub(crate) use codec::{Received, VideoCodec};
pub(crate) use encoder::{LiveEncoder, LiveSettings, Rate};
pub(crate) use input::{Demuxer, OpenFailure, StreamFacts};
pub(crate) use interrupt::{Stop, Watch};
pub(crate) use live::{LiveDecoder, LiveDemuxer, LiveFacts, Opening, age_of_stamp};
pub(crate) use output::{EncoderSettings, Mp4Encoder};
pub(crate) use picture::{Picture, PictureError};
pub(crate) use scale::Scaler;

/// What FFmpeg says went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AvError(ff::Error);

impl AvError {
    /// The operating system's error number, if it was that.
    pub(crate) fn errno(self) -> Option<i32> {
        match self.0 {
            ff::Error::Other { errno } => Some(errno),
            _ => None,
        }
    }

    fn from_code(code: i32) -> AvError {
        AvError(ff::Error::from(code))
    }
}

impl From<ff::Error> for AvError {
    fn from(error: ff::Error) -> Self {
        AvError(error)
    }
}

impl fmt::Display for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether an FFmpeg call wants to be repeated after the other side made progress.
fn is_again(error: ff::Error) -> bool {
    error
        == ff::Error::Other {
            errno: ff::error::EAGAIN,
        }
}

/// Prepares FFmpeg once per process: error texts are loaded and its own printing to stderr is switched off, since
/// everything that matters comes back as a value.
fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = ff::init() {
            tracing::warn!(%error, "FFmpeg did not initialise");
        }
        ff::log::set_level(ff::log::Level::Quiet);
    });
}

/// The FFmpeg this process runs with, such as `libavcodec 59.37.100, libavformat 59.27.100`.
pub fn version() -> String {
    let dotted = |version: u32| {
        format!(
            "{}.{}.{}",
            version >> 16,
            version >> 8 & 0xff,
            version & 0xff
        )
    };
    format!(
        "libavcodec {}, libavformat {}",
        dotted(ff::codec::version()),
        dotted(ff::format::version())
    )
}
