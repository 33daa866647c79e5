//! Why a video cannot be opened, and why its frames ended early.
//! Not FFmpeg's error numbers: only what a reader can act on.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::limits::FrameError;

/// Why a video file cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such file.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is a folder, a device or a pipe.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file exists but may not or cannot be read.
    #[error("{} cannot be read: check its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file has no bytes.
    #[error("{} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is cut off before the part that is needed to read it.
    #[error(
        "{} is incomplete: it announces {announced} bytes and has {actual}; copy or record it again",
        path.display()
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Bytes its headers announce, at least.
        announced: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// FFmpeg knows no such kind of file, or its headers are damaged.
    #[error("{} is not a video file FFmpeg can read: {reason}", path.display())]
    NotVideo {
        /// The file.
        path: PathBuf,
        /// What FFmpeg said.
        reason: String,
    },
    /// The file holds no moving picture, only sound for example.
    #[error("{} holds no video, only {holds}", path.display())]
    NoVideo {
        /// The file.
        path: PathBuf,
        /// What it holds instead.
        holds: String,
    },
    /// The video is in an encoding this FFmpeg cannot decode.
    #[error("{} holds {codec} video, which the FFmpeg in use cannot decode: {reason}", path.display())]
    Codec {
        /// The file.
        path: PathBuf,
        /// The encoding's name.
        codec: String,
        /// What FFmpeg said.
        reason: String,
    },
    /// The pictures are over the size limit.
    #[error("{} holds {width}x{height} pictures, over the limit of {limit} pixels", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Width stated.
        width: u32,
        /// Height stated.
        height: u32,
        /// Pixels allowed.
        limit: u64,
    },
}

/// Why the frames of a video ended other than at its end. `frames` is how many were handed out before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file is shorter than its headers say.
    #[error(
        "the video is cut off after {frames} frames: it announces {announced} bytes and has {actual}"
    )]
    Truncated {
        /// Frames handed out.
        frames: u64,
        /// Bytes announced, at least.
        announced: u64,
        /// Bytes there are.
        actual: u64,
    },
    /// Parts of the video could not be decoded and were left out; everything else was handed out.
    #[error(
        "{damaged} parts of the video are damaged and were left out{}; {frames} frames were decoded ({reason})",
        after(*after_millis)
    )]
    Damaged {
        /// Frames handed out.
        frames: u64,
        /// Packets or pictures left out.
        damaged: u64,
        /// Time of the last good frame before the first damage, in milliseconds.
        after_millis: Option<u64>,
        /// What FFmpeg said about the first.
        reason: String,
    },
    /// The container could not be read further.
    #[error("the video cannot be read beyond frame {frames}: {reason}")]
    Read {
        /// Frames handed out.
        frames: u64,
        /// What FFmpeg said.
        reason: String,
    },
    /// Not one frame could be decoded.
    #[error("the video holds no frame that can be decoded: {reason}")]
    NoFrames {
        /// What FFmpeg said first.
        reason: String,
    },
    /// A picture is in a pixel format that cannot be converted.
    #[error("the picture after frame {frames} cannot be converted: {reason}")]
    Convert {
        /// Frames handed out.
        frames: u64,
        /// Why.
        reason: String,
    },
    /// A picture is too large or the pool has no room for it.
    #[error("the picture after frame {frames} cannot be handed out")]
    Frame {
        /// Frames handed out.
        frames: u64,
        /// Why.
        source: FrameError,
    },
}

fn after(millis: Option<u64>) -> String {
    millis
        .map(|millis| format!(", the first after {}.{:03} s", millis / 1000, millis % 1000))
        .unwrap_or_default()
}
