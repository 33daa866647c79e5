//! What a decoder hands out for sound files of many kinds, compared with what the `ffmpeg` tool decodes.

#![cfg(feature = "ffmpeg")]

mod common;

use common::{Clips, decode, difference, packed, pattern, probe_frames, reference};
use framewire_media::{
    ColorMatrix, ColorRange, Decoder, DecoderOptions, FramePool, PixelFormat, Rotation, TimeBase,
    probe,
};

fn assert_same_pictures(path: &std::path::Path, options: DecoderOptions) -> usize {
    let (frames, error) = decode(path, options);
    assert_eq!(error, None);
    let expected = reference(path, "yuv420p");
    let got: Vec<u8> = frames.iter().flat_map(packed).collect();
    assert_eq!(got.len(), expected.len(), "{}", path.display());
    assert!(got == expected, "{}: pictures differ", path.display());
    frames.len()
}

#[test]
fn frames_are_bit_for_bit_those_of_the_ffmpeg_tool() {
    let clips = Clips::new();
    for (name, encoder, size) in [
        ("a.mp4", "-c:v libx264 -pix_fmt yuv420p", "320x240"),
        (
            "b.webm",
            "-c:v libvpx -b:v 500k -deadline realtime",
            "322x242",
        ),
        ("c.avi", "-c:v mpeg4 -bf 2", "176x144"),
        ("d.mov", "-c:v libx264 -pix_fmt yuv420p -bf 3", "162x90"),
    ] {
        let path = clips.make(name, &format!("{} {encoder}", pattern(size, 0.8)));
        assert_eq!(
            assert_same_pictures(&path, DecoderOptions::default()),
            20,
            "{name}"
        );
    }
}

#[test]
fn more_threads_give_the_same_frames_in_the_same_order() {
    let clips = Clips::new();
    let path = clips.make(
        "a.mp4",
        &format!("{} -c:v libx264 -pix_fmt yuv420p", pattern("320x240", 1.0)),
    );
    assert_eq!(
        assert_same_pictures(&path, DecoderOptions::default().with_threads(4)),
        25
    );
}

#[test]
fn i420_frames_are_handed_over_without_a_copy() {
    let clips = Clips::new();
    let path = clips.h264("a.mp4", "320x240", 0.4);
    let pool = FramePool::default();
    let (frames, _) = decode(&path, DecoderOptions::default().with_pool(pool.clone()));
    assert_eq!((frames.len(), pool.stats().allocated), (10, 0));
    // They stay what they are while others are decoded, and outlive the decoder.
    assert_eq!(
        frames.iter().flat_map(packed).collect::<Vec<_>>(),
        reference(&path, "yuv420p")
    );
    // Writing copies into the pool and leaves the other holder alone.
    let mut mine = frames[0].clone();
    mine.make_mut(&pool).unwrap().plane_mut(0).data.fill(0);
    assert_eq!(pool.stats().allocated, 1);
    assert_ne!(packed(&mine), packed(&frames[0]));
}

#[test]
fn odd_and_tiny_sizes_are_decoded_exactly() {
    let clips = Clips::new();
    for size in ["641x479", "17x3", "3x33", "2x2", "1x1", "1x7"] {
        let name = format!("{size}.mkv");
        let args = format!(
            "-f lavfi -i testsrc2=size=1024x768:rate=25:duration=0.2 -vf crop={}:exact=1 -c:v ffv1 -pix_fmt yuv420p",
            size.replace('x', ":")
        );
        let path = clips.make(&name, &args);
        let (frames, error) = decode(&path, DecoderOptions::default());
        assert_eq!((frames.len(), error), (5, None), "{size}");
        assert_eq!(
            format!("{}x{}", frames[0].width(), frames[0].height()),
            size
        );
        assert_eq!(
            frames.iter().flat_map(packed).collect::<Vec<_>>(),
            reference(&path, "yuv420p"),
            "{size}"
        );
        let pool = FramePool::default();
        for frame in &frames {
            let (_, most) = difference(&packed(&frame.to_bgr(&pool).unwrap()), &exact_bgr(frame));
            assert!(most <= 3, "{size}: {most}");
        }
    }
}

