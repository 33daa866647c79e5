//! Live decoders and what the network does to frames: gaps, cuts, rubbish, and headers that ask for too much.

#![cfg(feature = "ffmpeg")]

mod codecs_common;

use codecs_common::{CODECS, decode, decoder, encode, encoder, psnr, scene};
use framewire_media::{
    EncodedFrame, Frame, FramePool, MAX_ENCODED_BYTES, Timing, VideoCodec, VideoDecodeError,
};

/// A stream with keyframes at 0 and 10, and what was encoded.
fn stream(codec: VideoCodec, width: u32, height: u32) -> Vec<(EncodedFrame, Frame)> {
    let pool = FramePool::default();
    let mut encoder = encoder(codec, 1_500_000);
    let frames = (0..20).map(|number| scene(&pool, width, height, number));
    frames
        .enumerate()
        .map(|(number, frame)| (encode(&mut encoder, &frame, number % 10 == 0), frame))
        .collect()
}

fn needs_keyframe(codec: VideoCodec) -> VideoDecodeError {
    VideoDecodeError::NeedsKeyframe { codec }
}

#[test]
fn a_decoder_waits_for_a_keyframe_at_first_and_after_a_reset() {
    for codec in CODECS {
        let stream = stream(codec, 320, 240);
        let mut decoder = decoder(codec);
        let timing = Timing::default();
        for (encoded, _) in &stream[3..10] {
            assert!(decoder.needs_keyframe());
            let refused = decoder.decode(&encoded.data, timing).unwrap_err();
            assert_eq!(refused, needs_keyframe(codec));
        }
        for (encoded, frame) in &stream[10..15] {
            assert!(psnr(frame, &decode(&mut decoder, encoded, timing)) > 27.0);
        }
        decoder.reset();
        let refused = decoder.decode(&stream[15].0.data, timing).unwrap_err();
        assert_eq!(refused, needs_keyframe(codec));
        for (encoded, frame) in &stream[..10] {
            assert!(psnr(frame, &decode(&mut decoder, encoded, timing)) > 27.0);
        }
    }
}

/// Lengths to which a frame of so many bytes is cut where that can be told: H.264 anywhere, VP8 in what its header
/// announces, which is all but the last part.
fn cuts(codec: VideoCodec, bytes: usize) -> Vec<usize> {
    match codec {
        VideoCodec::Vp8 => vec![0, 2, 9, 15],
        VideoCodec::H264 => [0, 1, 3, 5, 7].map(|share| bytes * share / 8).to_vec(),
    }
}

#[test]
fn a_frame_that_is_cut_short_is_an_error_and_nothing_is_shown_before_the_next_keyframe() {
    for codec in CODECS {
        let stream = stream(codec, 320, 240);
        for broken in [0, 4] {
            for cut in cuts(codec, stream[broken].0.data.len()) {
                let mut decoder = decoder(codec);
                for (number, (encoded, frame)) in stream.iter().enumerate() {
                    let timing = frame.timing();
                    if number == broken {
                        let decoded = decoder.decode(&encoded.data[..cut], timing);
                        assert!(
                            matches!(decoded, Err(VideoDecodeError::Damaged { .. })),
                            "{codec} frame {broken} cut to {cut}: {decoded:?}"
                        );
                    } else if number > broken && number < 10 {
                        let error = decoder.decode(&encoded.data, timing).unwrap_err();
                        assert_eq!(error, needs_keyframe(codec));
                    } else {
                        assert!(psnr(frame, &decode(&mut decoder, encoded, timing)) > 27.0);
                    }
                }
            }
        }
    }
}

