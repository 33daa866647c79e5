//! How live encoders keep to their bit rate: the one they start with, the one they are told later, at any frame rate.

#![cfg(feature = "ffmpeg")]

mod codecs_common;

use codecs_common::{CODECS, encode, encoder, scene};
use framewire_media::{Frame, FramePool, TimeBase, Timing, VideoCodec, VideoEncoder};

/// A busy scene encodes to this many bits a second over the given frames, shown `fps` to the second.
fn rate(encoder: &mut VideoEncoder, frames: &[Frame], from: i64, count: i64, fps: i64) -> f64 {
    let mut bytes = 0;
    for number in from..from + count {
        let mut frame = frames[number as usize % frames.len()].clone();
        frame.set_timing(Timing::new(number * 90_000 / fps, TimeBase::RTP_VIDEO));
        bytes += encode(encoder, &frame, false).data.len();
    }
    bytes as f64 * 8.0 * fps as f64 / count as f64
}

/// Frames that have little in common with each other.
fn busy(pool: &FramePool, width: u32, height: u32) -> Vec<Frame> {
    (0..60).map(|n| scene(pool, width, height, n * 7)).collect()
}

#[test]
fn an_encoder_keeps_to_its_rate_at_every_frame_rate() {
    let pool = FramePool::default();
    let frames = busy(&pool, 320, 240);
    for codec in CODECS {
        for bitrate in [300_000, 800_000] {
            for fps in [10, 15, 30, 50] {
                let mut encoder = encoder(codec, bitrate);
                let start = rate(&mut encoder, &frames, 0, fps, fps);
                let got = rate(&mut encoder, &frames, fps, 4 * fps, fps);
                let (start, got) = (start / f64::from(bitrate), got / f64::from(bitrate));
                assert!(
                    start < 2.2,
                    "{codec} {bitrate} at {fps} a second: {start:.2} at first"
                );
                assert!(
                    (0.4..1.2).contains(&got),
                    "{codec} {bitrate} at {fps} a second: {got:.2}"
                );
            }
        }
    }
}

#[test]
fn frames_without_timestamps_count_as_many_a_second_as_the_options_say() {
    let pool = FramePool::default();
    let frames = busy(&pool, 640, 480);
    for codec in CODECS {
        let mut encoder = encoder(codec, 800_000);
        let mut bytes = 0;
        for frame in frames.iter().chain(&frames) {
            let mut frame = frame.clone();
            frame.set_timing(Timing::default());
            bytes += encode(&mut encoder, &frame, false).data.len();
        }
        let got = bytes as f64 * 8.0 * 30.0 / 120.0 / 800_000.0;
        assert!((0.6..1.2).contains(&got), "{codec}: {got:.2}");
    }
}

#[test]
fn h264_follows_a_new_rate_within_half_a_second_without_a_keyframe() {
    let pool = FramePool::default();
    let frames = busy(&pool, 640, 480);
    let mut encoder = encoder(VideoCodec::H264, 2_000_000);
    rate(&mut encoder, &frames, 0, 90, 30);
    let mut number = 90;
    for bitrate in [400_000, 3_000_000, 250_000, 1_000_000] {
        encoder.set_bitrate(bitrate);
        for _ in 0..15 {
            let frame = &frames[number as usize % frames.len()];
            let mut frame = frame.clone();
            frame.set_timing(Timing::new(number * 3000, TimeBase::RTP_VIDEO));
            assert!(!encode(&mut encoder, &frame, false).keyframe);
            number += 1;
        }
        assert_eq!(encoder.bitrate(), bitrate);
        let got = rate(&mut encoder, &frames, number, 60, 30) / f64::from(bitrate);
        number += 60;
        assert!((0.6..1.25).contains(&got), "{bitrate}: {got:.2}");
    }
}