/// BT.601 limited range by the book, one pixel at a time.
fn exact_bgr(frame: &framewire_media::Frame) -> Vec<u8> {
    let planes = [0, 1, 2].map(|index| frame.plane(index));
    let at = |plane: usize, x: usize, y: usize| {
        f64::from(planes[plane].data[y * planes[plane].stride + x])
    };
    let mut bgr = Vec::new();
    for y in 0..frame.height() as usize {
        for x in 0..frame.width() as usize {
            let luma = (at(0, x, y) - 16.0) * 255.0 / 219.0;
            let (u, v) = (at(1, x / 2, y / 2) - 128.0, at(2, x / 2, y / 2) - 128.0);
            let (u, v) = (u * 255.0 / 224.0, v * 255.0 / 224.0);
            for value in [
                luma + 1.772 * u,
                luma - 0.344_136 * u - 0.714_136 * v,
                luma + 1.402 * v,
            ] {
                bgr.push(value.round().clamp(0.0, 255.0) as u8);
            }
        }
    }
    bgr
}

#[test]
fn clips_are_turned_upright_as_the_ffmpeg_tool_turns_them() {
    let clips = Clips::new();
    clips.h264("flat.mp4", "320x240", 0.2);
    for (degrees, size, rotation) in [
        (0, (320, 240), Rotation::None),
        (90, (240, 320), Rotation::CounterClockwise),
        (180, (320, 240), Rotation::Half),
        (270, (240, 320), Rotation::Clockwise),
    ] {
        let path = clips.make(
            &format!("{degrees}.mp4"),
            &format!("-i DIR/flat.mp4 -c copy -metadata:s:v rotate={degrees}"),
        );
        let info = probe(&path).unwrap();
        assert_eq!(
            ((info.width, info.height), info.rotation),
            (size, rotation),
            "{degrees}"
        );
        assert_eq!(assert_same_pictures(&path, DecoderOptions::default()), 5);
        let unturned = decode(&path, DecoderOptions::default().with_rotate(false)).0;
        assert_eq!((unturned[0].width(), unturned[0].height()), (320, 240));
    }
}

#[test]
fn a_rotate_tag_counts_where_there_is_no_display_matrix() {
    let clips = Clips::new();
    let args = format!(
        "{} -c:v libx264 -metadata:s:v ROTATE=270",
        pattern("320x240", 0.2)
    );
    let path = clips.make("tag.mkv", &args);
    let info = probe(&path).unwrap();
    assert_eq!(
        ((info.width, info.height), info.rotation),
        ((240, 320), Rotation::Clockwise)
    );
    assert_eq!(decode(&path, DecoderOptions::default()).0[0].height(), 320);
}

#[test]
fn an_odd_sized_clip_is_turned_pixel_by_pixel() {
    let clips = Clips::new();
    let args = "-f lavfi -i testsrc2=size=322x242:rate=25:duration=0.2 -vf crop=321:241:exact=1 -c:v libx264 -pix_fmt yuv444p";
    clips.make("flat.mp4", args);
    let path = clips.make(
        "turned.mp4",
        "-i DIR/flat.mp4 -c copy -metadata:s:v rotate=270",
    );
    let (frames, error) = decode(&path, DecoderOptions::default());
    assert_eq!(error, None);
    assert_eq!((frames[0].width(), frames[0].height()), (241, 321));
    let pool = FramePool::default();
    let got: Vec<u8> = frames
        .iter()
        .flat_map(|frame| packed(&frame.to_bgr(&pool).unwrap()))
        .collect();
    let (mean, _) = difference(&got, &reference(&path, "bgr24"));
    assert!(mean < 8.0, "{mean}");
}

