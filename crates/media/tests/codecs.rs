//! Live video through both codecs and back: what comes out, when, and how close it is.

#![cfg(feature = "ffmpeg")]

mod codecs_common;

use codecs_common::{CODECS, decode, decoder, encode, encoder, psnr, scene};
use framewire_media::{
    Bgr, ColorInfo, ColorMatrix, ColorRange, EncodeError, Frame, FramePool, VideoCodec,
};

#[test]
fn every_frame_comes_back_at_once_and_looks_like_what_went_in() {
    let pool = FramePool::default();
    for codec in CODECS {
        for (width, height, bitrate, wanted) in [
            (320, 240, 600_000, 33.0),
            (640, 480, 1_500_000, 33.0),
            (1280, 720, 3_000_000, 33.0),
            (322, 242, 600_000, 33.0),
        ] {
            let (mut encoder, mut decoder) = (encoder(codec, bitrate), decoder(codec));
            let mut worst = f64::MAX;
            for number in 0..40 {
                let frame = scene(&pool, width, height, number);
                let encoded = encode(&mut encoder, &frame, false);
                assert_eq!(encoded.keyframe, number == 0, "{codec} {width}x{height}");
                let back = decode(&mut decoder, &encoded, frame.timing());
                assert_eq!((back.width(), back.height()), (width, height));
                let close = psnr(&frame, &back);
                // The first pictures of a stream have to fit a small buffer.
                if number >= 10 {
                    worst = worst.min(close);
                }
            }
            assert!(worst > wanted, "{codec} {width}x{height}: {worst:.1} dB");
        }
    }
}

#[test]
fn an_odd_picture_keeps_its_size_in_vp8_and_loses_its_last_column_and_row_in_h264() {
    let pool = FramePool::default();
    for codec in CODECS {
        for (width, height) in [(321, 241), (320, 241), (321, 240), (17, 33)] {
            let (mut encoder, mut decoder) = (encoder(codec, 800_000), decoder(codec));
            for number in 0..10 {
                let frame = scene(&pool, width, height, number);
                let source = if number % 2 == 0 {
                    frame.clone()
                } else {
                    frame.to_bgr(&pool).unwrap()
                };
                let encoded = encode(&mut encoder, &source, false);
                let back = decode(&mut decoder, &encoded, frame.timing());
                let expected = match codec {
                    VideoCodec::Vp8 => (width, height),
                    VideoCodec::H264 => (width & !1, height & !1),
                };
                assert_eq!((back.width(), back.height()), expected, "{codec}");
                let close = psnr(&frame, &back);
                assert!(
                    close > 28.0,
                    "{codec} {width}x{height} {number}: {close:.1} dB"
                );
            }
        }
    }
}

#[test]
fn bgr_and_i420_of_one_picture_come_back_alike_from_any_view() {
    let pool = FramePool::default();
    for codec in CODECS {
        let large = scene(&pool, 400, 300, 3);
        let large_bgr = large.to_bgr(&pool).unwrap();
        for source in [&large, &large_bgr] {
            let view = source.crop(&pool, 40, 20, 256, 192).unwrap().unwrap();
            let (mut encoder, mut decoder) = (encoder(codec, 4_000_000), decoder(codec));
            for keyframe in [true, false, false, false, false, false] {
                let encoded = encode(&mut encoder, &view, keyframe);
                let back = decode(&mut decoder, &encoded, view.timing());
                let wanted = view.to_packed_bgr(&pool).unwrap();
                let close = psnr(&wanted, &back.to_bgr(&pool).unwrap());
                assert!(close > 27.0, "{codec} {:?}: {close:.1} dB", view.format());
            }
        }
    }
}

#[test]
fn full_range_and_other_matrices_keep_their_colours() {
    let pool = FramePool::default();
    for codec in CODECS {
        for range in [ColorRange::Limited, ColorRange::Full] {
            for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709] {
                // Reddish grey: wrong weights and wrong ranges both show.
                let planes: [(&[u8], usize); 3] = [
                    (&[90; 64 * 64], 64),
                    (&[110; 32 * 32], 32),
                    (&[170; 32 * 32], 32),
                ];
                let color = ColorInfo { range, matrix };
                let frame = Frame::from_i420(&pool, 64, 64, color, planes).unwrap();
                let (mut encoder, mut decoder) = (encoder(codec, 1_000_000), decoder(codec));
                let encoded = encode(&mut encoder, &frame, false);
                let back = decode(&mut decoder, &encoded, frame.timing());
                let (wanted, got) = (frame.to_bgr(&pool).unwrap(), back.to_bgr(&pool).unwrap());
                for channel in 0..3 {
                    let at = 3 * (64 * 32 + 32) + channel;
                    let off = wanted.plane(0).data[at].abs_diff(got.plane(0).data[at]);
                    assert!(off <= 6, "{codec} {color:?} channel {channel}: {off} apart");
                }
            }
        }
    }
}

