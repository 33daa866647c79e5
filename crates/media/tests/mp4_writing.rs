//! Mp4 files as they are read back: timing, pictures, sizes, and what an early or failed end leaves.

#![cfg(feature = "ffmpeg")]

mod common;

use std::path::Path;

use common::{Clips, decode, difference, packed, pattern, probe_frames};
use framewire_media::{
    Bgr, ColorInfo, ColorMatrix, ColorRange, DecoderOptions, Frame, FramePool, Mp4Error,
    Mp4Options, Mp4Preset, Mp4Writer, TimeBase, Timing, probe,
};

const MILLIS: TimeBase = TimeBase { num: 1, den: 1000 };

fn write(path: &Path, frames: &[Frame]) -> framewire_media::Mp4Summary {
    let mut writer = Mp4Writer::create(path, Mp4Options::default().with_crf(12)).unwrap();
    frames.iter().for_each(|frame| writer.write(frame).unwrap());
    writer.finish().unwrap()
}

fn read(path: &Path) -> Vec<Frame> {
    let (frames, error) = decode(path, DecoderOptions::default());
    assert_eq!(error, None, "{}", path.display());
    frames
}

fn seconds(frames: &[Frame]) -> Vec<f64> {
    frames
        .iter()
        .map(|frame| frame.timing().seconds().unwrap())
        .collect()
}

/// Frames of one colour each, a given number of milliseconds apart.
fn solid(pool: &FramePool, size: (u32, u32), pts: &[Option<i64>]) -> Vec<Frame> {
    let one = |(index, &pts): (usize, &Option<i64>)| {
        let color = Bgr::new(40 + index as u8 * 9, 200 - index as u8 * 7, 90);
        let mut frame = Frame::solid_bgr(pool, size.0, size.1, color).unwrap();
        frame.set_timing(Timing {
            pts,
            time_base: MILLIS,
        });
        frame
    };
    pts.iter().enumerate().map(one).collect()
}

fn first_pixel(frame: &Frame) -> [u8; 3] {
    let bgr = frame.to_bgr(&FramePool::default()).unwrap();
    bgr.plane(0).data[..3].try_into().unwrap()
}

#[test]
fn a_decoded_clip_written_again_keeps_its_timing_and_its_pictures() {
    let clips = Clips::new();
    for (name, extra) in [
        ("cfr.mp4", "-c:v libx264 -pix_fmt yuv420p"),
        (
            "vfr.mp4",
            "-vf setpts=PTS+N*N*0.003/TB -vsync vfr -c:v libx264 -pix_fmt yuv420p",
        ),
        (
            "vfr.mkv",
            "-vf setpts=PTS+N*N*0.003/TB -vsync vfr -c:v libx264 -pix_fmt yuv420p",
        ),
        ("film.mov", "-r 24000/1001 -c:v libx264 -pix_fmt yuv420p"),
        ("ten.avi", "-r 10 -c:v mpeg4"),
    ] {
        let source = clips.make(name, &format!("{} {extra}", pattern("320x240", 1.0)));
        let frames = read(&source);
        let out = clips.path("out.mp4");
        let summary = write(&out, &frames);
        assert_eq!(
            (summary.frames, summary.adjusted_timestamps),
            (frames.len() as u64, 0),
            "{name}"
        );
        assert_eq!(summary.bytes, out.metadata().unwrap().len());
        let again = read(&out);
        let pairs = seconds(&frames).into_iter().zip(seconds(&again));
        assert_eq!(again.len(), frames.len(), "{name}");
        pairs.for_each(|(one, other)| {
            assert!((one - other).abs() < 1e-9, "{name}: {one} became {other}")
        });
        if frames[0].time_base().den >= 1000 && frames[0].time_base().num == 1 {
            assert!(
                frames
                    .iter()
                    .zip(&again)
                    .all(|(one, other)| one.timing() == other.timing()),
                "{name}"
            );
        }
        for (one, other) in frames.iter().zip(&again) {
            let (mean, _) = difference(&packed(one), &packed(other));
            assert!(mean < 3.0, "{name}: {mean}");
        }
        let info = probe(&out).unwrap();
        assert_eq!(
            (info.codec.as_str(), info.frames),
            ("h264", Some(frames.len() as u64))
        );
    }
}

#[test]
fn the_index_stands_before_the_pictures() {
    let clips = Clips::new();
    let out = clips.path("out.mp4");
    write(
        &out,
        &solid(&FramePool::default(), (64, 48), &[Some(0), Some(40)]),
    );
    let bytes = std::fs::read(&out).unwrap();
    let at = |kind: &[u8]| bytes.windows(4).position(|window| window == kind).unwrap();
    assert!(at(b"moov") < at(b"mdat"));
    assert_eq!(probe_frames(&out, "pict_type").len(), 2);
}

