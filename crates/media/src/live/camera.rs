//! Cameras: which device, what to ask it for, and what to say when it cannot be had.
//! Not reading them: that is `stream`.

use std::time::Duration;

use super::stream::{CaptureTime, OpenFailure, StreamInput};
use super::{Interrupt, LiveError, LiveOptions};
use crate::ffmpeg::{AvError, Cause, Opening, Stop};
use crate::pool::FramePool;

/// Begins the name of a picture made by FFmpeg's filters.
const LAVFI: &str = "lavfi:";

/// Up to this many pixels a USB 2 camera sends 30 uncompressed pictures a second; above, only as JPEG.
const MOST_RAW_PIXELS: u64 = 640 * 480;

/// What a camera is asked for.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CameraOptions {
    /// Width and height. Default: the camera's.
    pub resolution: Option<(u32, u32)>,
    /// Frames per second. Default: the camera's.
    pub fps: Option<f64>,
}

impl CameraOptions {
    /// Sets [`resolution`](Self::resolution).
    pub fn with_resolution(mut self, width: u32, height: u32) -> Self {
        self.resolution = Some((width, height));
        self
    }

    /// Sets [`fps`](Self::fps).
    pub fn with_fps(mut self, fps: f64) -> Self {
        self.fps = Some(fps);
        self
    }
}

pub(super) fn open(
    device: &str,
    camera: &CameraOptions,
    options: &LiveOptions,
    pool: &FramePool,
    interrupt: &Interrupt,
) -> Result<StreamInput, LiveError> {
    let explain = |failure| explain(device, options.open_timeout, failure);
    if let Some(graph) = device.strip_prefix(LAVFI) {
        let what = Opening {
            url: graph,
            format: Some("lavfi"),
            options: &[("fpsprobesize", "2".to_owned())],
            ask: false,
            probe: true,
        };
        return StreamInput::open(device, &what, CaptureTime::Paced, options, pool, interrupt)
            .map_err(explain);
    }
    if !device.starts_with('/') {
        return Err(LiveError::Address {
            input: device.to_owned(),
            reason: "a camera is a device such as /dev/video0, or lavfi:GRAPH",
        });
    }
    let mut last = None;
    for wanted in attempts(camera) {
        let what = Opening {
            url: device,
            format: Some("v4l2"),
            options: &wanted,
            ask: true,
            probe: false,
        };
        let capture = CaptureTime::Driver;
        match StreamInput::open(device, &what, capture, options, pool, interrupt) {
            Ok(input) => return Ok(input),
            // Asked for something it does not have: ask for less.
            Err(OpenFailure::Failed(error)) if !is_final(error) => {
                last = Some(OpenFailure::Failed(error));
            }
            Err(failure) => return Err(explain(failure)),
        }
    }
    Err(explain(last.unwrap_or(OpenFailure::NoVideo)))
}

/// What to ask for, in this order: the format that fits the size with everything wanted, any format, any rate, anything.
fn attempts(camera: &CameraOptions) -> Vec<Vec<(&'static str, String)>> {
    let size = camera
        .resolution
        .map(|(width, height)| ("video_size", format!("{width}x{height}")));
    let rate = camera
        .fps
        .filter(|fps| fps.is_finite() && *fps > 0.0)
        .map(|fps| ("framerate", fps.to_string()));
    let large = camera
        .resolution
        .is_none_or(|(width, height)| u64::from(width) * u64::from(height) > MOST_RAW_PIXELS);
    let format = |name: &str| Some(("input_format", name.to_owned()));
    let formats = if large {
        [format("mjpeg"), format("yuyv422"), None]
    } else {
        [format("yuyv422"), format("mjpeg"), None]
    };
    let mut attempts: Vec<Vec<_>> = Vec::new();
    let mut add = |wanted: [Option<(&'static str, String)>; 3]| {
        let wanted: Vec<_> = wanted.into_iter().flatten().collect();
        if !attempts.contains(&wanted) {
            attempts.push(wanted);
        }
    };
    for format in formats {
        add([format, size.clone(), rate.clone()]);
    }
    add([None, size, None]);
    add([None, None, None]);
    attempts
}

/// Whether asking for less would not help either.
fn is_final(error: AvError) -> bool {
    matches!(error.cause(), Cause::Missing | Cause::Denied | Cause::Busy)
}

fn explain(device: &str, limit: Duration, failure: OpenFailure) -> LiveError {
    let input = || device.to_owned();
    match failure {
        OpenFailure::Stopped(Stop::Interrupted, _) => LiveError::Interrupted,
        OpenFailure::Stopped(Stop::Deadline, step) => LiveError::TimedOut {
            input: input(),
            step,
            after: limit,
        },
        OpenFailure::NoVideo => LiveError::NoVideo { input: input() },
        OpenFailure::Codec(codec, error) => LiveError::Codec {
            input: input(),
            codec,
            reason: error.to_string(),
        },
        OpenFailure::Failed(error) => LiveError::Camera {
            device: input(),
            reason: error.to_string(),
            hint: hint(device, error),
        },
    }
}

fn hint(device: &str, error: AvError) -> String {
    if device.starts_with(LAVFI) {
        return "check the filter graph with `ffplay -f lavfi GRAPH`".to_owned();
    }
    match error.cause() {
        Cause::Denied => "add this user to the group `video` and log in again".to_owned(),
        Cause::Busy => "close the program that uses it".to_owned(),
        _ => match cameras() {
            found if found.is_empty() => "there is no camera on this machine: plug one in, or \
                 use lavfi:testsrc2 for a test picture"
                .to_owned(),
            found => format!("cameras here: {}", found.join(", ")),
        },
    }
}

/// The video devices of this machine, at most eight.
fn cameras() -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("video"))
        .map(|name| format!("/dev/{name}"))
        .collect();
    found.sort();
    found.truncate(8);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_asked_for_less_and_less() {
        let camera = CameraOptions::default()
            .with_resolution(1280, 720)
            .with_fps(30.0);
        let asked: Vec<String> = attempts(&camera)
            .into_iter()
            .map(|wanted| {
                let words: Vec<_> = wanted.into_iter().map(|(_, value)| value).collect();
                words.join(" ")
            })
            .collect();
        assert_eq!(
            asked,
            [
                "mjpeg 1280x720 30",
                "yuyv422 1280x720 30",
                "1280x720 30",
                "1280x720",
                ""
            ]
        );
        assert_eq!(attempts(&CameraOptions::default()).len(), 3);
        let small = attempts(&CameraOptions::default().with_resolution(640, 480));
        assert_eq!(small[0][0].1, "yuyv422");
    }
}
