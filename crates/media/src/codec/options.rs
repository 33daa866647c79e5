//! What a caller may choose about encoding live video.
//! Not the codecs' own knobs: those are in `tuning`.

use super::VideoCodec;

/// Bit rates outside are moved to the nearer end: below, no picture is left; above, frames exceed what is allowed.
pub(super) const BITRATES: std::ops::RangeInclusive<u32> = 30_000..=50_000_000;

/// How a [`VideoEncoder`](super::VideoEncoder) works.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncoderOptions {
    /// The codec.
    pub codec: VideoCodec,
    /// Bits per second to start with, kept within 30 000 and 50 000 000. Default 1 500 000.
    pub bitrate: u32,
    /// Frames per second, 1 to 240, where frames have no usable timestamps; also how often the rate is looked at.
    /// Default 30.
    pub fps: u32,
    /// Encoding threads, 1 to 16. Default 1: a second one halves the time on idle cores and multiplies the worst case
    /// on busy ones.
    pub threads: u32,
}

impl EncoderOptions {
    /// The defaults for a codec.
    pub fn new(codec: VideoCodec) -> EncoderOptions {
        EncoderOptions {
            codec,
            bitrate: 1_500_000,
            fps: 30,
            threads: 1,
        }
    }

    /// Sets [`bitrate`](Self::bitrate).
    pub fn with_bitrate(mut self, bits_per_second: u32) -> Self {
        self.bitrate = bits_per_second;
        self
    }

    /// Sets [`fps`](Self::fps).
    pub fn with_fps(mut self, fps: u32) -> Self {
        self.fps = fps;
        self
    }

    /// Sets [`threads`](Self::threads).
    pub fn with_threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    /// The options with every number inside its range.
    pub(super) fn checked(mut self) -> Self {
        self.bitrate = clamp_bitrate(self.bitrate);
        self.fps = self.fps.clamp(1, 240);
        self.threads = self.threads.clamp(1, 16);
        self
    }
}

pub(super) fn clamp_bitrate(bits_per_second: u32) -> u32 {
    bits_per_second.clamp(*BITRATES.start(), *BITRATES.end())
}
