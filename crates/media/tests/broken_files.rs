//! Files that are no videos, or broken ones: which error, and which frames still come.

#![cfg(feature = "ffmpeg")]

mod common;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Clips, decode, drain, packed, pattern, reference};
use framewire_media::{
    DecodeError, Decoder, DecoderOptions, FrameError, FramePool, OpenError, PixelFormat,
    PoolLimits, probe,
};

fn open(path: &Path) -> OpenError {
    let error = probe(path).expect_err("no video");
    let file = path.file_name().unwrap().to_str().unwrap();
    assert!(
        error.to_string().contains(file),
        "{error} does not name the file"
    );
    error
}

#[test]
fn a_missing_file_says_so() {
    let clips = Clips::new();
    assert!(matches!(
        open(&clips.path("nothing.mp4")),
        OpenError::Missing { .. }
    ));
    clips.write("file", b"x");
    assert!(matches!(
        open(&clips.path("file/inside.mp4")),
        OpenError::Missing { .. }
    ));
}

#[test]
fn an_empty_file_a_folder_and_a_device_say_so() {
    let clips = Clips::new();
    assert!(matches!(
        open(&clips.write("empty.mp4", b"")),
        OpenError::Empty { .. }
    ));
    std::fs::create_dir(clips.path("folder.mp4")).unwrap();
    assert!(matches!(
        open(&clips.path("folder.mp4")),
        OpenError::NotAFile { .. }
    ));
    assert!(matches!(
        open(Path::new("/dev/zero")),
        OpenError::NotAFile { .. }
    ));
}

#[test]
fn a_file_that_may_not_be_read_says_so() {
    let clips = Clips::new();
    let path = clips.path("loop.mp4");
    symlink(&path, &path).unwrap();
    assert!(matches!(open(&path), OpenError::Unreadable { .. }));
    let path = clips.write("secret.mp4", b"secret");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // The administrator may read everything.
    if std::fs::File::open(&path).is_err() {
        assert!(matches!(open(&path), OpenError::Unreadable { .. }));
    }
}