#[test]
fn a_decoder_never_panics_and_recovers_with_the_next_keyframe_whatever_it_was_given() {
    for codec in CODECS {
        let stream = stream(codec, 96, 64);
        for seed in 0..300u64 {
            let mut state = seed * 1_000_003 + 1;
            let mut next = |below: usize| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % below.max(1)
            };
            let mut decoder = decoder(codec);
            let mut broken = true;
            for (encoded, _) in &stream {
                let mut data = encoded.data.clone();
                match next(4) {
                    0 => {}
                    1 => {
                        for _ in 0..=next(8) {
                            let range = if next(2) == 0 {
                                data.len().min(40)
                            } else {
                                data.len()
                            };
                            data[next(range)] = [0, 0xff, 0x7f, next(256) as u8][next(4)];
                        }
                    }
                    2 => data.truncate(next(data.len())),
                    _ => data = (0..next(300)).map(|_| next(256) as u8).collect(),
                }
                match decoder.decode(&data, Timing::default()) {
                    Ok(Some(frame)) => {
                        broken = false;
                        assert!(frame.width() <= 16_383 && !decoder.needs_keyframe());
                    }
                    Ok(None) => assert!(!decoder.needs_keyframe(), "seed {seed}"),
                    Err(VideoDecodeError::NeedsKeyframe { .. }) => assert!(broken, "seed {seed}"),
                    Err(_) => {
                        broken = true;
                        assert!(decoder.needs_keyframe(), "seed {seed}");
                    }
                }
            }
            decoder.reset();
            let (encoded, frame) = &stream[10];
            let back = decode(&mut decoder, encoded, frame.timing());
            assert_eq!((back.width(), back.height()), (96, 64));
            assert!(psnr(frame, &back) > 27.0, "{codec} seed {seed}");
        }
    }
}

#[test]
fn an_encoded_frame_over_the_limit_is_refused_unread() {
    for codec in CODECS {
        let bytes = MAX_ENCODED_BYTES + 1;
        let error = decoder(codec).decode(&vec![0; bytes], Timing::default());
        assert_eq!(error.unwrap_err(), VideoDecodeError::TooManyBytes { bytes });
    }
}

#[test]
fn a_vp8_header_cannot_ask_for_a_giant_picture_or_none() {
    let mut keyframe = stream(VideoCodec::Vp8, 96, 64).swap_remove(0).0.data;
    let mut decoder = decoder(VideoCodec::Vp8);
    keyframe[6..10].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    let error = decoder.decode(&keyframe, Timing::default()).unwrap_err();
    let (width, height) = (16_383, 16_383);
    assert_eq!(error, VideoDecodeError::TooLarge { width, height });
    keyframe[6..10].fill(0);
    let error = decoder.decode(&keyframe, Timing::default()).unwrap_err();
    assert!(matches!(error, VideoDecodeError::Frame(_)), "{error:?}");
}

#[test]
fn an_h264_header_cannot_ask_for_a_giant_picture() {
    let output = std::process::Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-nostdin",
            "-f",
            "lavfi",
            "-i",
            "color=size=8192x4096",
        ])
        .args([
            "-frames:v",
            "1",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-f",
            "h264",
            "-",
        ])
        .output()
        .expect("the ffmpeg package is installed");
    assert!(output.status.success() && output.stdout.len() > 100);
    let mut decoder = decoder(VideoCodec::H264);
    let refused = decoder.decode(&output.stdout, Timing::default());
    assert!(refused.is_err(), "{refused:?}");
    let (encoded, frame) = &stream(VideoCodec::H264, 96, 64)[0];
    assert!(psnr(frame, &decode(&mut decoder, encoded, frame.timing())) > 27.0);
}

#[test]
fn pictures_that_are_held_do_not_change_when_more_are_decoded() {
    for codec in CODECS {
        let mut decoder = decoder(codec);
        let held: Vec<(Frame, Frame)> = stream(codec, 160, 120)
            .into_iter()
            .map(|(encoded, frame)| (decode(&mut decoder, &encoded, frame.timing()), frame))
            .collect();
        for (back, frame) in held {
            assert!(psnr(&frame, &back) > 27.0, "{codec}");
        }
    }
}
