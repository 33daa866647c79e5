//! The session machine: its transitions.
//! See the module above for how to drive it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::FrameId;
use crate::ack::AckSender;
use crate::incoming::DropReason;
use crate::message::{Metadata, ResultMessage};
use crate::session::drain::Drain;
use crate::session::pause::Pause;
use crate::session::stall::{Stall, Verdict};
use crate::session::stragglers::Stragglers;
use crate::session::track::TrackWaits;
use crate::session::{
    Counters, Delivery, Dispatch, End, HandlersTicket, Input, Output, PeerEnd, SessionConfig,
    SessionSource, SessionState, Step,
};

/// The client's session; see the [module](crate::session).
#[derive(Debug)]
pub struct Session {
    pub(super) config: SessionConfig,
    step: Option<Step>,
    deadline: Option<Instant>,
    pub(super) results_open: bool,
    upload_open: bool,
    stalled: Option<Stall>,
    pub(super) drain: Option<Drain>,
    pub(super) pause: Pause,
    pub(super) track: TrackWaits,
    pub(super) stragglers: Option<Stragglers>,
    pub(super) end: Option<End>,
    released: bool,
    pub(super) out: VecDeque<Output>,
    pub(super) acks: AckSender,
    tickets: u64,
    /// Tickets up to this one belong to connections that are over.
    pub(super) old_tickets: u64,
    last_frame: Option<FrameId>,
    pub(super) counters: Counters,
}

impl Session {
    /// Not started.
    pub fn new(config: SessionConfig) -> Self {
        Session {
            config,
            step: None,
            deadline: None,
            results_open: false,
            upload_open: false,
            stalled: None,
            drain: None,
            pause: Pause::default(),
            track: TrackWaits::default(),
            stragglers: None,
            end: None,
            released: false,
            out: VecDeque::new(),
            acks: AckSender::new(),
            tickets: 0,
            old_tickets: 0,
            last_frame: None,
            counters: Counters::default(),
        }
    }

    /// Goes on with a new connection: not started again, with the totals so far. Tickets of the connection before still count
    /// what they stand for, but acknowledge nothing on the new one.
    pub fn reconnect(&mut self) {
        let fresh = Session::new(self.config.clone());
        let last = std::mem::replace(self, fresh);
        self.tickets = last.tickets;
        self.old_tickets = last.tickets;
        self.counters = last.counters;
        self.pause = last.pause.renewed();
    }

    /// Changes the silence after which the peer is lost, from the next silence on: only its answer says what kind of peer
    /// it is.
    pub fn set_lost_after(&mut self, lost_after: Duration) {
        self.config.lost_after = lost_after;
    }

