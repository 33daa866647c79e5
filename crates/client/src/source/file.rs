//! Video files as a source: options, and the checks before anything connects.
//! Not here: sending them (the session's upload thread) and fetching URLs.

use std::fs::File;
use std::path::{Path, PathBuf};

use framewire_protocol::signalling::redact_url;
use framewire_protocol::upload::UploadId;
use tempfile::TempPath;

use crate::error::{ConfigError, SourceError};
use crate::options::ClientOptions;

/// Called on the upload thread as (chunks handed to the channel, chunks in total).
pub(crate) type ProgressCallback = Box<dyn FnMut(u64, u64) + Send>;

/// Called as (bytes so far, bytes in total where the server said).
pub(crate) type DownloadCallback = Box<dyn FnMut(u64, Option<u64>) + Send>;

/// A video file, given by path or by `http`/`https` URL.
///
/// The file is checked, and a URL is downloaded, when the session starts and before it connects. The open file is
/// kept, so deleting or renaming it meanwhile does no harm; a file that gets shorter or longer ends the session with
/// [`SourceError::Changed`].
pub struct VideoFileSource {
    pub(crate) location: String,
    pub(crate) on_upload_progress: Option<ProgressCallback>,
    pub(crate) on_download_progress: Option<DownloadCallback>,
    pub(crate) realtime_processing: bool,
    pub(crate) track_frames: bool,
    pub(crate) use_cache: bool,
    pub(crate) upload_id: Option<UploadId>,
}

impl std::fmt::Debug for VideoFileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = if self.is_url() {
            redact_url(&self.location)
        } else {
            self.location.clone()
        };
        f.debug_struct("VideoFileSource")
            .field("location", &shown)
            .field("realtime_processing", &self.realtime_processing)
            .field("track_frames", &self.track_frames)
            .field("use_cache", &self.use_cache)
            .finish_non_exhaustive()
    }
}

impl VideoFileSource {
    /// A file in batch mode: every frame is processed and delivered. Does no I/O.
    ///
    /// Paths that are not UTF-8 are not supported.
    pub fn new(path_or_url: impl Into<String>) -> Self {
        VideoFileSource {
            location: path_or_url.into(),
            on_upload_progress: None,
            on_download_progress: None,
            realtime_processing: false,
            track_frames: false,
            use_cache: true,
            upload_id: None,
        }
    }

    /// Names the upload, so that another session of the same file, also in another process, goes on where this one was cut
    /// off: a framewire worker keeps an unfinished upload for two minutes. Default: a new name for each session. Originals do
    /// not know it and get the whole file.
    pub fn upload_id(mut self, id: UploadId) -> Self {
        self.upload_id = Some(id);
        self
    }

    /// Plays the file at its own speed and drops late frames (`true`), or processes every frame (`false`, default).
    pub fn realtime_processing(mut self, realtime: bool) -> Self {
        self.realtime_processing = realtime;
        self
    }

    /// Lets the pictures come back on a video track (`true`) or as JPEG inside the results (`false`, default). The track
    /// needs a fraction of the bytes and loses some quality; JPEG is the choice for a lossless channel.
    pub fn track_frames(mut self, track: bool) -> Self {
        self.track_frames = track;
        self
    }

    /// Keeps downloads for the next time (default). Without effect on paths.
    pub fn use_cache(mut self, use_cache: bool) -> Self {
        self.use_cache = use_cache;
        self
    }

    /// Reports the upload as (chunks handed to the channel, chunks in total), first `(1, n)`, last `(n, n)`.
    /// Runs on the upload thread: a slow callback slows the upload and nothing else.
    pub fn on_upload_progress(mut self, callback: impl FnMut(u64, u64) + Send + 'static) -> Self {
        self.on_upload_progress = Some(Box::new(callback));
        self
    }

