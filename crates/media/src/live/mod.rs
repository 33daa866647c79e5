//! Pictures from cameras and network streams as they arrive, decoded, with the moment each was captured.
//! Not files (`decode`), not reconnecting: an input that ended is opened again by who wants it.

mod camera;
mod error;
mod interrupt;
mod mjpeg;
mod network;
mod options;
mod pace;
mod splitter;
mod stream;

use std::io::Read;
use std::time::Instant;

pub use camera::CameraOptions;
pub use error::LiveError;
pub use interrupt::Interrupt;
pub use options::LiveOptions;
pub use splitter::MjpegKind;

use self::mjpeg::MjpegInput;
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

/// What a live input left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LiveStats {
    /// Packets or pictures that were damaged.
    pub damaged: u64,
    /// Packets that could not be shown because no undamaged keyframe came before them.
    pub before_keyframe: u64,
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
    Mjpeg(Box<MjpegInput>),
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

    /// Opens an RTSP stream, `rtsp://` or `rtsps://`, over TCP, and waits for the first data of its video. FFmpeg follows
    /// redirects of the server and does not check certificates; looking up the host's name is not interruptible.
    pub fn rtsp(
        url: &str,
        options: &LiveOptions,
        pool: &FramePool,
        interrupt: &Interrupt,
    ) -> Result<LiveInput, LiveError> {
        let input = network::open(&network::RTSP, url, options, pool, interrupt)?;
        Ok(LiveInput {
            kind: Kind::Stream(Box::new(input)),
        })
    }

    /// Opens an RTMP stream, `rtmp://` or `rtmps://`, as [`rtsp`](LiveInput::rtsp) does.
    pub fn rtmp(
        url: &str,
        options: &LiveOptions,
        pool: &FramePool,
        interrupt: &Interrupt,
    ) -> Result<LiveInput, LiveError> {
        let input = network::open(&network::RTMP, url, options, pool, interrupt)?;
        Ok(LiveInput {
            kind: Kind::Stream(Box::new(input)),
        })
    }

    /// Reads motion JPEG from a connection of the caller's. Nothing is read before [`read`](LiveInput::read).
    ///
    /// The reader says how it ended: `Ok(0)` is an end that was announced (between pictures it is a clean end, inside one
    /// the stream broke), an error is a connection that broke, `TimedOut` or `WouldBlock` that its own limit of time was
    /// reached. The interrupt is looked at whenever a read returns, so reads must not block for long, or be ended by
    /// whoever interrupts. Pictures may have 16 MiB; up to 16 KiB of headers may lie between them.
    pub fn mjpeg(
        reader: Box<dyn Read + Send>,
        kind: MjpegKind,
        options: &LiveOptions,
        pool: &FramePool,
        interrupt: &Interrupt,
    ) -> LiveInput {
        let input = MjpegInput::new(reader, kind, options, pool, interrupt);
        LiveInput {
            kind: Kind::Mjpeg(Box::new(input)),
        }
    }

    /// The next frame; `Ok(None)` when the source said that it ends; a connection that
    /// is cut is [`LiveError::Broken`]. Blocks until one is there, at most
    /// [`LiveOptions::read_timeout`] without any data. After an end or an error, every further call is `Ok(None)`.
    pub fn read(&mut self) -> Result<Option<LiveFrame>, LiveError> {
        match &mut self.kind {
            Kind::Stream(input) => input.read(),
            Kind::Mjpeg(input) => input.read(),
        }
    }

    /// What is known of the input; width and height are those of the last frame once there was one.
    pub fn info(&self) -> &LiveInfo {
        match &self.kind {
            Kind::Stream(input) => input.info(),
            Kind::Mjpeg(input) => input.info(),
        }
    }

    /// What was left out so far.
    pub fn stats(&self) -> LiveStats {
        match &self.kind {
            Kind::Stream(input) => LiveStats {
                damaged: input.damaged(),
                before_keyframe: input.unstarted(),
            },
            Kind::Mjpeg(input) => LiveStats {
                damaged: input.damaged(),
                before_keyframe: 0,
            },
        }
    }
}
