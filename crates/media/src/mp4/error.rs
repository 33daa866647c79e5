//! Why an mp4 file could not be written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::resize::ResizeError;

/// Why an mp4 file could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Mp4Error {
    /// The target is a folder.
    #[error("{} is a folder, a file name is needed", path.display())]
    IsAFolder {
        /// The target.
        path: PathBuf,
    },
    /// The target has no file name.
    #[error("{} names no file", path.display())]
    NoFileName {
        /// The target.
        path: PathBuf,
    },
    /// The file cannot be created or renamed: no such folder, no permission.
    #[error("{} cannot be written: check that its folder exists and may be written to", path.display())]
    Create {
        /// The target.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// This FFmpeg cannot encode H.264.
    #[error("the FFmpeg in use has no H.264 encoder (libx264)")]
    NoEncoder,
    /// No room is left where the file is written.
    #[error("there is no room left to write {}", path.display())]
    DiskFull {
        /// The target.
        path: PathBuf,
    },
    /// Encoding or writing failed.
    #[error("{} cannot be written: {reason}", path.display())]
    Encode {
        /// The target.
        path: PathBuf,
        /// What FFmpeg said.
        reason: String,
    },
    /// A frame could not be converted.
    #[error("a frame for {} cannot be converted", path.display())]
    Frame {
        /// The target.
        path: PathBuf,
        /// Why.
        source: ResizeError,
    },
    /// No frame was written, so there is no video.
    #[error("no frame was written to {}, so there is no video", path.display())]
    NoFrames {
        /// The target.
        path: PathBuf,
    },
    /// The writer has finished or failed before.
    #[error("{} is finished or was given up after an earlier error", path.display())]
    Closed {
        /// The target.
        path: PathBuf,
    },
}