#[test]
fn variable_frame_rates_keep_their_raw_timestamps() {
    let clips = Clips::new();
    for name in ["vfr.mkv", "vfr.mp4"] {
        let args = format!(
            "{} -vf setpts=PTS+N*N*0.003/TB -vsync vfr -c:v libx264",
            pattern("160x120", 1.0)
        );
        let path = clips.make(name, &args);
        let (frames, error) = decode(&path, DecoderOptions::default());
        assert_eq!(error, None);
        let got: Vec<String> = frames
            .iter()
            .map(|frame| frame.pts().unwrap().to_string())
            .collect();
        assert_eq!(got, probe_frames(&path, "pts"), "{name}");
        let steps: Vec<i64> = frames
            .windows(2)
            .map(|pair| pair[1].pts().unwrap() - pair[0].pts().unwrap())
            .collect();
        assert!(steps.iter().max() > steps.iter().min(), "{name}");
        assert!(
            frames
                .iter()
                .all(|frame| frame.time_base() == probe(&path).unwrap().time_base)
        );
    }
}

#[test]
fn a_stream_that_changes_its_size_gives_frames_of_each_size() {
    let clips = Clips::new();
    let small = std::fs::read(clips.h264("small.ts", "160x120", 0.4)).unwrap();
    let large = std::fs::read(clips.h264("large.ts", "322x242", 0.4)).unwrap();
    let path = clips.write("both.ts", &[small, large].concat());
    let (frames, error) = decode(&path, DecoderOptions::default());
    assert_eq!(error, None);
    let sizes: Vec<(u32, u32)> = frames
        .iter()
        .map(|frame| (frame.width(), frame.height()))
        .collect();
    assert_eq!(
        (sizes.len(), sizes[0], sizes[19]),
        (20, (160, 120), (322, 242))
    );
    assert_eq!(sizes.iter().filter(|&&size| size == (160, 120)).count(), 10);
}

#[test]
fn other_pixel_formats_are_converted_with_the_right_colours() {
    let clips = Clips::new();
    for (pixels, encoder, layout, range) in [
        ("yuv444p", "ffv1", PixelFormat::I420, ColorRange::Limited),
        ("yuv422p", "ffv1", PixelFormat::I420, ColorRange::Limited),
        (
            "yuv420p10le",
            "ffv1",
            PixelFormat::I420,
            ColorRange::Limited,
        ),
        (
            "yuv444p12le",
            "ffv1",
            PixelFormat::I420,
            ColorRange::Limited,
        ),
        ("yuva420p", "ffv1", PixelFormat::I420, ColorRange::Limited),
        ("nv12", "rawvideo", PixelFormat::I420, ColorRange::Limited),
        (
            "yuyv422",
            "rawvideo",
            PixelFormat::I420,
            ColorRange::Limited,
        ),
        (
            "yuvj420p",
            "mjpeg -q:v 1",
            PixelFormat::I420,
            ColorRange::Full,
        ),
        (
            "yuvj444p",
            "mjpeg -q:v 1",
            PixelFormat::I420,
            ColorRange::Full,
        ),
        ("gray", "ffv1", PixelFormat::I420, ColorRange::Full),
        ("gray10le", "ffv1", PixelFormat::I420, ColorRange::Full),
        ("bgr0", "ffv1", PixelFormat::Bgr, ColorRange::Limited),
        ("rgb24", "png", PixelFormat::Bgr, ColorRange::Limited),
        (
            "gbrp",
            "libx264rgb -crf 1 -pix_fmt bgr24",
            PixelFormat::Bgr,
            ColorRange::Limited,
        ),
        ("pal8", "png", PixelFormat::Bgr, ColorRange::Limited),
    ] {
        let source = "-f lavfi -i testsrc=size=160x120:rate=25:duration=0.12 -vf gblur=sigma=20";
        let path = clips.make(
            &format!("{pixels}.mov.mkv"),
            &format!("{source} -pix_fmt {pixels} -c:v {encoder}"),
        );
        let (frames, error) = decode(&path, DecoderOptions::default());
        assert_eq!((frames.len(), error), (3, None), "{pixels}");
        assert_eq!(frames[0].format(), layout, "{pixels}");
        if layout == PixelFormat::I420 {
            assert_eq!(frames[0].color().range, range, "{pixels}");
        }
        let pool = FramePool::default();
        let got: Vec<u8> = frames
            .iter()
            .flat_map(|frame| packed(&frame.to_bgr(&pool).unwrap()))
            .collect();
        let (mean, most) = difference(&got, &reference(&path, "bgr24"));
        assert!(
            mean < 1.8 && most <= 12,
            "{pixels}: mean {mean}, most {most}"
        );
    }
}

