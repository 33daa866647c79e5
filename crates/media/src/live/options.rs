//! Limits of live inputs.
//! Not what a camera is asked for: that is `CameraOptions`.

use std::time::Duration;

use crate::codec::MAX_LIVE_PIXELS;
use crate::limits::MAX_PIXELS;

/// How long a live input may take and how large its pictures may be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LiveOptions {
    /// From the call to the first data of the video. Default 5 s.
    pub open_timeout: Duration,
    /// Longest silence between two pieces of data. Default 5 s.
    pub read_timeout: Duration,
    /// Longest wait for a picture while data keeps coming: a stream joined in the middle shows nothing before its next
    /// keyframe, and cameras are set to as much as 10 s between them. Default 15 s.
    pub picture_timeout: Duration,
    /// Largest picture in pixels, at most [`MAX_PIXELS`]. Default [`MAX_LIVE_PIXELS`]: FFmpeg holds up to 17 pictures of a
    /// stream in memory of its own.
    pub max_pixels: u64,
}

impl Default for LiveOptions {
    fn default() -> Self {
        LiveOptions {
            open_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(5),
            picture_timeout: Duration::from_secs(15),
            max_pixels: MAX_LIVE_PIXELS,
        }
    }
}

impl LiveOptions {
    /// Sets [`open_timeout`](Self::open_timeout).
    pub fn with_open_timeout(mut self, limit: Duration) -> Self {
        self.open_timeout = limit;
        self
    }

    /// Sets [`read_timeout`](Self::read_timeout).
    pub fn with_read_timeout(mut self, limit: Duration) -> Self {
        self.read_timeout = limit;
        self
    }

    /// Sets [`picture_timeout`](Self::picture_timeout).
    pub fn with_picture_timeout(mut self, limit: Duration) -> Self {
        self.picture_timeout = limit;
        self
    }

    /// Sets [`max_pixels`](Self::max_pixels).
    pub fn with_max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = pixels.min(MAX_PIXELS);
        self
    }
}
