//! What SOURCE names: a file, a stream read here or by the worker, a camera, a test pattern.
//! Not here: opening any of it.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use framewire::VideoFileSource;
use framewire_protocol::signalling::redact;

/// Where the frames of a run come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SourceSpec {
    /// A video file, local or at an http(s) URL.
    File(String),
    /// RTSP or RTMP, read here and sent as a track.
    Local(String),
    /// RTSP, read by the worker.
    Rtsp(String),
    /// MJPEG over HTTP, read by the worker.
    Mjpeg(String),
    /// A camera of this machine: its path, or FFmpeg's synthetic one.
    Webcam(String),
    /// Numbered pictures made here.
    Test(TestSpec),
}

/// `test:WxH@FPS,frames=N`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TestSpec {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fps: f64,
    /// Without end when absent.
    pub(crate) frames: Option<u64>,
}

impl SourceSpec {
    /// `local`: an RTSP stream is read here instead of by the worker.
    pub(crate) fn parse(text: &str, local: bool) -> anyhow::Result<SourceSpec> {
        let lower = text.to_ascii_lowercase();
        let scheme = |names: &[&str]| names.iter().any(|name| lower.starts_with(name));
        let spec = if scheme(&["rtsp://", "rtsps://"]) {
            if local {
                SourceSpec::Local(text.to_owned())
            } else {
                SourceSpec::Rtsp(text.to_owned())
            }
        } else if scheme(&["rtmp://", "rtmps://"]) {
            SourceSpec::Local(text.to_owned())
        } else if scheme(&["mjpeg+http://", "mjpeg+https://"]) {
            SourceSpec::Mjpeg(text["mjpeg+".len()..].to_owned())
        } else if scheme(&["webcam:"]) {
            SourceSpec::Webcam(device(&text["webcam:".len()..])?)
        } else if scheme(&["test:"]) {
            SourceSpec::Test(test(&text["test:".len()..]).with_context(|| {
                format!("{text}: expected test:WIDTHxHEIGHT@FPS, with ,frames=N to end")
            })?)
        } else if let Some((name, _)) = text.split_once("://")
            && !VideoFileSource::new(text).is_url()
        {
            bail!(
                "sources of the kind {name}:// are not known; see `framewire run --help` for those that are"
            );
        } else {
            SourceSpec::File(text.to_owned())
        };
        ensure!(
            !local || matches!(spec, SourceSpec::Local(_)),
            "--local is for rtsp:// sources: it reads them here instead of in the worker"
        );
        Ok(spec)
    }

    /// Whether it goes on in its own time, whoever watches.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self, SourceSpec::File(_))
    }

    /// For people: a path as its file name, a URL without credentials.
    pub(crate) fn shown(text: &str) -> String {
        if text.contains("://") {
            return redact(text);
        }
        if ["webcam:", "test:"]
            .iter()
            .any(|scheme| text.to_ascii_lowercase().starts_with(scheme))
        {
            return text.to_owned();
        }
        let name = std::path::Path::new(text).file_name();
        name.unwrap_or(text.as_ref()).to_string_lossy().into_owned()
    }
}

/// `webcam:`, `webcam:N`, `webcam:/dev/videoN` or `webcam:lavfi:GRAPH`.
fn device(rest: &str) -> anyhow::Result<String> {
    if rest.is_empty() {
        return Ok("/dev/video0".to_owned());
    }
    if let Ok(number) = rest.parse::<u32>() {
        return Ok(format!("/dev/video{number}"));
    }
    ensure!(
        rest.starts_with('/') || rest.starts_with("lavfi:"),
        "webcam:{rest}: expected webcam:N, webcam:/dev/videoN or webcam:lavfi:GRAPH"
    );
    Ok(rest.to_owned())
}

