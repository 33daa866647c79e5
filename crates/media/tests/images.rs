//! JPEG and PNG bytes: colours, bounds, and damaged input.

#![cfg(feature = "ffmpeg")]

mod common;

use common::{Clips, difference, packed};
use framewire_media::{
    Bgr, Canvas, ColorInfo, ColorMatrix, ColorRange, Font, Frame, FrameError, FramePool,
    ImageError, JpegEncoder, Rect, RectStyle, TextStyle, decode_image,
};

/// A colourful picture without hard chroma edges, so that 4:2:0 costs little.
fn picture(pool: &FramePool, width: u32, height: u32) -> Frame {
    let mut bytes = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let wave = |step: f32| (127.5 + 100.0 * (step / 23.0).sin()) as u8;
            bytes.extend([
                wave(x as f32),
                wave(y as f32 + 20.0),
                wave((x + y) as f32 * 0.7),
            ]);
        }
    }
    Frame::from_bgr(pool, width, height, width as usize * 3, &bytes).unwrap()
}

fn round_trip(encoder: &mut JpegEncoder, frame: &Frame, pool: &FramePool) -> Frame {
    let jpeg = encoder.encode(frame).unwrap();
    decode_image(jpeg, pool).unwrap()
}

#[test]
fn a_picture_survives_jpeg_at_every_size() {
    let pool = FramePool::default();
    let mut encoder = JpegEncoder::new(95);
    for (width, height) in [
        (641, 479),
        (1, 1),
        (2, 2),
        (3, 3),
        (1, 9),
        (9, 1),
        (16, 16),
        (1280, 720),
        (5, 400),
    ] {
        let frame = picture(&pool, width, height);
        for source in [frame.clone(), frame.to_i420(&pool).unwrap()] {
            let back = round_trip(&mut encoder, &source, &pool);
            assert_eq!((back.width(), back.height()), (width, height));
            let (mean, _) = difference(&packed(&frame), &packed(&back));
            assert!(mean < 4.0, "{width}x{height} {:?}: {mean}", source.format());
        }
    }
}

#[test]
fn jpeg_from_video_planes_has_the_colours_of_the_way_through_bgr() {
    let clips = Clips::new();
    let pool = FramePool::default();
    let mut encoder = JpegEncoder::new(95);
    for range in [ColorRange::Limited, ColorRange::Full] {
        for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709, ColorMatrix::Bt2020] {
            for (width, height) in [(320usize, 240usize), (321, 239)] {
                let color = ColorInfo { range, matrix };
                let half = (width.div_ceil(2), height.div_ceil(2));
                let plane = |size: (usize, usize), from: f32| -> Vec<u8> {
                    (0..size.0 * size.1)
                        .map(|i| {
                            let (x, y) = (
                                (i % size.0) as f32 / size.0 as f32,
                                (i / size.0) as f32 / size.1 as f32,
                            );
                            (from + 50.0 * (x * 6.0).sin() * (y * 5.0).cos()) as u8
                        })
                        .collect()
                };
                let planes = [
                    plane((width, height), 120.0),
                    plane(half, 120.0),
                    plane(half, 135.0),
                ];
                let slices = [
                    (&planes[0][..], width),
                    (&planes[1][..], half.0),
                    (&planes[2][..], half.0),
                ];
                let frame =
                    Frame::from_i420(&pool, width as u32, height as u32, color, slices).unwrap();
                let direct = round_trip(&mut encoder, &frame, &pool);
                let bgr = frame.to_bgr(&pool).unwrap();
                let (mean, most) = difference(&packed(&direct), &packed(&bgr));
                assert!(
                    mean < 1.5 && most < 16,
                    "{color:?} {width}x{height}: mean {mean}, most {most}"
                );
            }
        }
    }
    drop(clips);
}

#[test]
fn a_cropped_view_is_encoded_like_its_copy() {
    let pool = FramePool::default();
    let frame = picture(&pool, 200, 100);
    let mut encoder = JpegEncoder::default();
    for source in [frame.clone(), frame.to_i420(&pool).unwrap()] {
        let view = source.crop(&pool, 20, 10, 101, 51).unwrap().unwrap();
        let from_view = packed(&round_trip(&mut encoder, &view, &pool));
        let copy = view.to_packed_bgr(&pool).unwrap();
        let (mean, _) = difference(&from_view, &packed(&round_trip(&mut encoder, &copy, &pool)));
        assert!(mean < 1.5, "{mean}");
    }
}

