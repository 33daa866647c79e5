//! Live video through both codecs and back: what comes out, when, and how close it is.

#![cfg(feature = "ffmpeg")]

mod codecs_common;

use codecs_common::{CODECS, decode, decoder, encode, encoder, psnr, scene};
use framewire_media::{FramePool, VideoCodec};

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