#[test]
fn odd_and_tiny_pictures_are_padded_not_cropped() {
    let clips = Clips::new();
    let pool = FramePool::default();
    for (size, coded) in [
        ((641, 479), (642, 480)),
        ((1, 1), (2, 2)),
        ((2, 2), (2, 2)),
        ((3, 200), (4, 200)),
        ((64, 47), (64, 48)),
    ] {
        let mut frames = solid(&pool, size, &[Some(0), Some(40), Some(80)]);
        let i420 = frames[2].to_i420(&pool).unwrap();
        frames[2] = i420;
        let out = clips.path("out.mp4");
        write(&out, &frames);
        let again = read(&out);
        assert_eq!(again.len(), 3, "{size:?}");
        for (one, other) in frames.iter().zip(&again) {
            assert_eq!((other.width(), other.height()), coded);
            let (wanted, got) = (first_pixel(one), first_pixel(other));
            assert!(
                wanted.iter().zip(got).all(|(a, b)| a.abs_diff(b) <= 6),
                "{size:?} {wanted:?} {got:?}"
            );
            let plane = other.plane(0);
            let (first, last) = (plane.data[0], *plane.data.last().unwrap());
            assert!(
                first.abs_diff(last) <= 3,
                "{size:?}: the padding has another colour"
            );
        }
    }
}

#[test]
fn frames_of_another_size_are_fitted_into_the_first_one_s() {
    let clips = Clips::new();
    let pool = FramePool::default();
    let mut frames = solid(&pool, (160, 120), &[Some(0), Some(40)]);
    frames.extend(solid(&pool, (120, 160), &[Some(80), Some(120)]));
    let out = clips.path("out.mp4");
    assert_eq!(write(&out, &frames).rescaled, 2);
    let again = read(&out);
    assert!(
        again
            .iter()
            .all(|frame| (frame.width(), frame.height()) == (160, 120))
    );
    // Black beside the picture, the picture in the middle.
    let tall = again[3].to_bgr(&pool).unwrap();
    let middle = &tall.plane(0).data[(60 * 160 + 80) * 3..][..3];
    assert!(first_pixel(&again[3]).iter().all(|&byte| byte < 12));
    assert!(
        middle
            .iter()
            .zip(first_pixel(&frames[3]))
            .all(|(a, b)| a.abs_diff(b) <= 6),
        "{middle:?}"
    );
}

#[test]
fn colours_survive_every_layout_range_and_matrix() {
    let clips = Clips::new();
    let pool = FramePool::default();
    let wanted = Bgr::new(200, 60, 30);
    let bgr = Frame::solid_bgr(&pool, 64, 48, wanted).unwrap();
    let mut sources = vec![bgr.clone()];
    for range in [ColorRange::Limited, ColorRange::Full] {
        for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709, ColorMatrix::Bt2020] {
            sources.push(solid_i420(&pool, wanted, ColorInfo { range, matrix }));
        }
    }
    for first in &sources {
        for second in &sources {
            let out = clips.path("out.mp4");
            write(&out, &[first.clone(), second.clone()]);
            for frame in read(&out) {
                let got = first_pixel(&frame);
                let close = got
                    .iter()
                    .zip(wanted.bytes())
                    .all(|(a, b)| a.abs_diff(b) <= 6);
                assert!(
                    close,
                    "{:?} {:?} then {:?}: {got:?}",
                    first.format(),
                    first.color(),
                    second.color()
                );
            }
        }
    }
}

/// One colour as I420 of the given meaning.
fn solid_i420(pool: &FramePool, color: Bgr, info: ColorInfo) -> Frame {
    let (kr, kb) = match info.matrix {
        ColorMatrix::Bt709 => (0.2126, 0.0722),
        ColorMatrix::Bt2020 => (0.2627, 0.0593),
        _ => (0.299, 0.114),
    };
    let [b, g, r] = color.bytes().map(f64::from);
    let luma = kr * r + (1.0 - kr - kb) * g + kb * b;
    let chroma = [
        (b - luma) / (2.0 * (1.0 - kb)),
        (r - luma) / (2.0 * (1.0 - kr)),
    ];
    let (y, u, v) = match info.range {
        ColorRange::Full => (luma, 128.0 + chroma[0], 128.0 + chroma[1]),
        _ => (
            16.0 + luma * 219.0 / 255.0,
            128.0 + chroma[0] * 224.0 / 255.0,
            128.0 + chroma[1] * 224.0 / 255.0,
        ),
    };
    let planes = [
        (vec![y.round() as u8; 64 * 48], 64),
        (vec![u.round() as u8; 32 * 24], 32),
        (vec![v.round() as u8; 32 * 24], 32),
    ];
    Frame::from_i420(
        pool,
        64,
        48,
        info,
        [0, 1, 2].map(|i| (&planes[i].0[..], planes[i].1)),
    )
    .unwrap()
}

