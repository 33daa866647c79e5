//! Errors of the video: unusable files, refused or failed downloads, changes while it is sent.
//! Not here: the rules for URLs themselves.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::UrlPolicyError;

/// The video cannot be used. Found before anything connects, except for the last two variants.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no such file.
    #[error("{} does not exist", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{} cannot be read: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file has no bytes.
    #[error("{} is empty", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// No video can be decoded from it.
    #[error("{} is not a video that can be decoded: {reason}", .path.display())]
    NotVideo {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// The file needs more chunks than the wire can number.
    #[error("{} is too large: {size} bytes need more than {} chunks of {chunk_size} bytes", .path.display(), u32::MAX)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// Bytes per chunk.
        chunk_size: usize,
    },
    /// The URL is refused by the URL rules.
    #[error(transparent)]
    Url(#[from] UrlPolicyError),
    /// Fetching the video failed.
    #[error("downloading {url} failed: {reason}")]
    Download {
        /// The address without credentials.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The server of the video refused.
    #[error("downloading {url} failed: the server answered HTTP {status}")]
    DownloadStatus {
        /// The address without credentials.
        url: String,
        /// The status.
        status: u16,
    },
    /// The download is larger than allowed.
    #[error(
        "{url} is larger than the {limit} bytes a download may have (option max_download_bytes)"
    )]
    DownloadTooLarge {
        /// The address without credentials.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// Fewer bytes arrived than announced.
    #[error("downloading {url} ended after {received} of {announced} bytes")]
    DownloadIncomplete {
        /// The address without credentials.
        url: String,
        /// Bytes that arrived.
        received: u64,
        /// Bytes announced.
        announced: u64,
    },
    /// The download did not finish in time.
    #[error("downloading {url} did not finish within {} s", .limit.as_secs_f64())]
    DownloadTimeout {
        /// The address without credentials.
        url: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The cache or temporary folder cannot be written.
    #[error("cannot store the download in {}: {reason}", .path.display())]
    Cache {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A camera or stream of this side cannot be opened.
    #[error("{reason}")]
    Live {
        /// What was tried and what came back, without credentials.
        reason: String,
    },
    /// A camera or stream of this side failed while it was sent, and could not be opened again in time.
    #[error("the source failed in mid-stream: {reason}")]
    Broken {
        /// What happened, without credentials.
        reason: String,
    },
    /// The file changed while it was being sent.
    #[error("{} changed while it was uploaded: {}", .path.display(), change(*.expected, *.found))]
    Changed {
        /// The file.
        path: PathBuf,
        /// Size at the start.
        expected: u64,
        /// What is there now.
        found: u64,
    },
}

fn change(expected: u64, found: u64) -> String {
    if expected == found {
        return "it was written to since the session started".into();
    }
    format!("it had {expected} bytes and now ends at {found}")
}
