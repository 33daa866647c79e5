//! The knobs of libvpx and libx264 for live video, and why they stand where they do.
//! Not FFmpeg calls (`ffmpeg`), not when to change the rate (`rate`).

use super::{EncoderOptions, VideoCodec};
use crate::color::ColorInfo;
use crate::ffmpeg::{LiveSettings, Rate};

/// Keyframes are made on request; this is only the end of the longest wait for one that nobody asked for.
const KEYFRAME_INTERVAL: i32 = 3000;

/// How far the stream may run ahead of its rate, which bounds how long a keyframe takes on a line of that rate.
const BUFFER_MILLIS: u32 = 500;

/// FFmpeg's name of a codec's encoder.
pub(super) fn encoder_name(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::Vp8 => "libvpx",
        VideoCodec::H264 => "libx264",
    }
}

/// Settings for pictures of one size.
pub(super) fn settings(
    options: &EncoderOptions,
    (width, height): (u32, u32),
    color: ColorInfo,
    bits_per_second: u32,
) -> LiveSettings {
    LiveSettings {
        name: encoder_name(options.codec),
        width,
        height,
        ticks_per_second: ticks_per_second(options),
        fps: options.fps as i32,
        color,
        threads: options.threads as i32,
        keyframe_interval: KEYFRAME_INTERVAL,
        rate: rate(bits_per_second, 1.0),
        options: own_options(options.codec).to_vec(),
    }
}

/// What only one encoder understands.
fn own_options(codec: VideoCodec) -> &'static [(&'static str, &'static str)] {
    match codec {
        VideoCodec::Vp8 => &[
            ("deadline", "realtime"),
            // Between the fastest there is and half a dB more for a fifth more time.
            ("cpu-used", "-10"),
            ("lag-in-frames", "0"),
            ("auto-alt-ref", "0"),
            // A lost frame is followed by a keyframe, so frames may lean on each other fully.
            ("error-resilient", "0"),
            // The source's noise is encoded as it is: denoising costs as much as half the encoding.
            ("noise-sensitivity", "0"),
            ("static-thresh", "1"),
            ("undershoot-pct", "100"),
            ("overshoot-pct", "15"),
            ("qmin", "2"),
            // The coarsest there is: anything finer breaks a low rate and piles frames up before the line.
            ("qmax", "63"),
        ],
        VideoCodec::H264 => &[
            ("preset", "ultrafast"),
            ("tune", "zerolatency"),
            // With constraint set 1, which libx264 adds: constrained baseline.
            ("profile", "baseline"),
            ("forced-idr", "1"),
            ("sc_threshold", "0"),
            // Two of the things the preset leaves out: together 2.3 dB at the same rate.
            ("x264-params", "no-deblock=0:subme=1"),
        ],
    }
}

/// The unit of time frames are given to an encoder in. FFmpeg tells libvpx that a frame lasts one tick, and libvpx
/// takes its first frame's length from that: a tick must not be far shorter than a frame. libx264 without delay goes by
/// the number of frames alone (looking at their times costs it one frame of delay); [`rate`] makes up for that.
pub(super) fn ticks_per_second(options: &EncoderOptions) -> i32 {
    match options.codec {
        VideoCodec::Vp8 => options.fps as i32 * 4,
        VideoCodec::H264 => options.fps as i32,
    }
}

/// A rate with its buffer. `pace` is how many times longer frames last than the encoder is going to believe.
pub(super) fn rate(bits_per_second: u32, pace: f64) -> Rate {
    let buffer = (u64::from(bits_per_second) * u64::from(BUFFER_MILLIS) / 1000) as i32;
    Rate {
        bits_per_second: (f64::from(bits_per_second) * pace) as i64,
        buffer_bits: buffer,
        initial_bits: buffer / 10 * 9,
    }
}
