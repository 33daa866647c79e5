//! What goes into the session machine and what comes out of it.
//! Types only; the transitions are in `machine`.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::message::ResultMessage;
use crate::session::PeerEnd;
use crate::session::track::TrackTicket;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// The first use of the session: gathering begins.
    Start,
    /// The offer is complete and about to be posted.
    OfferReady,
    /// The worker's answer was applied.
    AnswerApplied,
    /// ICE and DTLS are up.
    Connected,
    /// `inference` is open.
    ResultsOpen,
    /// `video_upload` is open.
    UploadOpen,
    /// The worker was asked what it has of the file.
    UploadAnnounced,
    /// Bytes of the upload went out, or the worker said what it has.
    UploadProgress,
    /// The last chunk was handed to the channel, and the worker asked whether the file is right.
    UploadSent,
    /// The upload is over: the worker has the file as far as can be known.
    UploadDone,
    /// A frame of our own source went out on the track. Only the first one matters; repeating it costs nothing.
    FrameSent,
    /// Our own source has no more frames, and the last one went out; or it failed. What was sent is drained first, see
    /// [`DrainLimits`](crate::session::DrainLimits).
    SourceEnded {
        /// What went wrong, in words; without credentials.
        error: Option<String>,
    },
    /// Everything that was sent has come back: a drain need not wait for silence. Without one it changes nothing.
    Drained,
    /// The transport has heard nothing for this long.
    Stalled(Duration),
    /// The transport hears the peer again.
    Resumed,
    /// The worker's HTTP port refused a connection; counts only while stalled.
    WorkerRefused,
    /// The connection ended.
    PeerEnded(PeerEnd),
    /// The current step failed; in words, without credentials.
    Failed(String),
    /// The user wants no more for now: acknowledgements are withheld, and the limits of uploading, of the first result and of
    /// draining stand still. What arrives is delivered.
    Pause,
    /// The user goes on.
    Unpause,
    /// Time passed.
    Tick,
    /// The user closes the session. Allowed at any time, any number of times.
    Close,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Send this text on `inference`.
    SendText(String),
    /// The upload may begin. Comes once.
    StartUpload,
    /// Try the worker's HTTP port and report [`Input::WorkerRefused`] if it refuses.
    ProbeWorker,
    /// The peer is silent; nothing is torn down.
    Stalled(Duration),
    /// The peer is back.
    Resumed,
    /// The stream ended, see [`Session::end`](crate::session::Session::end): end the frame queue and wake everyone. Comes once.
    Ended,
    /// Close the connection, clean the source up. Comes once, after `Ended`.
    Release,
}

/// The states users see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// Nothing happened yet.
    NotStarted,
    /// Started; also after the stream ended, until closed.
    Started,
    /// Closed, or the start failed.
    Closed,
}

/// Must be returned to [`Session::handlers_done`](crate::session::Session::handlers_done) when the data and error handlers of its message have returned.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the frame is not acknowledged until the ticket is returned"]
pub struct HandlersTicket(pub(super) u64);

/// Must be returned to [`Session::frame_consumed`](crate::session::Session::frame_consumed) or [`Session::frame_dropped`](crate::session::Session::frame_dropped); travels with the frame.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the frame is not acknowledged until the ticket is returned"]
pub struct FrameTicket(pub(super) Option<u64>);

/// What one result message causes.
#[derive(Debug)]
#[must_use]
pub enum Dispatch {
    /// The completion message: the stream has ended, or ends once the results that it overtook are there. No handlers.
    End,
    /// Came after the end; counted, nothing to do.
    Ignored,
    /// Deliver it.
    Deliver(Delivery),
}

/// How to deliver one result message. In this order: error handlers if there are errors, the frame, the global data handler,
/// field handlers, then [`Session::handlers_done`](crate::session::Session::handlers_done).
#[derive(Debug)]
pub struct Delivery {
    /// Return it when the handlers have run.
    pub ticket: HandlersTicket,
    pub(super) frame: Option<usize>,
    pub(super) on_track: bool,
}

impl Delivery {
    /// The frame this message carries: decode it and enqueue it with its ticket. Any value that is no image must be
    /// reported with [`FrameDrop::Undecodable`](crate::session::FrameDrop::Undecodable).
    pub fn frame<'a>(&self, message: &ResultMessage<'a>) -> Option<(FrameTicket, &'a RawValue)> {
        let output = message.outputs.as_deref()?.get(self.frame?)?;
        Some((FrameTicket(Some(self.ticket.0)), output.value))
    }

    /// The frame of this result comes on the video track, and its acknowledgement waits for it (batch processing only).
    pub fn track_ticket(&self) -> Option<TrackTicket> {
        self.on_track.then_some(TrackTicket(self.ticket.0))
    }
}
