//! The handle of a peer's video section: sending and receiving encoded frames, steering the encoder.
//! Nothing here touches the network; the driver moves frames in and out of the queues.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::incoming::FrameQueue;
use super::outgoing::{FrameSender, Life};
use super::stats::VideoCounters;
use super::{
    BitrateLimits, Direction, IncomingFrame, OutgoingFrame, VideoCodec, VideoConfig, VideoStats,
};
use crate::error::RecvError;
use crate::shared::PeerShared;
use crate::stats::add;

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VideoSendError {
    /// The negotiation gave us nothing to send, or not with this codec.
    #[error("the peer takes no video from us, or none with this codec")]
    NotSending,
    /// The connection is not up yet.
    #[error("the connection is not up yet")]
    NotConnected,
    /// Too much is waiting already. The frame is lost, so the next one must be a keyframe.
    #[error("too much is waiting to be sent; the next frame must be a keyframe")]
    Congested,
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
}

/// What the driver and the handles of a track share.
#[derive(Debug)]
pub(crate) struct TrackShared {
    pub(crate) direction: Direction,
    pub(crate) codecs: Vec<VideoCodec>,
    pub(crate) limits: BitrateLimits,
    pub(crate) outgoing: FrameSender,
    pub(crate) incoming: FrameQueue,
    pub(crate) counters: VideoCounters,
    /// The peer wants a keyframe of us.
    keyframe_wanted: AtomicBool,
    /// The user wants a keyframe of the peer.
    keyframe_asked: AtomicBool,
    pub(crate) target: AtomicU32,
    /// 0 when never said.
    pub(crate) remb_received: AtomicU32,
    pub(crate) remb_sent: AtomicU32,
    pub(crate) twcc_estimate: AtomicU32,
    pub(crate) rtt_us: AtomicU64,
}

impl TrackShared {
    pub(crate) fn new(
        config: &VideoConfig,
        direction: Direction,
        codecs: Vec<VideoCodec>,
    ) -> TrackShared {
        let limits = config.bitrate.ordered();
        TrackShared {
            direction,
            codecs,
            limits,
            outgoing: FrameSender::new(config.max_wait, u64::from(limits.start)),
            incoming: FrameQueue::new(config.max_frames, config.max_frame_bytes),
            counters: VideoCounters::default(),
            keyframe_wanted: AtomicBool::new(false),
            keyframe_asked: AtomicBool::new(false),
            target: AtomicU32::new(limits.start),
            remb_received: AtomicU32::new(0),
            remb_sent: AtomicU32::new(0),
            twcc_estimate: AtomicU32::new(0),
            rtt_us: AtomicU64::new(0),
        }
    }

    /// The connection is up. A receiver that has nothing yet can only start with a keyframe.
    pub(crate) fn open(&self) {
        self.outgoing.set_life(Life::Open);
        self.keyframe_wanted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.outgoing.set_life(Life::Closed);
        self.incoming.end();
    }

    pub(crate) fn want_keyframe(&self) {
        self.keyframe_wanted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn ask_keyframe(&self) {
        self.keyframe_asked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take_asked_keyframe(&self) -> bool {
        self.keyframe_asked.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn has_work(&self) -> bool {
        self.outgoing.has_frames() || self.keyframe_asked.load(Ordering::Relaxed)
    }

    fn stats(&self) -> VideoStats {
        let known = |value: &AtomicU32| Some(value.load(Ordering::Relaxed)).filter(|v| *v > 0);
        let rtt = self.rtt_us.load(Ordering::Relaxed);
        VideoStats {
            target_bitrate: self.target.load(Ordering::Relaxed),
            remb_received: known(&self.remb_received),
            remb_sent: known(&self.remb_sent),
            twcc_estimate: known(&self.twcc_estimate),
            rtt: (rtt > 0).then(|| Duration::from_micros(rtt)),
            unsent_bytes: self.outgoing.unsent_bytes() as u64,
            queued_frames: self.incoming.len() as u64,
            ..self.counters.snapshot()
        }
    }
}

/// The video section of a peer connection. Clones are the same track.
#[derive(Clone)]
pub struct VideoTrack {
    track: Arc<TrackShared>,
    peer: Arc<PeerShared>,
}

impl fmt::Debug for VideoTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoTrack")
            .field("direction", &self.track.direction)
            .field("codecs", &self.track.codecs)
            .finish_non_exhaustive()
    }
}

impl VideoTrack {
    pub(crate) fn new(track: Arc<TrackShared>, peer: Arc<PeerShared>) -> VideoTrack {
        VideoTrack { track, peer }
    }

    /// What was negotiated, as seen from our side; never inactive.
    pub fn direction(&self) -> Direction {
        self.track.direction
    }

    /// The codecs both sides have, in the offerer's order; never empty.
    pub fn codecs(&self) -> &[VideoCodec] {
        &self.track.codecs
    }

    /// Queues an encoded frame. Never blocks and copies nothing. Ask [`VideoTrack::has_room`] before encoding.
    pub fn send(&self, frame: OutgoingFrame) -> Result<(), VideoSendError> {
        if !self.track.direction.can_send() || !self.track.codecs.contains(&frame.codec) {
            return Err(VideoSendError::NotSending);
        }
        if frame.data.is_empty() {
            return Ok(());
        }
        let pushed = self.track.outgoing.push(frame);
        match pushed {
            Ok(()) => self.peer.notify(),
            Err(VideoSendError::Congested) => add(&self.track.counters.refused_congested, 1),
            Err(_) => {}
        }
        pushed
    }

    /// Whether a frame encoded now would leave in time. When false, skip this frame: encoding it would only make
    /// those after it late.
    pub fn has_room(&self) -> bool {
        self.track.outgoing.has_room()
    }

    /// Blocks until [`VideoTrack::has_room`]; false when `deadline` or the end of the connection came first. For
    /// senders that must not skip frames.
    pub fn wait_room(&self, deadline: Instant) -> bool {
        self.track.outgoing.wait_room(deadline)
    }

    /// Bits a second the encoder should produce now, within the limits of the configuration.
    pub fn target_bitrate(&self) -> u32 {
        self.track.target.load(Ordering::Relaxed)
    }

    /// Whether the peer asked for a keyframe since the last call; true once after connecting.
    pub fn take_keyframe_request(&self) -> bool {
        self.track.keyframe_wanted.swap(false, Ordering::Relaxed)
    }

    /// Blocks until a frame comes or `deadline` passes. Frames come in order, as soon as they are complete.
    pub fn recv_deadline(&self, deadline: Instant) -> Result<IncomingFrame, RecvError> {
        self.track.incoming.recv_deadline(deadline)
    }

    /// Takes a frame if there is one; never blocks. `Ok(None)` means nothing yet.
    pub fn try_recv(&self) -> Result<Option<IncomingFrame>, RecvError> {
        self.track.incoming.try_recv()
    }

    /// Waits for the next frame; `None` after the end of the connection. Cancel safe.
    pub async fn recv(&self) -> Option<IncomingFrame> {
        std::future::poll_fn(|cx| self.track.incoming.poll_recv(cx.waker())).await
    }

    /// Asks the peer for a keyframe, at most a few times a second. The track does so itself after losses; a decoder
    /// that cannot go on asks here.
    pub fn request_keyframe(&self) {
        if !self.track.keyframe_asked.swap(true, Ordering::Relaxed) {
            self.peer.notify();
        }
    }

    /// Counters so far.
    pub fn stats(&self) -> VideoStats {
        self.track.stats()
    }
}