#[test]
fn text_noise_and_programs_are_no_videos() {
    let clips = Clips::new();
    let noise: Vec<u8> = (0..50_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for (name, bytes) in [
        (
            "text.mp4",
            &b"The quick brown fox jumps over the lazy dog.\n".repeat(100)[..],
        ),
        ("noise.mp4", &noise),
        ("one.mp4", b"\0"),
        ("json.mp4", b"{\"a\": [1, 2, 3]}"),
        (
            "box.mp4",
            b"\0\0\0\x18ftypisom\0\0\0\0isomiso2\0\0\0\x08free",
        ),
    ] {
        let error = open(&clips.write(name, bytes));
        assert!(
            matches!(error, OpenError::NotVideo { .. }),
            "{name}: {error:?}"
        );
    }
}

#[test]
fn sound_without_a_picture_says_what_it_is() {
    let clips = Clips::new();
    let tone = "-f lavfi -i sine=duration=0.5";
    let OpenError::NoVideo { holds, .. } = open(&clips.make("tone.mp4", tone)) else {
        panic!()
    };
    assert!(holds.starts_with("audio"), "{holds}");
    clips.make("cover.png", "-f lavfi -i color=red:size=64x64 -frames:v 1");
    let args =
        format!("{tone} -i DIR/cover.png -map 0 -map 1 -c:v png -disposition:v attached_pic");
    let OpenError::NoVideo { holds, .. } = open(&clips.make("song.mp3", &args)) else {
        panic!()
    };
    assert!(holds.starts_with("audio, a cover picture"), "{holds}");
}

#[test]
fn a_playlist_cannot_reach_another_file() {
    let clips = Clips::new();
    let other = clips.h264("other.ts", "64x64", 0.4);
    let other = other.to_str().unwrap();
    for (name, text) in [
        ("list.mp4", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\nfile://{other}\n#EXT-X-ENDLIST\n")),
        ("list2.mp4", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\n{other}\n#EXT-X-ENDLIST\n")),
        ("concat.mp4", "ffconcat version 1.0\nfile other.ts\n".to_owned()),
        ("session.mp4", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n".to_owned()),
    ] {
        let path = clips.write(name, text.as_bytes());
        let started = Instant::now();
        match Decoder::open(&path, DecoderOptions::default()) {
            Err(OpenError::NotVideo { .. } | OpenError::NoVideo { .. }) => {}
            Err(error) => panic!("{name}: {error:?}"),
            Ok(mut decoder) => assert_eq!(drain(&mut decoder).0.len(), 0, "{name} was followed"),
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{name} waited for something");
    }
}

/// The first bytes of a file.
fn cut(clips: &Clips, from: &Path, name: &str, share: f64) -> std::path::PathBuf {
    let bytes = std::fs::read(from).unwrap();
    clips.write(name, &bytes[..(bytes.len() as f64 * share) as usize])
}

#[test]
fn a_file_cut_off_gives_its_good_frames_and_then_says_where_it_ends() {
    let clips = Clips::new();
    for (name, extra) in [
        ("a.mp4", "-c:v libx264 -bf 0 -movflags +faststart"),
        ("b.mkv", "-c:v libx264 -bf 2"),
        (
            "c.mp4",
            "-c:v libx264 -bf 0 -g 5 -movflags +frag_keyframe+empty_moov",
        ),
        ("d.avi", "-c:v mjpeg"),
        ("e.webm", "-c:v libvpx -deadline realtime"),
    ] {
        let whole = clips.make(name, &format!("{} {extra}", pattern("320x240", 2.0)));
        let expected = reference(
            &whole,
            if name == "d.avi" {
                "yuvj420p"
            } else {
                "yuv420p"
            },
        );
        let path = cut(&clips, &whole, &format!("cut-{name}"), 0.6);
        let (frames, error) = decode(&path, DecoderOptions::default());
        let Some(DecodeError::Truncated {
            frames: counted,
            announced,
            actual,
        }) = error
        else {
            panic!("{name}: {} frames, {error:?}", frames.len());
        };
        assert_eq!(
            (counted, actual),
            (frames.len() as u64, path.metadata().unwrap().len()),
            "{name}"
        );
        assert!(
            announced > actual && announced <= whole.metadata().unwrap().len(),
            "{name}"
        );
        assert!(
            (15..50).contains(&frames.len()),
            "{name}: {} frames",
            frames.len()
        );
        let got: Vec<u8> = frames.iter().flat_map(packed).collect();
        assert!(
            got == expected[..got.len()],
            "{name}: the frames before the end are not the good ones"
        );
    }
}

#[test]
fn a_file_cut_off_before_its_index_says_that_it_is_incomplete() {
    let clips = Clips::new();
    let whole = clips.h264("a.mp4", "320x240", 1.0);
    let error = open(&cut(&clips, &whole, "cut.mp4", 0.7));
    let OpenError::Incomplete {
        announced, actual, ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(announced > actual);
}

#[test]
fn damage_in_the_middle_costs_only_what_is_damaged_and_is_reported() {
    let clips = Clips::new();
    for (name, extra) in [
        ("a.mp4", "-c:v libx264 -bf 0 -g 10 -movflags +faststart"),
        ("b.mp4", "-c:v mpeg4 -g 5 -movflags +faststart"),
    ] {
        let whole = clips.make(name, &format!("{} {extra}", pattern("320x240", 2.0)));
        let mut bytes = std::fs::read(&whole).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 6000]
            .iter_mut()
            .enumerate()
            .for_each(|(i, byte)| *byte = (i * 89) as u8);
        let path = clips.write(&format!("damaged-{name}"), &bytes);
        let (frames, error) = decode(&path, DecoderOptions::default());
        let Some(DecodeError::Damaged {
            frames: counted,
            damaged,
            after_millis,
            reason,
        }) = error
        else {
            panic!("{name}: {} frames, {error:?}", frames.len());
        };
        assert_eq!(counted, frames.len() as u64, "{name}");
        assert!(
            damaged > 0 && !reason.is_empty() && frames.len() < 50,
            "{name}"
        );
        assert!(
            (300..1900).contains(&after_millis.unwrap()),
            "{name}: {after_millis:?}"
        );
        let last = frames.last().unwrap().timing().seconds().unwrap();
        assert!(last > 1.9, "{name}: the end is there again, up to {last} s");
    }
}

#[test]
fn a_recording_that_starts_in_the_middle_is_no_error() {
    let clips = Clips::new();
    let whole = clips.make(
        "a.ts",
        &format!("{} -c:v libx264 -bf 0 -g 10", pattern("320x240", 2.0)),
    );
    let bytes = std::fs::read(&whole).unwrap();
    let start = bytes.len() / 4 / 188 * 188;
    let path = clips.write("late.ts", &bytes[start..]);
    let (frames, error) = decode(&path, DecoderOptions::default());
    assert_eq!(error, None);
    assert!((20..45).contains(&frames.len()), "{}", frames.len());
}

#[test]
fn a_video_without_one_decodable_frame_says_so() {
    let clips = Clips::new();
    let whole = clips.make(
        "a.mp4",
        &format!(
            "{} -c:v mpeg4 -movflags +faststart",
            pattern("160x120", 0.4)
        ),
    );
    let mut bytes = std::fs::read(&whole).unwrap();
    let data = bytes
        .windows(4)
        .position(|window| window == b"mdat")
        .unwrap()
        + 4;
    bytes[data..].fill(0);
    let (frames, error) = decode(&clips.write("zero.mp4", &bytes), DecoderOptions::default());
    assert_eq!(frames.len(), 0);
    assert!(
        matches!(error, Some(DecodeError::NoFrames { .. })),
        "{error:?}"
    );
}

#[test]
fn pictures_over_the_limits_are_refused_before_they_are_decoded() {
    let clips = Clips::new();
    let wide = clips.make(
        "wide.mkv",
        "-f lavfi -i color=red:size=16400x16:rate=1:duration=1 -c:v ffv1",
    );
    assert!(matches!(
        open(&wide),
        OpenError::TooLarge {
            width: 16_400,
            height: 16,
            ..
        }
    ));
    let path = clips.h264("a.mp4", "320x240", 0.2);
    let small = DecoderOptions::default().with_max_pixels(320 * 240 - 1);
    assert!(matches!(
        Decoder::open(&path, small),
        Err(OpenError::TooLarge { .. })
    ));
    let exact = DecoderOptions::default().with_max_pixels(320 * 240);
    assert_eq!(decode(&path, exact).0.len(), 5);
}

#[test]
fn a_stream_that_grows_over_the_limit_ends_with_an_error() {
    let clips = Clips::new();
    let small = std::fs::read(clips.h264("small.ts", "160x120", 0.4)).unwrap();
    let large = std::fs::read(clips.h264("large.ts", "640x480", 0.4)).unwrap();
    let path = clips.write("both.ts", &[small, large].concat());
    let (frames, error) = decode(&path, DecoderOptions::default().with_max_pixels(200 * 200));
    assert_eq!(frames.len(), 10);
    assert!(
        matches!(error, Some(DecodeError::Damaged { .. })),
        "{error:?}"
    );
}

#[test]
fn holding_too_many_frames_is_an_error_that_names_the_limit() {
    let clips = Clips::new();
    let path = clips.h264("a.mp4", "160x120", 0.4);
    let pool = FramePool::new(PoolLimits::default().with_max_live_bytes(4 * 160 * 120 * 3));
    let options = DecoderOptions::default()
        .with_pool(pool.clone())
        .with_format(PixelFormat::Bgr);
    let (frames, error) = decode(&path, options.clone());
    assert_eq!(frames.len(), 4);
    assert!(
        matches!(
            error,
            Some(DecodeError::Frame {
                frames: 4,
                source: FrameError::PoolExhausted { .. }
            })
        ),
        "{error:?}"
    );
    drop(frames);
    // Dropped in time, the same memory serves all ten.
    let mut decoder = Decoder::open(&path, options).unwrap();
    let mut count = 0;
    while decoder.next_frame().unwrap().is_some() {
        count += 1;
    }
    assert_eq!((count, pool.stats().allocated), (10, 4));
}
