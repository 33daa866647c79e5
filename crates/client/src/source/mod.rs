//! What is streamed: files, cameras, streams read here or by the worker, frames pushed from code.
//! Not here: reading and sending; sessions only see the prepared form of each.

mod ahead;
mod buffers;
mod camera;
mod custom;
mod download;
mod file;
mod manual;
mod policy;
mod progress;
mod reading;
mod stream;

pub(crate) use ahead::{Ahead, Read, Reading};
pub use camera::{CameraDevice, WebcamSource};
pub use custom::CustomSource;
pub(crate) use download::fetch;
pub use file::VideoFileSource;
pub(crate) use file::{DownloadCallback, PreparedFile, ProgressCallback};
pub use manual::{FrameSender, ManualSource, SendFrameError};
pub use policy::UrlPolicy;
use reading::{check_size, read_at};
pub use stream::{LocalStreamSource, MjpegSource, RtspSource};

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::ConfigError;
use crate::options::ClientOptions;
use crate::session::FrameSlot;

/// A source of video.
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {
    /// A file that is uploaded before it is processed.
    File(VideoFileSource),
    /// A camera of this machine.
    Camera(WebcamSource),
    /// A stream that this machine reads.
    LocalStream(LocalStreamSource),
    /// An RTSP stream that the worker reads.
    Rtsp(RtspSource),
    /// An MJPEG stream that the worker reads.
    Mjpeg(MjpegSource),
    /// Frames pushed from code.
    Manual(ManualSource),
    /// A source of your own.
    Custom(CustomSource),
}

macro_rules! from_each {
    ($($variant:ident: $source:ty),* $(,)?) => {
        $(impl From<$source> for Source {
            fn from(source: $source) -> Self {
                Source::$variant(source)
            }
        })*
    };
}

from_each! {
    File: VideoFileSource,
    Camera: WebcamSource,
    LocalStream: LocalStreamSource,
    Rtsp: RtspSource,
    Mjpeg: MjpegSource,
    Manual: ManualSource,
    Custom: CustomSource,
}

/// How the pictures of a session travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Media {
    /// Whether this side sends a track.
    pub(crate) sends: bool,
    /// Whether processed pictures come on a track (`true`) or inside the results.
    pub(crate) receives: bool,
}

impl Media {
    pub(crate) fn uses_track(self) -> bool {
        self.sends || self.receives
    }
}

impl Source {
    /// A source of your own and, if it sends, the handle for its frames; short for [`CustomSource`].
    pub fn custom(sends: bool, receives: bool) -> (Source, Option<FrameSender>) {
        let source = CustomSource::new(sends, receives);
        let sender = source.sender();
        (source.into(), sender)
    }

    /// Refuses what can be told to be unusable without I/O.
    pub(crate) fn check(&self, options: &ClientOptions) -> Result<(), ConfigError> {
        match self {
            Source::File(file) => file.check(options)?,
            Source::Camera(camera) => camera.check()?,
            _ => {}
        }
        if self.media().uses_track() && !cfg!(feature = "ffmpeg") {
            return Err(ConfigError::Source {
                reason: "video tracks need this library's feature `ffmpeg`".into(),
            });
        }
        Ok(())
    }

    pub(crate) fn media(&self) -> Media {
        let (sends, receives) = match self {
            Source::File(file) => (false, file.track_frames),
            Source::Camera(_) | Source::LocalStream(_) | Source::Manual(_) => (true, true),
            Source::Rtsp(_) | Source::Mjpeg(_) => (false, true),
            Source::Custom(custom) => (custom.sends, custom.receives),
        };
        Media { sends, receives }
    }

    /// Whether a file goes up first.
    pub(crate) fn uploads(&self) -> bool {
        matches!(self, Source::File(_))
    }

    /// Where frames of this side wait for the encoder; a fresh place unless code pushes them.
    pub(crate) fn slot(&self) -> Arc<FrameSlot> {
        match self {
            Source::Manual(manual) => manual.slot.clone(),
            Source::Custom(custom) => custom.slot.clone(),
            _ => Arc::default(),
        }
    }

    /// The flag that is sent: a file decides itself, everything else follows the configuration.
    pub(crate) fn realtime(&self, configured: bool) -> bool {
        match self {
            Source::File(file) => file.realtime_processing,
            _ => configured,
        }
    }

    /// What the source adds to the request, replacing fields of the same name.
    pub(crate) fn request_fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut add = |name: &str, value: Value| {
            fields.insert(name.to_owned(), value);
        };
        match self {
            Source::File(_) => add("video_file_upload", true.into()),
            Source::Rtsp(source) => add("rtsp_url", source.url.secret().into()),
            Source::Mjpeg(source) => add("mjpeg_url", source.url.secret().into()),
            Source::Manual(_) => add("manual_mode", true.into()),
            Source::Camera(_) | Source::LocalStream(_) | Source::Custom(_) => {}
        }
        fields
    }
}
