//! Runs the binary on the real clip and reads what it wrote.
//! Not here: assertions on behaviour.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

pub(crate) const CLIP_FRAMES: usize = 250;

pub(crate) fn asset(path: &str) -> String {
    let asset = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../assets")
        .join(path);
    assert!(
        asset.exists(),
        "{} is missing: run `make assets`",
        asset.display()
    );
    asset
        .to_str()
        .expect("the checkout's path is UTF-8")
        .to_owned()
}

pub(crate) fn clip() -> String {
    asset("video/bikes.mp4")
}

pub(crate) fn framewire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framewire"));
    command
        .env("FRAMEWIRE_MODELS", asset("models"))
        .env("ORT_DYLIB_PATH", asset("lib/libonnxruntime.so"))
        .env_remove("FRAMEWIRE_API_KEY")
        .env_remove("ROBOFLOW_API_KEY");
    command
}

/// Runs to the end. Callers give jobs that end by themselves; the test runner's own limit is the hang guard.
pub(crate) fn run(args: &[&str]) -> Output {
    framewire()
        .arg("run")
        .args(args)
        .output()
        .expect("the binary starts")
}

pub(crate) fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr)
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned()
}

pub(crate) fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("the file was written")).expect("it is JSON")
}

pub(crate) fn json_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the file was written");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect()
}

/// Frames of a video, all of which must decode.
pub(crate) fn count_frames(path: &Path) -> usize {
    let mut decoder =
        framewire_media::Decoder::open(path, Default::default()).expect("it is a video");
    let mut frames = 0;
    while decoder.next_frame().expect("every frame decodes").is_some() {
        frames += 1;
    }
    frames
}

/// A file with a workflow that crops and runs no model.
pub(crate) fn crop_workflow(folder: &Path) -> PathBuf {
    let path = folder.join("crop.json");
    let definition = json!({
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [{
            "type": "roboflow_core/absolute_static_crop@v1", "name": "crop", "images": "$inputs.image",
            "x_center": 100, "y_center": 100, "width": 160, "height": 120,
        }],
        "outputs": [{"type": "JsonField", "name": "crop", "selector": "$steps.crop.crops"}],
    });
    std::fs::write(&path, definition.to_string()).expect("the folder is writable");
    path
}

/// `framewire serve` on a free port; killed when dropped.
pub(crate) struct Serve {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Serve {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", args)
    }

    /// The same at an address of the test's choice.
    pub(crate) fn start_at(address: &str, args: &[&str]) -> Self {
        let mut command = framewire();
        command
            .args(["serve", "--listen", address])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped"))
            .read_line(&mut line)
            .expect("a first line");
        let url = line
            .trim()
            .strip_prefix("framewire serve listening on ")
            .expect("the ready line")
            .to_owned();
        Self { child, url }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `marker` lines came on the child's stdout, then gives the rest of it.
pub(crate) fn after_lines(child: &mut Child, lines: usize) -> impl Read + use<> {
    let mut reader = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut line = String::new();
    for _ in 0..lines {
        line.clear();
        assert!(
            reader.read_line(&mut line).expect("stdout is readable") > 0,
            "the stream ended early"
        );
    }
    reader
}

pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).expect("the process is there");
}