#[test]
fn a_keyframe_comes_when_asked_for_and_decodes_alone() {
    let pool = FramePool::default();
    for codec in CODECS {
        let mut encoder = encoder(codec, 1_500_000);
        for number in 0..200 {
            let asked = number == 0 || number == 57 || number == 58 || number == 130;
            let frame = scene(&pool, 320, 240, number);
            let encoded = encode(&mut encoder, &frame, asked);
            assert_eq!(encoded.keyframe, asked, "{codec} frame {number}");
            if asked {
                let back = decode(&mut decoder(codec), &encoded, frame.timing());
                assert!(psnr(&frame, &back) > 27.0);
            }
        }
    }
}

#[test]
fn each_h264_keyframe_brings_its_parameter_sets_and_is_one_constrained_baseline_picture() {
    let pool = FramePool::default();
    let mut encoder = encoder(VideoCodec::H264, 1_000_000);
    for number in 0..20 {
        let encoded = encode(
            &mut encoder,
            &scene(&pool, 1280, 720, number),
            number % 10 == 0,
        );
        let starts = encoded.data.windows(4).enumerate();
        let units: Vec<usize> = starts
            .filter(|(_, bytes)| bytes[..3] == [0, 0, 1])
            .map(|(at, _)| at + 3)
            .collect();
        let kinds: Vec<u8> = units.iter().map(|&at| encoded.data[at] & 0x1f).collect();
        let picture: Vec<u8> = kinds.iter().copied().filter(|&kind| kind != 6).collect();
        if number % 10 == 0 {
            assert_eq!(picture, [7, 8, 5]);
            let sps = units[kinds.iter().position(|&kind| kind == 7).unwrap()];
            // Profile 66 with constraint sets 0 and 1, level 3.1: what 720p at 30 frames a second needs.
            assert_eq!(encoded.data[sps + 1..sps + 4], [66, 0xc0, 31]);
        } else {
            assert_eq!(picture, [1]);
        }
    }
}

#[test]
fn a_change_of_size_in_mid_stream_gives_a_keyframe_of_the_new_size() {
    let pool = FramePool::default();
    for codec in CODECS {
        let (mut encoder, mut decoder) = (encoder(codec, 1_000_000), decoder(codec));
        let mut held = Vec::new();
        for (width, height) in [(320, 240), (640, 360), (160, 120), (322, 240)] {
            for number in 0..8 {
                let frame = scene(&pool, width, height, number);
                let encoded = encode(&mut encoder, &frame, false);
                assert_eq!(encoded.keyframe, number == 0, "{codec} {width}x{height}");
                held.push((decode(&mut decoder, &encoded, frame.timing()), frame));
            }
        }
        // Pictures stay as they are while the decoder goes on.
        for (back, frame) in held {
            assert_eq!(
                (back.width(), back.height()),
                (frame.width(), frame.height())
            );
            let close = psnr(&frame, &back);
            assert!(
                close > 26.0,
                "{codec} {}x{}: {close:.1}",
                frame.width(),
                frame.height()
            );
        }
    }
}

#[test]
fn sizes_that_no_live_video_has_are_refused_and_the_next_frame_is_encoded() {
    let pool = FramePool::default();
    for codec in CODECS {
        let mut encoder = encoder(codec, 500_000);
        for (width, height) in [(1, 1), (15, 480), (640, 2), (16_384, 640)] {
            let frame = Frame::solid_bgr(&pool, width, height, Bgr::GREEN).unwrap();
            let error = encoder.encode(&frame, false).unwrap_err();
            assert_eq!(error, EncodeError::Size { width, height });
        }
        assert!(encode(&mut encoder, &scene(&pool, 16, 16, 0), false).keyframe);
        let large = Frame::solid_bgr(&pool, 4096, 2304, Bgr::GREEN).unwrap();
        assert!(encode(&mut encoder, &large, false).keyframe, "{codec}");
    }
}

#[test]
fn an_encoder_keeps_no_frame_it_has_encoded() {
    let pool = FramePool::default();
    for codec in CODECS {
        let mut encoder = encoder(codec, 500_000);
        for number in 0..5 {
            drop(encode(&mut encoder, &scene(&pool, 160, 120, number), false));
            assert_eq!(pool.stats().live_bytes, 0, "{codec}");
        }
    }
}

#[test]
fn codecs_work_on_any_thread() {
    let pool = FramePool::default();
    for codec in CODECS {
        let (mut encoder, mut decoder) = (encoder(codec, 500_000), decoder(codec));
        for number in 0..4 {
            let frame = scene(&pool, 160, 120, number);
            let timing = frame.timing();
            (encoder, decoder) = std::thread::spawn(move || {
                let encoded = encode(&mut encoder, &frame, false);
                drop(decode(&mut decoder, &encoded, timing));
                (encoder, decoder)
            })
            .join()
            .unwrap();
        }
    }
}