    /// Reports the download of a URL as (bytes so far, bytes in total where the server said), about every 256 KiB and with
    /// the last byte. Not called for paths and for what is in the cache. Runs on a thread of the session, before it connects:
    /// a slow callback slows the download and delays closing, and may itself close the session.
    pub fn on_download_progress(
        mut self,
        callback: impl FnMut(u64, Option<u64>) + Send + 'static,
    ) -> Self {
        self.on_download_progress = Some(Box::new(callback));
        self
    }

    /// Whether the location is an `http`/`https` URL.
    pub fn is_url(&self) -> bool {
        let scheme = |name: &str| {
            self.location
                .get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        scheme("http://") || scheme("https://")
    }

    pub(crate) fn check(&self, options: &ClientOptions) -> Result<(), ConfigError> {
        if self.is_url() {
            options.url_policy.check(&self.location)?;
        }
        Ok(())
    }
}

/// An open, checked file of known size.
#[derive(Debug)]
pub(crate) struct PreparedFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    /// Deletes an uncached download when the session is over.
    pub(crate) _temporary: Option<TempPath>,
}

impl PreparedFile {
    /// Opens and checks a local file. Blocks on the disk; with feature `ffmpeg` the container is probed.
    pub(crate) fn open(
        path: &Path,
        temporary: Option<TempPath>,
        options: &ClientOptions,
    ) -> Result<Self, SourceError> {
        let unreadable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::Missing {
                path: path.to_owned(),
            },
            _ => SourceError::Unreadable {
                path: path.to_owned(),
                reason: error.to_string(),
            },
        };
        // Opening a pipe would block until somebody writes to it.
        let kind = std::fs::metadata(path).map_err(unreadable)?;
        if !kind.is_file() {
            let what = if kind.is_dir() {
                "it is a folder"
            } else {
                "it is not a regular file"
            };
            return Err(SourceError::Unreadable {
                path: path.to_owned(),
                reason: what.to_owned(),
            });
        }
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        if size == 0 {
            return Err(SourceError::Empty {
                path: path.to_owned(),
            });
        }
        if size.div_ceil(options.upload_chunk_size as u64) > u64::from(u32::MAX) {
            return Err(SourceError::TooLarge {
                path: path.to_owned(),
                size,
                chunk_size: options.upload_chunk_size,
            });
        }
        probe(path)?;
        Ok(PreparedFile {
            file,
            path: path.to_owned(),
            size,
            _temporary: temporary,
        })
    }
}

#[cfg(feature = "ffmpeg")]
fn probe(path: &Path) -> Result<(), SourceError> {
    match framewire_media::probe(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(SourceError::NotVideo {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

#[cfg(not(feature = "ffmpeg"))]
fn probe(_path: &Path) -> Result<(), SourceError> {
    // Without FFmpeg only the worker can tell.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> SourceError {
        PreparedFile::open(path, None, &ClientOptions::default()).unwrap_err()
    }

    #[test]
    fn unusable_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.mp4");
        std::fs::write(&empty, b"").unwrap();
        assert!(matches!(
            open(&dir.path().join("none.mp4")),
            SourceError::Missing { .. }
        ));
        assert!(matches!(open(&empty), SourceError::Empty { .. }));
        assert!(matches!(open(dir.path()), SourceError::Unreadable { .. }));
        assert!(matches!(
            open(&empty.join("below")),
            SourceError::Unreadable { .. }
        ));
    }

    #[cfg(feature = "ffmpeg")]
    #[test]
    fn text_is_not_video() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("notes.mp4");
        std::fs::write(&text, "not a video\n".repeat(500)).unwrap();
        assert!(matches!(open(&text), SourceError::NotVideo { .. }));
    }

    #[test]
    fn schemes_are_case_insensitive_and_debug_hides_credentials() {
        let source = VideoFileSource::new("HTTPS://user:secret@example.com/a.mp4?key=secret");
        assert!(source.is_url());
        assert!(!format!("{source:?}").contains("secret"));
        assert!(!VideoFileSource::new("videos/http.mp4").is_url());
    }
}
