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
    /// Longest time without upload progress; default 60 s.
    pub uploading: Duration,
    /// First result after everything was sent (`WEBRTC_INITIAL_FRAME_TIMEOUT`); default 90 s.
    pub first_result: Duration,
}

impl Default for StepLimits {
    fn default() -> Self {
        StepLimits {
            gathering: Duration::from_secs(10),
            signalling: Duration::from_secs(90),
            connecting: Duration::from_secs(30),
            opening: Duration::from_secs(30),
            uploading: Duration::from_secs(60),
            first_result: Duration::from_secs(90),
        }
    }
}

impl StepLimits {
    /// Sets the limit of one step; steps without one (streaming) ignore it.
    #[must_use]
    pub fn with(mut self, step: Step, limit: Duration) -> Self {
        match step {
            Step::Gathering => self.gathering = limit,
            Step::Signalling => self.signalling = limit,
            Step::Connecting => self.connecting = limit,
            Step::Opening => self.opening = limit,
            Step::Uploading => self.uploading = limit,
            Step::FirstResult => self.first_result = limit,
            Step::Streaming => {}
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
            Step::Uploading => Some(self.uploading),
            Step::FirstResult => Some(self.first_result),
            Step::Streaming => None,
        }
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
    /// Whether a file goes up on `video_upload` first.
    pub uploads: bool,
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
            uploads: false,
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
        self.uploads = true;
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
