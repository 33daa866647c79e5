//! What is streamed. Today: video files, local or fetched from a URL.
//! Live sources will be further variants of [`Source`]; sessions only see the prepared form of each.

mod download;
mod file;
mod policy;

pub(crate) use download::fetch;
pub use file::VideoFileSource;
pub(crate) use file::{PreparedFile, ProgressCallback};
pub use policy::UrlPolicy;
pub(crate) use policy::is_global;

/// A source of video.
#[derive(Debug)]
#[non_exhaustive]
pub enum Source {
    /// A file that is uploaded before it is processed.
    File(VideoFileSource),
}

impl From<VideoFileSource> for Source {
    fn from(file: VideoFileSource) -> Self {
        Source::File(file)
    }
}