fn test(rest: &str) -> anyhow::Result<TestSpec> {
    let (shape, options) = rest
        .split_once(',')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    let (size, fps) = shape.split_once('@').context("no frame rate")?;
    let (width, height) = size.split_once('x').context("no size")?;
    let side = |text: &str| -> anyhow::Result<u32> {
        let side: u32 = text
            .parse()
            .with_context(|| format!("`{text}` is no size"))?;
        ensure!(
            (64..=7680).contains(&side) && side.is_multiple_of(2),
            "sizes are even numbers from 64 to 7680"
        );
        Ok(side)
    };
    let fps: f64 = fps.parse().context("the frame rate is no number")?;
    ensure!(
        fps > 0.0 && fps <= 240.0,
        "frame rates go from above 0 to 240"
    );
    let frames = match options {
        None => None,
        Some(option) => {
            let count = option.strip_prefix("frames=").context("unknown option")?;
            let count: u64 = count.parse().context("the number of frames is no number")?;
            ensure!(count > 0, "the number of frames is 0");
            Some(count)
        }
    };
    Ok(TestSpec {
        width: side(width)?,
        height: side(height)?,
        fps,
        frames,
    })
}

impl TestSpec {
    /// The rate as a whole number, for the timestamps of the pictures.
    pub(crate) fn nominal_fps(&self) -> u32 {
        (self.fps.round() as u32).max(1)
    }

    /// Time between two frames.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.fps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> SourceSpec {
        SourceSpec::parse(text, false).unwrap()
    }

    #[test]
    fn every_form_of_a_source_is_told_from_the_others() {
        let table = [
            ("a.mp4", SourceSpec::File("a.mp4".into())),
            ("http://h/a.mp4", SourceSpec::File("http://h/a.mp4".into())),
            ("RTSP://h/a", SourceSpec::Rtsp("RTSP://h/a".into())),
            ("rtsps://h/a", SourceSpec::Rtsp("rtsps://h/a".into())),
            ("rtmp://h/a", SourceSpec::Local("rtmp://h/a".into())),
            ("mjpeg+http://h/a", SourceSpec::Mjpeg("http://h/a".into())),
            ("webcam:", SourceSpec::Webcam("/dev/video0".into())),
            ("webcam:2", SourceSpec::Webcam("/dev/video2".into())),
            ("webcam:/dev/cam", SourceSpec::Webcam("/dev/cam".into())),
            (
                "webcam:lavfi:testsrc2",
                SourceSpec::Webcam("lavfi:testsrc2".into()),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text}");
            assert_eq!(
                parse(text).is_live(),
                !matches!(expected, SourceSpec::File(_))
            );
        }
        assert_eq!(
            SourceSpec::parse("rtsp://h/a", true).unwrap(),
            SourceSpec::Local("rtsp://h/a".into())
        );
        assert!(SourceSpec::parse("a.mp4", true).is_err());
        assert!(SourceSpec::parse("ftp://h/a.mp4", false).is_err());
        assert!(SourceSpec::parse("webcam:front", false).is_err());
    }

    #[test]
    fn a_test_pattern_has_size_rate_and_perhaps_an_end() {
        let spec = |frames| TestSpec {
            width: 640,
            height: 480,
            fps: 30.0,
            frames,
        };
        assert_eq!(parse("test:640x480@30"), SourceSpec::Test(spec(None)));
        assert_eq!(
            parse("test:640x480@30,frames=7"),
            SourceSpec::Test(spec(Some(7)))
        );
        for bad in [
            "test:",
            "test:640x480",
            "test:640@30",
            "test:641x480@30",
            "test:640x480@0",
            "test:640x480@30,frames=0",
            "test:640x480@30,loop=1",
        ] {
            assert!(SourceSpec::parse(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        assert!(!SourceSpec::shown("rtsp://me:hunter2@h/a").contains("hunter2"));
        assert_eq!(SourceSpec::shown("/videos/a.mp4"), "a.mp4");
        assert_eq!(SourceSpec::shown("webcam:0"), "webcam:0");
    }
}