#[test]
fn higher_quality_costs_more_bytes_and_loses_less() {
    let pool = FramePool::default();
    let mut frame = picture(&pool, 320, 240);
    let mut font = Font::default();
    let mut canvas = Canvas::on(&mut frame, &pool).unwrap();
    canvas.text(
        &mut font,
        20.0,
        120.0,
        "sharp edges",
        TextStyle::new(40.0, Bgr::WHITE),
    );
    canvas.rect(
        Rect::new(30.0, 150.0, 200.0, 50.0),
        RectStyle::outline(Bgr::BLACK, 3),
    );
    let mut last = (0, f64::MAX);
    for quality in [1, 20, 50, 80, 95, 100] {
        let mut encoder = JpegEncoder::new(quality);
        let bytes = encoder.encode(&frame).unwrap().len();
        let loss = difference(
            &packed(&frame),
            &packed(&round_trip(&mut encoder, &frame, &pool)),
        )
        .0;
        assert!(
            bytes > last.0 && loss < last.1,
            "quality {quality}: {bytes} bytes, {loss}"
        );
        last = (bytes, loss);
    }
    assert_eq!(
        (
            JpegEncoder::new(0).quality(),
            JpegEncoder::new(200).quality()
        ),
        (1, 100)
    );
}

#[test]
fn a_jpeg_cut_off_anywhere_is_an_error_and_the_next_one_decodes() {
    let pool = FramePool::default();
    let frame = picture(&pool, 64, 48);
    let jpeg = JpegEncoder::default().encode(&frame).unwrap().to_vec();
    for end in 0..jpeg.len() - 2 {
        let error = decode_image(&jpeg[..end], &pool).expect_err("cut off");
        assert!(
            matches!(
                error,
                ImageError::Corrupt { .. } | ImageError::UnknownFormat { .. }
            ),
            "{end}: {error:?}"
        );
    }
    assert_eq!(decode_image(&jpeg, &pool).unwrap().width(), 64);
    assert_eq!(
        pool.stats().live_bytes,
        frame.plane(0).data.len(),
        "failed decodes give their memory back"
    );
}

#[test]
fn damaged_pictures_never_crash() {
    let clips = Clips::new();
    let pool = FramePool::default();
    let jpeg = JpegEncoder::default()
        .encode(&picture(&pool, 64, 48))
        .unwrap()
        .to_vec();
    let png =
        std::fs::read(clips.make("a.png", "-f lavfi -i testsrc=size=64x48 -frames:v 1")).unwrap();
    for sound in [jpeg, png] {
        for seed in 0..600u64 {
            let mut state = seed + 1;
            let mut next = |below: usize| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % below
            };
            let mut bytes = sound.clone();
            for _ in 0..=next(8) {
                let at = 3 + next(bytes.len() - 3);
                bytes[at] = next(256) as u8;
            }
            if let Ok(frame) = decode_image(&bytes, &pool) {
                assert!(
                    frame.width() <= 16_384 && frame.height() <= 16_384,
                    "seed {seed}"
                );
            }
        }
    }
}

#[test]
fn a_header_that_claims_a_huge_picture_reserves_nothing() {
    let pool = FramePool::default();
    let mut jpeg = JpegEncoder::default()
        .encode(&picture(&pool, 64, 48))
        .unwrap()
        .to_vec();
    let frame_header = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    jpeg[frame_header + 5..frame_header + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let before = pool.stats().allocated;
    let error = decode_image(&jpeg, &pool).unwrap_err();
    assert!(
        matches!(
            error,
            ImageError::Frame(FrameError::TooLarge {
                width: 65_500,
                height: 65_500
            })
        ),
        "{error:?}"
    );
    assert_eq!(pool.stats().allocated, before);
}

#[test]
fn jpegs_of_other_kinds_are_decoded() {
    let clips = Clips::new();
    let pool = FramePool::default();
    for pixels in ["yuvj444p", "yuvj422p", "yuvj420p"] {
        let name = format!("{pixels}.jpg");
        let args = format!(
            "-f lavfi -i testsrc=size=64x48 -vf gblur=sigma=6 -frames:v 1 -pix_fmt {pixels} -q:v 1"
        );
        let path = clips.make(&name, &args);
        let frame = decode_image(&std::fs::read(&path).unwrap(), &pool).unwrap();
        let (mean, _) = difference(&packed(&frame), &common::reference(&path, "bgr24"));
        assert!(mean < 2.5, "{pixels}: {mean}");
    }
}

#[test]
fn pngs_of_every_kind_give_exact_pixels() {
    let clips = Clips::new();
    let pool = FramePool::default();
    for (pixels, extra) in [
        ("rgb24", ""),
        ("rgba", ""),
        ("gray", ""),
        ("ya8", ""),
        ("pal8", ""),
        ("monob", ""),
        ("rgb48be", ""),
        ("gray16be", ""),
        ("rgb24", "-flags +ildct"),
        ("gray", "-flags +ildct"),
        ("monob", "-flags +ildct"),
    ] {
        let args = format!("-f lavfi -i testsrc=size=67x45 -frames:v 1 -pix_fmt {pixels} {extra}");
        let path = clips.make("a.png", &args);
        let frame = decode_image(&std::fs::read(&path).unwrap(), &pool).unwrap();
        let (_, most) = difference(&packed(&frame), &common::reference(&path, "bgr24"));
        assert!(most <= 1, "{pixels} {extra}: {most}");
    }
}
