//! The encoding stage: processed frames into the track of the answer, one thread for each track.
//! Not the choice of frames (`stream`) and not the network: a frame that would leave late is not even encoded.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use framewire_media::{EncoderOptions, Frame, VideoEncoder};
use framewire_transport::{OutgoingFrame, VideoCodec, VideoSendError, VideoTrack};

use super::control::Control;
use super::count::{Counts, Stage, VideoDropReason};
use super::process::KEEPS_UP;
use super::queue::Handoff;
use super::source::SourceFacts;
use super::track::media_codec;

/// How often a wait for the network looks whether its session still runs.
const STOP_LOOK: Duration = Duration::from_millis(500);
/// How often the transport is asked whether the last frames have left.
const SENT_LOOK: Duration = Duration::from_millis(5);
/// Longest wait for the last frames to leave before the session says that it is done.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Failures of one session in the log; the rest is only counted.
const LOGGED_FAILURES: u64 = 5;

/// A frame to send.
#[derive(Debug)]
pub(crate) struct StreamFrame {
    pub(crate) frame: Frame,
    pub(crate) rtp_time: u32,
    /// When the source's frame was complete at the worker.
    pub(crate) received: Instant,
}

/// One thread of a session.
pub(crate) struct Encode {
    pub(crate) frames: Handoff<StreamFrame>,
    pub(crate) track: VideoTrack,
    pub(crate) codec: VideoCodec,
    pub(crate) realtime: bool,
    /// The declared rate is a hint for the encoder's rate control.
    pub(crate) facts: Arc<OnceLock<SourceFacts>>,
    pub(crate) control: Arc<Control>,
    pub(crate) counts: Arc<Counts>,
}

impl Encode {
    /// Runs until the frames end or nobody can receive any more.
    pub(crate) fn run(self) {
        let mut encoder = None;
        let mut keyframe = true;
        let mut failures = 0;
        let mut keeps_up = true;
        while let Some(next) = self.next(keeps_up) {
            let begun = Instant::now();
            if !self.has_room() {
                if self.control.is_stopped() {
                    return;
                }
                self.counts.not_streamed(VideoDropReason::NoRoom);
                continue;
            }
            if self.track.take_keyframe_request() {
                self.counts.keyframe_requested();
                keyframe = true;
            }
            match self.one(&mut encoder, &next, keyframe) {
                Ok(()) => keyframe = false,
                Err(Failure::Over) => return,
                Err(Failure::Lost(reason, text)) => {
                    // Whatever was lost, the peer's decoder never saw it.
                    keyframe = true;
                    self.counts.not_streamed(reason);
                    failures += 1;
                    if failures <= LOGGED_FAILURES {
                        tracing::warn!(
                            rtp_time = next.rtp_time,
                            "a frame was not sent on the track: {text}"
                        );
                    }
                }
            }
            keeps_up = begun.elapsed() <= KEEPS_UP;
        }
        self.wait_sent();
    }

    /// The next picture. Of a burst, an encoder that keeps up takes each, a slower one the newest.
    fn next(&self, keeps_up: bool) -> Option<StreamFrame> {
        if keeps_up || !self.realtime {
            return self.frames.pop();
        }
        let (next, passed) = self.frames.pop_newest()?;
        for _ in 0..passed {
            self.counts.not_streamed(VideoDropReason::SlowEncoder);
        }
        Some(next)
    }

    fn one(
        &self,
        encoder: &mut Option<VideoEncoder>,
        next: &StreamFrame,
        keyframe: bool,
    ) -> Result<(), Failure> {
        let bitrate = self.track.target_bitrate();
        let encode_failed = |error: &dyn std::fmt::Display| {
            Failure::Lost(VideoDropReason::EncodeFailed, error.to_string())
        };
        let encoder = match encoder {
            Some(encoder) => encoder,
            empty => {
                let fps = self.facts.get().and_then(|facts| facts.declared_fps);
                let fps = fps.filter(|fps| fps.is_finite() && *fps >= 1.0);
                let options = EncoderOptions::new(media_codec(self.codec))
                    .with_bitrate(bitrate)
                    // In range by the filter and the encoder's own bound.
                    .with_fps(fps.map_or(30, |fps| fps.round().min(240.0) as u32));
                empty.insert(VideoEncoder::new(options).map_err(|error| encode_failed(&error))?)
            }
        };
        encoder.set_bitrate(bitrate);
        let begun = Instant::now();
        let encoded = encoder
            .encode(&next.frame, keyframe)
            .map_err(|error| encode_failed(&error))?;
        let Some(encoded) = encoded else {
            return Ok(());
        };
        let done = Instant::now();
        self.counts.stage(Stage::Encode, done - begun);
        let sent = self.track.send(OutgoingFrame {
            codec: self.codec,
            data: encoded.data.into(),
            rtp_time: next.rtp_time,
            captured: next.received,
        });
        match sent {
            Ok(()) => {
                self.counts
                    .stage(Stage::Total, done.saturating_duration_since(next.received));
                self.counts.streamed(encoded.keyframe);
                Ok(())
            }
            Err(error @ (VideoSendError::Congested | VideoSendError::NotConnected)) => {
                Err(Failure::Lost(VideoDropReason::NoRoom, error.to_string()))
            }
            Err(_) => Err(Failure::Over),
        }
    }

    /// Whether this frame should be encoded now. A live one is skipped when it would leave late, one of a batch waits.
    fn has_room(&self) -> bool {
        if self.realtime {
            return self.track.has_room();
        }
        loop {
            let until = Instant::now() + STOP_LOOK;
            if self.track.wait_room(until) {
                return true;
            }
            // Before the deadline it says no only when the connection has ended.
            if self.control.is_stopped() || Instant::now() < until {
                return false;
            }
        }
    }

    /// The completion message must not overtake the last frames.
    fn wait_sent(&self) {
        let limit = Instant::now() + LAST_WORDS;
        while self.track.stats().unsent_bytes > 0 && Instant::now() < limit {
            if !self.control.wait_until(Instant::now() + SENT_LOOK) {
                return;
            }
        }
    }
}

/// Why a frame was not sent.
enum Failure {
    /// This one only.
    Lost(VideoDropReason, String),
    /// No further one will be either.
    Over,
}
