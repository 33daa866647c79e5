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
    let fps = options.fps as i32;
    let (ticks_per_second, own): (i32, Vec<(&'static str, &'static str)>) = match options.codec {
        VideoCodec::Vp8 => (
            ticks_per_second(options),
            vec![
                ("deadline", "realtime"),
                ("cpu-used", "-12"),
                ("lag-in-frames", "0"),
                ("error-resilient", "0"),
                ("noise-sensitivity", "0"),
                ("static-thresh", "1"),
                ("auto-alt-ref", "0"),
                ("undershoot-pct", "100"),
                ("overshoot-pct", "15"),
                ("qmin", "2"),
                ("qmax", "58"),
            ],
        ),
        VideoCodec::H264 => (
            ticks_per_second(options),
            vec![
                ("preset", "ultrafast"),
                ("tune", "zerolatency"),
                ("profile", "baseline"),
                ("forced-idr", "1"),
                ("sc_threshold", "0"),
            ],
        ),
    };
    LiveSettings {
        name: encoder_name(options.codec),
        width,
        height,
        ticks_per_second,
        fps,
        color,
        threads: options.threads as i32,
        keyframe_interval: KEYFRAME_INTERVAL,
        rate: rate(bits_per_second, 1.0),
        options: own,
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