    /// Takes an event. Events that do not fit the state change nothing.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start if self.step.is_none() && self.end.is_none() => {
                self.enter(now, Step::Gathering)
            }
            Input::OfferReady => self.advance(now, Step::Gathering, Step::Signalling),
            Input::AnswerApplied => self.advance(now, Step::Signalling, Step::Connecting),
            Input::Connected => self.advance(now, Step::Connecting, Step::Opening),
            Input::ResultsOpen => {
                self.results_open = true;
                self.channels_changed(now);
            }
            Input::UploadOpen => {
                self.upload_open = true;
                self.channels_changed(now);
            }
            Input::UploadAnnounced => self.advance(now, Step::Uploading, Step::Announcing),
            Input::UploadProgress
                if matches!(self.step, Some(Step::Announcing | Step::Uploading)) =>
            {
                self.enter(now, Step::Uploading);
            }
            Input::UploadSent => self.advance(now, Step::Uploading, Step::Verifying),
            Input::UploadDone => {
                self.advance(now, Step::Uploading, Step::FirstResult);
                self.advance(now, Step::Verifying, Step::FirstResult);
            }
            Input::FrameSent => self.advance(now, Step::Sending, Step::FirstResult),
            Input::SourceEnded { error } => self.source_ended(now, error),
            Input::Drained => self.drain.iter_mut().for_each(|drain| drain.done(now)),
            Input::Stalled(silence) => self.stall(now, silence),
            Input::Resumed => {
                if self.stalled.take().is_some() {
                    self.out.push_back(Output::Resumed);
                }
            }
            Input::WorkerRefused if self.stalled.is_some() => {
                self.finish(End::Gone { step: self.step() })
            }
            Input::PeerEnded(how) => self.peer_ended(how),
            Input::Failed(message) => self.finish(End::Failed {
                step: self.step(),
                message,
            }),
            Input::Pause => self.pause.on = true,
            Input::Unpause => self.unpause(now),
            Input::Close => {
                self.finish(End::Closed);
                self.release();
            }
            Input::Start | Input::UploadProgress | Input::WorkerRefused | Input::Tick => {}
        }
        self.expire(now);
    }

    /// Decides what a result message causes. Call it once per message, in order of arrival.
    pub fn result(&mut self, now: Instant, message: &ResultMessage<'_>) -> Dispatch {
        if self.end.is_some() {
            self.counters.results.drop_new(
                DropReason::AfterEnd,
                u64::from(!message.processing_complete),
            );
            return Dispatch::Ignored;
        }
        if message.processing_complete {
            let end = End::Completed {
                reason: message.termination_reason.as_deref().map(str::to_owned),
                errors: message.errors.clone(),
            };
            let end = match (&mut self.stragglers, message.frame_id()) {
                (Some(stragglers), Some(last)) => stragglers.completed(now, last, end),
                _ => Some(end),
            };
            end.into_iter().for_each(|end| self.finish(end));
            return Dispatch::End;
        }
        self.arrived(now);
        self.count(message);
        let frame = self.frame_of(message);
        if frame.is_some() {
            self.counters.frames.begin();
        }
        self.tickets += 1;
        let on_track = !self.config.realtime
            && self.config.track_frames
            && frame.is_none()
            && message.frame_id().is_some()
            && self.track.is_useful();
        if on_track {
            self.track.open(now, self.tickets);
        }
        if !self.config.realtime {
            let waits = 1 + u32::from(frame.is_some()) + u32::from(on_track);
            self.acks.open(self.tickets, message.frame_id(), waits);
        }
        if let (Some(stragglers), Some(frame)) = (&mut self.stragglers, message.frame_id())
            && let Some(end) = stragglers.arrived(frame)
        {
            self.finish(end);
        }
        Dispatch::Deliver(Delivery {
            ticket: HandlersTicket(self.tickets),
            frame,
            on_track,
        })
    }

    /// Whether the global data handler must not see this output, because it travels as the frame.
    pub fn hides(&self, output: &str) -> bool {
        self.config.frame_outputs.iter().any(|name| name == output)
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to report [`Input::Tick`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let at = [
            self.deadline.filter(|_| !self.is_frozen()),
            self.stalled.as_ref().map(Stall::deadline),
            self.drain
                .as_ref()
                .and_then(|drain| drain.deadline(self.pause.on)),
            self.track.deadline(),
            self.stragglers.as_ref().and_then(Stragglers::deadline),
        ];
        at.into_iter().flatten().min()
    }

    /// What the session waits for; `None` before the start.
    pub fn current_step(&self) -> Option<Step> {
        self.step
    }

    /// The state as users see it.
    pub fn state(&self) -> SessionState {
        match (self.released, self.step) {
            (true, _) => SessionState::Closed,
            (false, None) => SessionState::NotStarted,
            (false, Some(_)) => SessionState::Started,
        }
    }

    /// Why the stream ended, once it has.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Whether the peer is silent at the moment.
    pub fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Whether frames must be neither dropped nor overtaken: the frame queue must be lossless.
    pub fn is_batch(&self) -> bool {
        !self.config.realtime
    }

    /// The highest acknowledgement handed out.
    pub fn last_ack(&self) -> Option<FrameId> {
        self.acks.last()
    }

    /// Totals so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn step(&self) -> Step {
        self.step.unwrap_or(Step::Gathering)
    }

    pub(super) fn enter(&mut self, now: Instant, step: Step) {
        if self.end.is_none() {
            self.step = Some(step);
            self.deadline = self
                .config
                .limits
                .of(step)
                .and_then(|limit| now.checked_add(limit));
        }
    }

    fn advance(&mut self, now: Instant, from: Step, to: Step) {
        if self.step == Some(from) {
            self.enter(now, to);
            self.channels_changed(now);
        }
    }

    /// Leaves `Opening` once every channel the session needs is open.
    fn channels_changed(&mut self, now: Instant) {
        let uploads = self.config.source == SessionSource::Upload;
        let ready = self.results_open && (self.upload_open || !uploads);
        if !ready
            || !matches!(self.step, Some(Step::Connecting | Step::Opening))
            || self.end.is_some()
        {
            return;
        }
        match self.config.source {
            SessionSource::Upload => {
                self.enter(now, Step::Uploading);
                self.out.push_back(Output::StartUpload);
            }
            SessionSource::Track => self.enter(now, Step::Sending),
            SessionSource::Remote => self.enter(now, Step::FirstResult),
        }
    }

    /// Something of the worker's work arrived.
    pub(super) fn arrived(&mut self, now: Instant) {
        self.enter(now, Step::Streaming);
        if let Some(drain) = &mut self.drain {
            drain.arrived(now);
        }
    }

    fn source_ended(&mut self, now: Instant, error: Option<String>) {
        if self.drain.is_none() && self.end.is_none() {
            self.drain = Some(Drain::begin(now, self.config.drain, error));
        }
    }

    fn stall(&mut self, now: Instant, silence: Duration) {
        if self.stalled.is_none() && self.end.is_none() {
            self.stalled = Some(Stall::begin(now, silence, self.config.lost_after));
            self.out.push_back(Output::Stalled(silence));
        }
    }

    fn peer_ended(&mut self, how: PeerEnd) {
        let step = self.step();
        self.finish(match how {
            PeerEnd::Remote => End::PeerClosed { step },
            PeerEnd::Gone => End::Gone { step },
            PeerEnd::Lost(silence) => End::Lost { silence },
            PeerEnd::Failed(message) => End::Failed { step, message },
        });
    }

    fn expire(&mut self, now: Instant) {
        let step = self.step();
        let paused = self.pause.on;
        // Of the session, not of this connection: results may have come on an earlier one.
        let reached = match step {
            Step::FirstResult if self.old_tickets > 0 => Step::Streaming,
            step => step,
        };
        let drain = self.drain.as_mut();
        if let Some(end) = drain.and_then(|drain| drain.over(now, reached, paused)) {
            self.finish(end);
        }
        if let Some(stragglers) = &mut self.stragglers
            && stragglers.deadline().is_some_and(|at| at <= now)
            && let Some(end) = stragglers.give_up()
        {
            self.finish(end);
        }
        while let Some(ticket) = self.track.expired(now) {
            self.counters.missing_frames += 1;
            self.acknowledge(ticket);
        }
        if self.deadline.is_some_and(|at| at <= now) && !self.is_frozen() {
            let step = self.step();
            let limit = self.config.limits.of(step).unwrap_or_default();
            self.finish(End::TimedOut { step, limit });
        }
        match self.stalled.as_mut().map(|stall| stall.verdict(now)) {
            Some(Verdict::Lost) => self.finish(End::Lost {
                silence: self.config.lost_after,
            }),
            Some(Verdict::Probe) => self.out.push_back(Output::ProbeWorker),
            Some(Verdict::Wait) | None => {}
        }
    }

    /// Ends the stream; only the first reason counts. A failed session is released at once, a completed one when closed.
    fn finish(&mut self, end: End) {
        if self.end.is_some() {
            return;
        }
        // The worker had completed; that something else happened before the last result came changes nothing.
        let completed = self.stragglers.take().and_then(|mut all| all.give_up());
        let end = completed.filter(|_| end != End::Closed).unwrap_or(end);
        let release = !matches!(end, End::Completed { .. });
        self.end = Some(end);
        self.deadline = None;
        self.stalled = None;
        self.drain = None;
        self.track.clear();
        self.out.push_back(Output::Ended);
        if release {
            self.release();
        }
    }

    fn release(&mut self) {
        if !self.released {
            self.released = true;
            self.out.push_back(Output::Release);
        }
    }

    fn count(&mut self, message: &ResultMessage<'_>) {
        self.counters.results.begin();
        self.counters.frame_errors += message.errors.len() as u64;
        if message.video_metadata == Metadata::Unreadable {
            self.counters.unreadable_metadata += 1;
        }
        if let Some(frame) = message.frame_id() {
            let last = self.last_frame.map_or(0, |last| last.0);
            if self.stragglers.is_some() && frame.0 < last {
                // It was counted when a newer one overtook it.
                self.counters.missing_results = self.counters.missing_results.saturating_sub(1);
            }
            self.counters.missing_results += frame.0.saturating_sub(last).saturating_sub(1);
            self.last_frame = Some(FrameId(last.max(frame.0)));
        }
    }

    /// The first of the user's stream outputs that the message has.
    fn frame_of(&self, message: &ResultMessage<'_>) -> Option<usize> {
        let outputs = message.outputs.as_deref()?;
        self.config
            .frame_outputs
            .iter()
            .find_map(|name| outputs.iter().position(|output| output.name == *name))
    }
}
