//! What a client session is told before it starts: effective flags and time limits.
//! It is not the user's configuration; that is resolved by the client first.

use std::time::Duration;

use crate::session::Step;

/// How long each step may take. Every wait of a session ends by one of these or by the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepLimits {
    /// Offer with all candidates; default 10 s.
    pub gathering: Duration,
    /// HTTP request and answer; default 90 s.
    pub signalling: Duration,
    /// ICE and DTLS; default 30 s.
    pub connecting: Duration,
    /// Data channels; default 30 s.
    pub opening: Duration,
    /// What the worker has of the file; default 15 s.
    pub announcing: Duration,
    /// Longest time without upload progress; default 60 s.
    pub uploading: Duration,
    /// The worker's word that the file is right, once it was sent; default 60 s.
    pub verifying: Duration,
    /// First result or frame after the file, or the first frame of our own track, was sent, or after the connection (`WEBRTC_INITIAL_FRAME_TIMEOUT`); default 90 s.
    pub first_result: Duration,
}

impl Default for StepLimits {
    fn default() -> Self {
        StepLimits {
            gathering: Duration::from_secs(10),
            signalling: Duration::from_secs(90),
            connecting: Duration::from_secs(30),
            opening: Duration::from_secs(30),
            announcing: Duration::from_secs(15),
            uploading: Duration::from_secs(60),
            verifying: Duration::from_secs(60),
            first_result: Duration::from_secs(90),
        }
    }
}

impl StepLimits {
    /// Sets the limit of one step; steps without one (sending, streaming) ignore it.
    #[must_use]
    pub fn with(mut self, step: Step, limit: Duration) -> Self {
        match step {
            Step::Gathering => self.gathering = limit,
            Step::Signalling => self.signalling = limit,
            Step::Connecting => self.connecting = limit,
            Step::Opening => self.opening = limit,
            Step::Announcing => self.announcing = limit,
            Step::Uploading => self.uploading = limit,
            Step::Verifying => self.verifying = limit,
            Step::FirstResult => self.first_result = limit,
            Step::Sending | Step::Streaming => {}
        }
        self
    }

    /// The limit of a step.
    pub fn of(&self, step: Step) -> Option<Duration> {
        match step {
            Step::Gathering => Some(self.gathering),
            Step::Signalling => Some(self.signalling),
            Step::Connecting => Some(self.connecting),
            Step::Opening => Some(self.opening),
            Step::Announcing => Some(self.announcing),
            Step::Uploading => Some(self.uploading),
            Step::Verifying => Some(self.verifying),
            Step::FirstResult => Some(self.first_result),
            Step::Sending | Step::Streaming => None,
        }
    }
}

/// Where the frames of a session come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SessionSource {
    /// The worker has them once the connection is up: it reads a stream itself.
    #[default]
    Remote,
    /// A file that goes up on `video_upload` first.
    Upload,
    /// A video track of ours: cameras, streams pulled here, frames pushed by the user.
    Track,
}

/// How long results of what was sent are still waited for after our own source ended. Nobody says which result is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainLimits {
    /// Over when nothing came for this long; default 500 ms, 5 s in batch processing.
    pub quiet: Duration,
    /// Over at the latest after this; default 2 s, 60 s in batch processing.
    pub total: Duration,
}

impl DrainLimits {
    /// These limits.
    pub fn new(quiet: Duration, total: Duration) -> Self {
        DrainLimits { quiet, total }
    }
}

/// Settings of a [`Session`](crate::session::Session).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
    /// The flag that was *sent* as `webrtc_realtime_processing`. When false, every frame is acknowledged, from the first
    /// message on, and none is dropped.
    pub realtime: bool,
    /// When frames travel on the data channel: the user's `stream_output`, in order. Empty when they do not.
    pub frame_outputs: Vec<String>,
    /// Where frames come from.
    pub source: SessionSource,
    /// Whether processed frames come on a video track.
    pub track_frames: bool,
    /// How a session ends after its own source did.
    pub drain: DrainLimits,
    /// Step limits.
    pub limits: StepLimits,
    /// Silence after which the peer is lost; 30 s, or 15 s between two ends of ours.
    pub lost_after: Duration,
}

impl SessionConfig {
    /// Defaults for a session whose request said `webrtc_realtime_processing: realtime`.
    pub fn new(realtime: bool) -> Self {
        SessionConfig {
            realtime,
            frame_outputs: Vec::new(),
            source: SessionSource::Remote,
            track_frames: false,
            drain: if realtime {
                DrainLimits::new(Duration::from_millis(500), Duration::from_secs(2))
            } else {
                DrainLimits::new(Duration::from_secs(5), Duration::from_secs(60))
            },
            limits: StepLimits::default(),
            lost_after: Duration::from_secs(30),
        }
    }

    /// Frames travel on the data channel, under the first of these names that a message has.
    #[must_use]
    pub fn with_frame_outputs(mut self, names: Vec<String>) -> Self {
        self.frame_outputs = names.into_iter().filter(|name| !name.is_empty()).collect();
        self
    }

    /// A file is uploaded before results can come.
    #[must_use]
    pub fn with_upload(mut self) -> Self {
        self.source = SessionSource::Upload;
        self
    }

    /// Frames come from a track of ours: the first result is waited for from the first frame sent on.
    #[must_use]
    pub fn with_track_source(mut self) -> Self {
        self.source = SessionSource::Track;
        self
    }

    /// Processed frames come on a video track; see [`Session::track_frame`](crate::session::Session::track_frame).
    #[must_use]
    pub fn with_track_frames(mut self) -> Self {
        self.track_frames = true;
        self
    }

    /// Replaces how long results are waited for after our own source ended.
    #[must_use]
    pub fn with_drain(mut self, drain: DrainLimits) -> Self {
        self.drain = drain;
        self
    }

    /// Replaces the step limits.
    #[must_use]
    pub fn with_limits(mut self, limits: StepLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the silence after which the peer is lost.
    #[must_use]
    pub fn with_lost_after(mut self, lost_after: Duration) -> Self {
        self.lost_after = lost_after;
        self
    }
}
