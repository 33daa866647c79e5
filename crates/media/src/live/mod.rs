//! Pictures from cameras and network streams as they arrive, decoded, with the moment each was captured.
//! Not files (`decode`), not reconnecting: an input that ended is opened again by who wants it.

mod camera;
mod error;
mod interrupt;
mod options;
mod pace;
mod stream;

use std::time::Instant;

pub use camera::CameraOptions;
pub use error::LiveError;
pub use interrupt::Interrupt;
pub use options::LiveOptions;

use self::stream::StreamInput;
use crate::frame::Frame;
use crate::pool::FramePool;

/// A picture of a live input.
#[derive(Debug, Clone)]
pub struct LiveFrame {
    /// The picture, I420, with the source's own timestamp, or one made from its arrival if the source gave none.
    pub frame: Frame,
    /// When it was captured, or the earliest moment known: the driver's stamp for cameras, else the arrival of its data.
    pub captured: Instant,
}

/// What is known of a live input.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LiveInfo {
    /// Width in pixels; 0 until the first frame if the source does not announce it.
    pub width: u32,
    /// Height in pixels; 0 until the first frame if the source does not announce it.
    pub height: u32,
    /// Frames per second, if the source says.
    pub fps: Option<f64>,
    /// FFmpeg's name of the codec, such as `h264`, `rawvideo`.
    pub codec: String,
}

/// A camera or a stream, opened, read frame by frame. Calls block, so it belongs on a thread of its own; an
/// [`Interrupt`] ends them from elsewhere. Nothing is queued here: a reader that is late finds what the driver or the
/// network kept for it.
///
/// ```
/// use framewire_media::{CameraOptions, FramePool, Interrupt, LiveInput, LiveOptions};
///
/// let (pool, interrupt) = (FramePool::default(), Interrupt::new());
/// let camera = CameraOptions::default().with_resolution(640, 480);
/// let device = "lavfi:testsrc2=size=640x480:rate=30"; // or "/dev/video0"
/// let mut input = LiveInput::camera(device, &camera, &LiveOptions::default(), &pool, &interrupt)?;
/// let first = input.read()?.expect("a camera does not end at once");
/// assert_eq!((first.frame.width(), first.frame.height()), (640, 480));
/// # Ok::<(), framewire_media::LiveError>(())
/// ```
pub struct LiveInput {
    kind: Kind,
}

enum Kind {
    Stream(Box<StreamInput>),
}

impl LiveInput {
    /// Opens a camera: a v4l2 device such as `/dev/video0`, or `lavfi:GRAPH`, a picture made by FFmpeg's filters at the
    /// pace of its timestamps, which stands in for a camera. A size or rate the camera does not have is left to the
    /// camera; [`info`](LiveInput::info) says what was got. Fails at once if the device is missing or busy.
    pub fn camera(
        device: &str,
        camera: &CameraOptions,
        options: &LiveOptions,
        pool: &FramePool,
        interrupt: &Interrupt,
    ) -> Result<LiveInput, LiveError> {
        let input = camera::open(device, camera, options, pool, interrupt)?;
        Ok(LiveInput {
            kind: Kind::Stream(Box::new(input)),
        })
    }

    /// The next frame; `Ok(None)` when the source ended cleanly. Blocks until one is there, at most
    /// [`LiveOptions::read_timeout`] without any data. After an end or an error, every further call is `Ok(None)`.
    pub fn read(&mut self) -> Result<Option<LiveFrame>, LiveError> {
        match &mut self.kind {
            Kind::Stream(input) => input.read(),
        }
    }

    /// What is known of the input; width and height are those of the last frame once there was one.
    pub fn info(&self) -> &LiveInfo {
        match &self.kind {
            Kind::Stream(input) => input.info(),
        }
    }
}