#[test]
fn missing_and_repeated_timestamps_give_a_playable_file() {
    let clips = Clips::new();
    let out = clips.path("out.mp4");
    let pool = FramePool::default();
    let mut writer = Mp4Writer::create(&out, Mp4Options::default().with_fps(25.0)).unwrap();
    for frame in solid(
        &pool,
        (64, 48),
        &[Some(0), Some(40), Some(40), None, Some(10), Some(200)],
    ) {
        writer.write(&frame).unwrap();
    }
    assert_eq!(writer.finish().unwrap().adjusted_timestamps, 3);
    let times = seconds(&read(&out));
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert_eq!((times[0], times[5]), (0.0, 0.2));
    let untimed = solid(&pool, (64, 48), &[None; 5]);
    let mut writer = Mp4Writer::create(&out, Mp4Options::default().with_fps(10.0)).unwrap();
    untimed
        .iter()
        .for_each(|frame| writer.write(frame).unwrap());
    writer.finish().unwrap();
    for (index, time) in seconds(&read(&out)).into_iter().enumerate() {
        assert!((time - index as f64 / 10.0).abs() < 1e-6);
    }
}

#[test]
fn a_dropped_writer_leaves_a_playable_file_and_no_other() {
    let clips = Clips::new();
    let out = clips.path("out.mp4");
    {
        let mut writer = Mp4Writer::create(&out, Mp4Options::default()).unwrap();
        for frame in solid(
            &FramePool::default(),
            (64, 48),
            &[Some(0), Some(40), Some(80)],
        ) {
            writer.write(&frame).unwrap();
        }
        assert!(!out.exists(), "the name appears when the file is complete");
        assert_eq!(clips.names().len(), 1);
    }
    assert_eq!(clips.names(), ["out.mp4"]);
    assert_eq!(read(&out).len(), 3);
}

#[test]
fn without_a_frame_an_older_file_stays() {
    let clips = Clips::new();
    let out = clips.write("out.mp4", b"older");
    let writer = Mp4Writer::create(&out, Mp4Options::default()).unwrap();
    assert!(matches!(writer.finish(), Err(Mp4Error::NoFrames { .. })));
    drop(Mp4Writer::create(&out, Mp4Options::default()).unwrap());
    assert_eq!(
        (clips.names(), std::fs::read(&out).unwrap()),
        (vec!["out.mp4".to_owned()], b"older".to_vec())
    );
    write(&out, &solid(&FramePool::default(), (64, 48), &[Some(0)]));
    assert_eq!(read(&out).len(), 1);
}

#[test]
fn unusable_targets_are_errors_before_the_first_frame() {
    let clips = Clips::new();
    let create = |path: &Path| {
        Mp4Writer::create(path, Mp4Options::default())
            .map(|_| ())
            .unwrap_err()
    };
    assert!(matches!(
        create(&clips.path("no/such/folder.mp4")),
        Mp4Error::Create { .. }
    ));
    assert!(matches!(
        create(&clips.path("")),
        Mp4Error::IsAFolder { .. }
    ));
    clips.write("file", b"");
    assert!(matches!(
        create(&clips.path("file/out.mp4")),
        Mp4Error::Create { .. }
    ));
    assert!(matches!(
        create(Path::new("..")),
        Mp4Error::IsAFolder { .. }
    ));
    assert!(matches!(
        create(Path::new("/proc/self/out.mp4")),
        Mp4Error::Create { .. }
    ));
}

#[test]
fn names_with_spaces_colons_and_bytes_that_are_no_text_work() {
    use std::os::unix::ffi::OsStrExt;
    let clips = Clips::new();
    let frames = solid(&FramePool::default(), (64, 48), &[Some(0), Some(40)]);
    for name in [
        &b"a b:c?.mp4"[..],
        b"100%d.mp4",
        b"\xff\xfe.mp4",
        b"no extension",
    ] {
        let out = clips.path("").join(std::ffi::OsStr::from_bytes(name));
        write(&out, &frames);
        assert_eq!(read(&out).len(), 2, "{}", out.display());
    }
}

#[test]
fn every_preset_writes_a_readable_file() {
    let clips = Clips::new();
    let frames = solid(&FramePool::default(), (64, 48), &[Some(0), Some(40)]);
    for preset in [
        Mp4Preset::Ultrafast,
        Mp4Preset::Superfast,
        Mp4Preset::Veryfast,
        Mp4Preset::Fast,
        Mp4Preset::Medium,
    ] {
        let out = clips.path("out.mp4");
        let mut writer =
            Mp4Writer::create(&out, Mp4Options::default().with_preset(preset)).unwrap();
        frames.iter().for_each(|frame| writer.write(frame).unwrap());
        writer.finish().unwrap();
        assert_eq!(read(&out).len(), 2, "{preset:?}");
    }
}

#[test]
fn a_lost_temporary_file_is_an_error_and_later_calls_say_closed() {
    let clips = Clips::new();
    let frame = &solid(&FramePool::default(), (64, 48), &[Some(0)])[0];
    let mut writer = Mp4Writer::create(clips.path("out.mp4"), Mp4Options::default()).unwrap();
    // A folder in its place cannot be opened for writing.
    let temporary = clips.path(&clips.names()[0]);
    std::fs::remove_file(&temporary).unwrap();
    std::fs::create_dir(&temporary).unwrap();
    assert!(matches!(writer.write(frame), Err(Mp4Error::Encode { .. })));
    assert!(matches!(writer.write(frame), Err(Mp4Error::Closed { .. })));
    assert!(matches!(writer.finish(), Err(Mp4Error::Closed { .. })));
    assert!(!clips.path("out.mp4").exists());
}
