//! Cameras of this machine as a source: which device, which picture.
//! Not here: opening and reading it, which the session's capture thread does.

use crate::error::ConfigError;

/// A camera of this machine; its pictures go to the worker on a video track.
///
/// It is opened before anything connects: a camera that is not there fails the start with
/// [`SourceError::Live`](crate::SourceError::Live). One that is unplugged later ends the session with the same error after
/// the frames under way have come back.
///
/// ```no_run
/// use framewire::{Client, StreamConfig, WebcamSource, Workflow};
///
/// let session = Client::new("http://127.0.0.1:9001").stream(
///     WebcamSource::new(0).resolution(1280, 720).fps(30.0),
///     Workflow::by_id("my-space", "count-people"),
///     StreamConfig::new().stream_output(["image"]).data_output(["predictions"]),
/// )?;
/// session.on_frame(|event| println!("{:?} {:?}", event.frame_id(), event.captured.map(|at| at.elapsed())));
/// session.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WebcamSource {
    pub(crate) device: CameraDevice,
    pub(crate) resolution: Option<(u32, u32)>,
    pub(crate) fps: Option<f64>,
}

/// Names a camera: a number `N`, also as text, is `/dev/videoN`; other text is a device path, or `lavfi:GRAPH` for a
/// synthetic one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraDevice(pub(crate) String);

impl From<i32> for CameraDevice {
    fn from(number: i32) -> Self {
        CameraDevice(format!("/dev/video{number}"))
    }
}

impl From<u32> for CameraDevice {
    fn from(number: u32) -> Self {
        CameraDevice(format!("/dev/video{number}"))
    }
}

impl From<&str> for CameraDevice {
    fn from(name: &str) -> Self {
        match name.parse::<u32>() {
            Ok(number) => number.into(),
            Err(_) => CameraDevice(name.to_owned()),
        }
    }
}

impl From<String> for CameraDevice {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl WebcamSource {
    /// A camera with its own defaults. Does no I/O.
    pub fn new(device: impl Into<CameraDevice>) -> Self {
        WebcamSource {
            device: device.into(),
            resolution: None,
            fps: None,
        }
    }

    /// Asks the camera for this picture size; it may give another.
    pub fn resolution(mut self, width: u32, height: u32) -> Self {
        self.resolution = Some((width, height));
        self
    }

    /// Asks the camera for this rate; it may give another.
    pub fn fps(mut self, fps: f64) -> Self {
        self.fps = Some(fps);
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |reason: &str| {
            Err(ConfigError::Source {
                reason: reason.to_owned(),
            })
        };
        if self.device.0.is_empty() || self.device.0.contains('\0') {
            return refuse("a camera needs a device such as 0, /dev/video0 or lavfi:testsrc2");
        }
        if matches!(self.resolution, Some((width, height)) if width == 0 || height == 0) {
            return refuse("a camera's resolution has no side of 0");
        }
        if self.fps.is_some_and(|fps| !fps.is_finite() || fps <= 0.0) {
            return refuse("a camera's frame rate is above 0");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_devices_and_nonsense_is_refused() {
        assert_eq!(WebcamSource::new(2).device.0, "/dev/video2");
        assert_eq!(WebcamSource::new("2").device.0, "/dev/video2");
        assert_eq!(
            WebcamSource::new("lavfi:testsrc2").device.0,
            "lavfi:testsrc2"
        );
        assert!(
            WebcamSource::new(0)
                .resolution(640, 480)
                .fps(30.0)
                .check()
                .is_ok()
        );
        assert!(WebcamSource::new("").check().is_err());
        assert!(WebcamSource::new(0).resolution(0, 480).check().is_err());
        assert!(WebcamSource::new(0).fps(f64::NAN).check().is_err());
    }
}
