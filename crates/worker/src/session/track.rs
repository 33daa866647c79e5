//! The source stage of a client's video track: takes encoded frames as they complete, decodes every one, hands over what
//! is still worth a look.
//! Not the network's part: order, repair and the bound on what waits undecoded are the transport's.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use framewire_media::{FramePool, TimeBase, Timing, VideoCodec, VideoDecodeError, VideoDecoder};
use framewire_transport::{IncomingFrame, RecvError, VideoTrack};

use super::control::Control;
use super::count::{Counts, DropReason};
use super::queue::Handoff;
use super::source::{SourceFacts, SourceFrame, Stamps, Unrolled};

/// How often a silent track looks whether its session still runs.
const LOOK: Duration = Duration::from_secs(1);

/// One thread of a session.
pub(crate) struct TrackDecode {
    pub(crate) track: VideoTrack,
    pub(crate) realtime: bool,
    pub(crate) declared_fps: Option<f64>,
    pub(crate) facts: Arc<OnceLock<SourceFacts>>,
    pub(crate) frames: Handoff<SourceFrame>,
    pub(crate) control: Arc<Control>,
    pub(crate) error: Arc<Mutex<Option<String>>>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) pool: FramePool,
    /// Time to the first frame that can be decoded.
    pub(crate) first_frame: Duration,
    /// Age over which a frame is skipped while a newer one waits.
    pub(crate) max_age: Duration,
}

/// What the decoder stands on.
#[derive(Default)]
struct State {
    decoder: Option<VideoDecoder>,
    line: Unrolled,
    /// Taken from the track to see whether anything newer waits.
    next: Option<IncomingFrame>,
    decoded: u64,
    arrived: u64,
    last_error: Option<VideoDecodeError>,
}

impl TrackDecode {
    /// Runs until the track ends or the session stops. Silence is no end once a frame came.
    pub(crate) fn run(self) {
        let _ = self.facts.set(SourceFacts {
            declared_fps: self.declared_fps,
            total_frames: None,
        }); // set once, here
        let limit = Instant::now() + self.first_frame;
        let mut state = State::default();
        while !self.control.is_stopped() {
            let incoming = match self.take(&mut state, limit) {
                Ok(Some(incoming)) => incoming,
                Ok(None) => continue,
                Err(RecvError::Timeout) => return self.report(self.nothing_came(&state)),
                Err(_) => return self.outlast(),
            };
            state.arrived += 1;
            self.counts.received();
            match self.decode(&mut state, incoming) {
                Ok(Some(frame)) => {
                    state.decoded += 1;
                    if self.realtime && self.is_superseded(&mut state, &frame) {
                        self.counts.dropped(DropReason::Stale);
                        continue;
                    }
                    let handed = self.frames.push(frame);
                    self.counts.handed(handed);
                    if handed.is_closed() {
                        return;
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    return self.report(format!("the client's video cannot be decoded: {error}"));
                }
            }
        }
    }

    fn take(&self, state: &mut State, limit: Instant) -> Result<Option<IncomingFrame>, RecvError> {
        if let Some(next) = state.next.take() {
            return Ok(Some(next));
        }
        let now = Instant::now();
        if state.decoded == 0 && now >= limit {
            return Err(RecvError::Timeout);
        }
        let until = if state.decoded == 0 {
            limit.min(now + LOOK)
        } else {
            now + LOOK
        };
        match self.track.recv_deadline(until) {
            Ok(incoming) => Ok(Some(incoming)),
            Err(RecvError::Timeout) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `Ok(None)`: no picture, and a keyframe was asked for. `Err`: there never will be one.
    fn decode(
        &self,
        state: &mut State,
        incoming: IncomingFrame,
    ) -> Result<Option<SourceFrame>, VideoDecodeError> {
        let begun = Instant::now();
        let ticks = state.line.ticks(incoming.rtp_time);
        let codec = media_codec(incoming.codec);
        let decoder = match &mut state.decoder {
            Some(decoder) if decoder.codec() == codec => decoder,
            other => other.insert(VideoDecoder::new(codec, self.pool.clone())?),
        };
        if !incoming.contiguous && !incoming.keyframe {
            decoder.reset();
            self.undecodable();
            return Ok(None);
        }
        let timing = Timing::new(ticks, TimeBase::RTP_VIDEO);
        let frame = match decoder.decode(&incoming.data, timing) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(None),
            Err(error @ (VideoDecodeError::NoDecoder { .. } | VideoDecodeError::Open { .. })) => {
                return Err(error);
            }
            Err(error) => {
                tracing::debug!(%error, rtp_time = incoming.rtp_time, "a frame of the client's track gave no picture");
                state.last_error = Some(error);
                self.undecodable();
                return Ok(None);
            }
        };
        let ready = Instant::now();
        self.counts.decoded();
        Ok(Some(SourceFrame {
            frame,
            rtp_time: Some(incoming.rtp_time),
            stamps: Stamps {
                received: incoming.completed,
                waited: begun.saturating_duration_since(incoming.completed),
                decode: Some(ready - begun),
                ready,
            },
        }))
    }

    fn undecodable(&self) {
        self.counts.dropped(DropReason::Undecodable);
        self.track.request_keyframe();
    }

    /// Old, and a newer one is here already: running the workflow on it would only make that one old too.
    fn is_superseded(&self, state: &mut State, frame: &SourceFrame) -> bool {
        if frame.stamps.received.elapsed() <= self.max_age {
            return false;
        }
        if state.next.is_none() {
            state.next = self.track.try_recv().ok().flatten();
        }
        state.next.is_some()
    }

    fn nothing_came(&self, state: &State) -> String {
        let limit = self.first_frame;
        match (&state.last_error, state.arrived) {
            (_, 0) => format!("no video frame came on the client's track within {limit:?}"),
            (None, arrived) => format!(
                "{arrived} frames came on the client's track within {limit:?}, but no keyframe to start with"
            ),
            (Some(error), arrived) => format!(
                "{arrived} frames came on the client's track within {limit:?}, but none could be decoded: {error}"
            ),
        }
    }

    /// A track ends with its connection, and the connection says why: ending here first would pass for a source that is done.
    fn outlast(&self) {
        while self.control.wait_until(Instant::now() + LOOK) {}
    }

    fn report(&self, text: String) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

/// The decoder for what the transport negotiated.
pub(crate) fn media_codec(codec: framewire_transport::VideoCodec) -> VideoCodec {
    match codec {
        framewire_transport::VideoCodec::Vp8 => VideoCodec::Vp8,
        framewire_transport::VideoCodec::H264 => VideoCodec::H264,
    }
}
