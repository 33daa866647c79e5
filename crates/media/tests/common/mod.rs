//! Clips made with the `ffmpeg` command line tool, and what that tool itself reads from them.
//! Not fixtures: every test makes what it needs.
#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::process::Command;

use framewire_media::{DecodeError, Decoder, DecoderOptions, Frame};
use tempfile::TempDir;

/// A folder that disappears with the test.
pub struct Clips {
    folder: TempDir,
}

impl Clips {
    pub fn new() -> Clips {
        Clips {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `ffmpeg ARGS NAME`.
    pub fn make(&self, name: &str, args: &str) -> PathBuf {
        let path = self.path(name);
        let args = args.replace(
            "DIR",
            self.folder
                .path()
                .to_str()
                .expect("an ordinary folder name"),
        );
        run(
            "ffmpeg",
            args.split_whitespace().chain([path.to_str().unwrap()]),
        );
        path
    }

    /// A moving test picture in H.264.
    pub fn h264(&self, name: &str, size: &str, seconds: f64) -> PathBuf {
        self.make(
            name,
            &format!(
                "{} -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
                pattern(size, seconds)
            ),
        )
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("room for a test file");
        path
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The input arguments of a moving test picture at 25 frames a second.
pub fn pattern(size: &str, seconds: f64) -> String {
    format!("-f lavfi -i testsrc2=size={size}:rate=25:duration={seconds}")
}

/// The pictures of a file as the tool decodes them, one after the other.
pub fn reference(path: &Path, pixel_format: &str) -> Vec<u8> {
    let args = [
        "-i",
        path.to_str().unwrap(),
        "-map",
        "0:v:0",
        "-vsync",
        "passthrough",
        "-sws_flags",
    ];
    let rest = [
        "bilinear+accurate_rnd+full_chroma_inp",
        "-f",
        "rawvideo",
        "-pix_fmt",
        pixel_format,
        "-",
    ];
    run("ffmpeg", args.into_iter().chain(rest))
}

/// Fields of each video frame as the tool's companion prints them.
pub fn probe_frames(path: &Path, fields: &str) -> Vec<String> {
    let entries = format!("frame={fields}");
    let args = [
        "-select_streams",
        "v:0",
        "-show_entries",
        &entries,
        "-of",
        "csv=p=0",
        path.to_str().unwrap(),
    ];
    let text = String::from_utf8(run("ffprobe", args.into_iter())).unwrap();
    text.lines()
        .map(|line| line.trim_end_matches(',').to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn run<'a>(program: &str, args: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut command = Command::new(program);
    if program == "ffmpeg" {
        command.args(["-y", "-nostdin"]);
    }
    let output = command
        .args(["-v", "error"])
        .args(args)
        .output()
        .expect("the ffmpeg package is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {errors}");
    output.stdout
}

/// All frames of a file and how it ended.
pub fn decode(path: &Path, options: DecoderOptions) -> (Vec<Frame>, Option<DecodeError>) {
    let mut decoder =
        Decoder::open(path, options).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    drain(&mut decoder)
}

pub fn drain(decoder: &mut Decoder) -> (Vec<Frame>, Option<DecodeError>) {
    let mut frames = Vec::new();
    loop {
        match decoder.next_frame() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(error) => {
                assert!(
                    matches!(decoder.next_frame(), Ok(None)),
                    "an error comes once and last"
                );
                return (frames, Some(error));
            }
        }
    }
}

/// The frame's bytes, planes one after the other without gaps.
pub fn packed(frame: &Frame) -> Vec<u8> {
    (0..frame.format().planes())
        .flat_map(|plane| frame.plane(plane).rows().flatten().copied())
        .collect()
}

/// Mean and largest difference of two pictures.
pub fn difference(one: &[u8], other: &[u8]) -> (f64, u8) {
    assert_eq!(one.len(), other.len());
    let off = one.iter().zip(other).map(|(a, b)| a.abs_diff(*b));
    (
        off.clone().map(f64::from).sum::<f64>() / one.len() as f64,
        off.max().unwrap_or(0),
    )
}