#[test]
fn vp8_follows_a_new_rate_when_it_is_worth_a_keyframe() {
    let pool = FramePool::default();
    let frames = busy(&pool, 640, 480);
    let mut encoder = encoder(VideoCodec::Vp8, 1_000_000);
    let mut number = 0;
    let mut run = |encoder: &mut VideoEncoder, count: i64, keyframe: bool| -> Vec<i64> {
        let mut keyframes = Vec::new();
        for index in 0..count {
            let mut frame = frames[number as usize % frames.len()].clone();
            frame.set_timing(Timing::new(number * 3000, TimeBase::RTP_VIDEO));
            number += 1;
            if encode(encoder, &frame, keyframe).keyframe {
                keyframes.push(index);
            }
        }
        keyframes
    };
    assert_eq!(run(&mut encoder, 40, false), [0]);
    // A little more or less is not worth it.
    encoder.set_bitrate(1_350_000);
    assert!(run(&mut encoder, 100, false).is_empty());
    encoder.set_bitrate(820_000);
    assert!(run(&mut encoder, 100, false).is_empty());
    assert_eq!(encoder.bitrate(), 1_000_000);
    // Much less is, at once.
    encoder.set_bitrate(700_000);
    assert_eq!(run(&mut encoder, 10, false), [0]);
    assert_eq!(encoder.bitrate(), 700_000);
    // A further step waits until a second has passed since.
    encoder.set_bitrate(500_000);
    assert_eq!(run(&mut encoder, 50, false), [20]);
    // Unless the line collapses.
    encoder.set_bitrate(200_000);
    assert_eq!(run(&mut encoder, 20, false), [0]);
    // More comes after two seconds in a row.
    encoder.set_bitrate(2_000_000);
    assert!(run(&mut encoder, 59, false).is_empty());
    assert_eq!(run(&mut encoder, 30, false), [0]);
    assert_eq!(encoder.bitrate(), 2_000_000);
    // A keyframe asked for takes the rate along for nothing.
    encoder.set_bitrate(1_700_000);
    assert_eq!(run(&mut encoder, 1, true), [0]);
    assert_eq!(encoder.bitrate(), 1_700_000);
}

#[test]
fn vp8_keeps_to_the_rate_it_was_opened_again_for() {
    let pool = FramePool::default();
    let frames = busy(&pool, 640, 480);
    let mut encoder = encoder(VideoCodec::Vp8, 2_000_000);
    rate(&mut encoder, &frames, 0, 90, 30);
    let mut number = 90;
    for (bitrate, reopened_within) in [(600_000, 1), (2_500_000, 60), (500_000, 1)] {
        encoder.set_bitrate(bitrate);
        rate(&mut encoder, &frames, number, reopened_within + 15, 30);
        number += reopened_within + 15;
        assert_eq!(encoder.bitrate(), bitrate);
        let got = rate(&mut encoder, &frames, number, 60, 30) / f64::from(bitrate);
        number += 60;
        assert!((0.6..1.25).contains(&got), "{bitrate}: {got:.2}");
    }
}

#[test]
fn a_keyframe_takes_less_than_a_second_of_the_line_even_at_a_low_rate() {
    let pool = FramePool::default();
    for codec in CODECS {
        for bitrate in [300_000, 1_500_000] {
            let mut encoder = encoder(codec, bitrate);
            for number in 0..120 {
                let asked = number % 40 == 0;
                let encoded = encode(&mut encoder, &scene(&pool, 640, 480, number * 7), asked);
                let seconds = encoded.data.len() as f64 * 8.0 / f64::from(bitrate);
                assert!(
                    seconds < 0.8,
                    "{codec} {bitrate} frame {number}: {seconds:.2} s"
                );
            }
        }
    }
}

#[test]
fn rates_out_of_range_are_moved_into_it() {
    for codec in CODECS {
        assert_eq!(encoder(codec, 0).bitrate(), 30_000);
        assert_eq!(encoder(codec, u32::MAX).bitrate(), 50_000_000);
        let mut encoder = encoder(codec, 1_000_000);
        encoder.set_bitrate(u32::MAX);
        let pool = FramePool::default();
        encode(&mut encoder, &scene(&pool, 320, 240, 0), false);
        assert_eq!(encoder.bitrate(), 50_000_000);
        encoder.set_bitrate(0);
        encode(&mut encoder, &scene(&pool, 320, 240, 1), true);
        assert_eq!(encoder.bitrate(), 30_000);
    }
}