#[test]
fn tagged_matrices_are_taken_over() {
    let clips = Clips::new();
    for (tag, matrix) in [
        ("bt709", ColorMatrix::Bt709),
        ("smpte170m", ColorMatrix::Bt601),
        ("bt2020nc", ColorMatrix::Bt2020),
    ] {
        // The same red in each matrix must come out as the same red.
        let scale = format!(
            "-vf scale=out_color_matrix={}:flags=accurate_rnd",
            tag.trim_end_matches("nc")
        );
        let source = "-f lavfi -i color=c=0xe02040:size=64x64:rate=25:duration=0.2";
        let args =
            format!("{source} {scale} -pix_fmt yuv420p -c:v libx264 -crf 1 -colorspace {tag}");
        let path = clips.make(&format!("{tag}.mp4"), &args);
        let (frames, _) = decode(&path, DecoderOptions::default());
        assert_eq!(frames[0].color().matrix, matrix, "{tag}");
        let bgr = packed(&frames[0].to_bgr(&FramePool::default()).unwrap());
        for (got, wanted) in bgr[..3].iter().zip([0x40u8, 0x20, 0xe0]) {
            assert!(got.abs_diff(wanted) <= 4, "{tag}: {:x?}", &bgr[..3]);
        }
    }
}

#[test]
fn the_container_s_facts_are_reported() {
    let clips = Clips::new();
    let path = clips.h264("a.mp4", "320x240", 2.0);
    let info = probe(&path).unwrap();
    assert_eq!(
        (info.width, info.height, info.frames, info.fps),
        (320, 240, Some(50), Some(25.0))
    );
    assert_eq!(
        (info.codec.as_str(), info.time_base),
        ("h264", TimeBase::new(1, 12_800).unwrap())
    );
    assert!((info.duration.unwrap().as_secs_f64() - 2.0).abs() < 0.01);
    let path = clips.make(
        "film.mkv",
        "-f lavfi -i testsrc2=size=64x64:rate=24000/1001:duration=1 -c:v ffv1",
    );
    let info = probe(&path).unwrap();
    assert_eq!(info.frames, None);
    assert!((info.fps.unwrap() - 23.976).abs() < 0.01);
}

#[test]
fn frames_come_in_the_layout_that_was_asked_for() {
    let clips = Clips::new();
    let path = clips.h264("a.mp4", "160x120", 0.2);
    for format in [PixelFormat::Bgr, PixelFormat::I420] {
        let (frames, _) = decode(&path, DecoderOptions::default().with_format(format));
        assert!(
            frames
                .iter()
                .all(|frame| frame.format() == format && frame.pts().is_some())
        );
    }
}

#[test]
fn a_decoder_can_move_to_another_thread() {
    let clips = Clips::new();
    let path = clips.h264("a.mp4", "160x120", 0.2);
    let mut decoder = Decoder::open(&path, DecoderOptions::default()).unwrap();
    let first = decoder.next_frame().unwrap().unwrap();
    let rest = std::thread::spawn(move || common::drain(&mut decoder).0.len())
        .join()
        .unwrap();
    assert_eq!((rest, first.width()), (4, 160));
}

#[test]
fn a_name_that_looks_like_a_url_is_just_a_name() {
    let clips = Clips::new();
    let made = clips.h264("a.mp4", "64x64", 0.2);
    for name in ["http:", "concat:a|b.mp4", "-i", "weird %d name\u{e9}.mp4"] {
        let path = clips.path(name);
        std::fs::copy(&made, &path).unwrap();
        assert_eq!(probe(&path).unwrap().frames, Some(5), "{name}");
    }
}
