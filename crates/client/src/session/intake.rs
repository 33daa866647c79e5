//! Results on their way in: classified, judged by the protocol machine, put on the pipeline.
//! Not here: decoding pictures and calling handlers. A full pipeline blocks nobody; it only stops the reading.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::chunk::ReassemblerLimits;
use framewire_protocol::incoming::{Body, DropReason, Incoming};
use framewire_protocol::message::Metadata;
use framewire_protocol::session::{Dispatch, FrameDrop};

use crate::session::decode::Job;
use crate::session::errors::StreamErrorKind;
use crate::session::pipeline::Offered;
use crate::session::shared::Shared;
use crate::stats;

/// Bytes held of incomplete results without order: they are short-lived and need less room than the others.
const FRESH_HELD: usize = 64 << 20;

/// See the module.
pub(crate) struct Intake<'a> {
    shared: &'a Arc<Shared>,
    incoming: Incoming,
    /// The same for results without order.
    fresh: Incoming,
    /// The newest frame of which a result came, once results may overtake each other.
    newest: Option<FrameId>,
    /// The one job that found no room.
    pending: Option<(Job, usize)>,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(shared: &'a Arc<Shared>) -> Self {
        let mut limits = ReassemblerLimits::default();
        limits.bytes = FRESH_HELD;
        Intake {
            shared,
            incoming: Incoming::new(),
            fresh: Incoming::with_limits(limits),
            newest: None,
            pending: None,
        }
    }

    /// Whether a job waits for room; nothing more may be read until it is placed.
    pub(crate) fn is_blocked(&self) -> bool {
        self.pending.is_some()
    }

    /// Takes one message of the results channel. Costs a copy for bodies of several chunks, and decompression.
    pub(crate) fn message(&mut self, data: Bytes, text: bool) {
        let now = Instant::now();
        let body = if text {
            self.incoming.text(data)
        } else {
            self.incoming.binary(data)
        };
        let evicted = self.incoming.take_evicted();
        if evicted > 0 {
            self.unusable(DropReason::Evicted, evicted);
        }
        self.judge(body, now);
    }

    fn judge(&mut self, body: Result<Option<Body>, DropReason>, now: Instant) {
        match body {
            Ok(None) => {}
            Ok(Some(body)) => self.body(&body, now),
            Err(reason) => self.unusable(reason, 1),
        }
    }

    /// From now on results may overtake each other.
    pub(crate) fn expect_disorder(&mut self) {
        self.newest.get_or_insert(FrameId(0));
    }

    /// Takes one message of the channel without order; costs as much. What stays incomplete there was lost, which is no fault
    /// of the worker's.
    pub(crate) fn fresh(&mut self, data: Bytes) {
        let now = Instant::now();
        let body = self.fresh.binary(data);
        let lost = self.fresh.take_evicted();
        if lost > 0 {
            self.shared
                .control(|machine| machine.message_dropped(DropReason::Evicted, lost));
            self.shared.ledger(|ledger| ledger.fresh.incomplete += lost);
        }
        self.judge(body, now);
    }

    /// Tries again to place the waiting job.
    pub(crate) fn place_pending(&mut self) {
        if let Some((job, weight)) = self.pending.take() {
            self.place(job, weight);
        }
    }

    fn body(&mut self, body: &Body, now: Instant) {
        let message = match body.message() {
            Ok(message) => message,
            Err(reason) => return self.unusable(reason, 1),
        };
        let shared = self.shared;
        if !shared.has_ended()
            && let Some(frame) = message.frame_id()
        {
            let shown = shared.shown(frame);
            shared.ledger(|ledger| ledger.announced(shown.0));
        }
        match shared.control(|machine| machine.result(now, &message)) {
            Dispatch::End | Dispatch::Ignored => {}
            Dispatch::Deliver(delivery) => {
                match &message.video_metadata {
                    Metadata::Present(metadata) => shared.start_pacing(metadata.frame_id),
                    Metadata::Unreadable => tracing::warn!("a result has unreadable metadata"),
                    Metadata::Absent => {}
                }
                let on_track = delivery.track_ticket();
                let mut job = Job::new(body, &message, delivery, shared.asked.now(), now);
                job.result.frame_on_track = shared.live.frames_on_track();
                if let Some(metadata) = &mut job.result.metadata {
                    metadata.frame_id = shared.shown(metadata.frame_id);
                }
                // A picture on the track is judged when it comes.
                shared.live_result(&mut job.result, on_track);
                let id = job.result.metadata.as_ref().map(|data| data.frame_id);
                if self.is_late(message.frame_id(), &job) {
                    self.late(job);
                } else if shared.admit_result(id) {
                    if !job.result.frame_on_track {
                        shared.ledger(|ledger| ledger.received());
                    }
                    self.place(job, Job::weight(body));
                } else {
                    self.repeated(job);
                }
            }
        }
    }

    fn place(&mut self, mut job: Job, weight: usize) {
        if self.shared.discards() {
            return self.overtaken(job, FrameDrop::Paused, stats::DropReason::Paused);
        }
        loop {
            match self.shared.pipeline.offer(job, weight) {
                Offered::Taken => return,
                Offered::Shut(job) => {
                    return self.overtaken(job, FrameDrop::Closed, stats::DropReason::Closed);
                }
                Offered::Full(back) => match self.evict() {
                    true => job = back,
                    false => {
                        self.pending = Some((back, weight));
                        return;
                    }
                },
            }
        }
    }

    /// Realtime: the oldest waiting result makes room.
    fn evict(&self) -> bool {
        let oldest = if self.shared.plan.realtime {
            self.shared.pipeline.evict()
        } else {
            None
        };
        match oldest {
            Some(job) => {
                self.overtaken(job, FrameDrop::Overflow, stats::DropReason::HandlerTooSlow);
                true
            }
            None => false,
        }
    }

    /// Whether a newer result came before this one. Errors are told however late they are.
    fn is_late(&mut self, frame: Option<FrameId>, job: &Job) -> bool {
        let (Some(newest), Some(frame)) = (&mut self.newest, frame) else {
            return false;
        };
        let late = frame < *newest;
        *newest = frame.max(*newest);
        late && job.result.errors.is_empty()
    }

    /// A newer result was there before it.
    fn late(&self, job: Job) {
        let (shared, reason) = (self.shared, stats::DropReason::Overtaken);
        shared.ledger(|ledger| {
            ledger.fresh.overtaken += 1;
            if !job.result.frame_on_track {
                ledger.received();
            }
        });
        match job.picture {
            Some((frame, _)) => shared.drop_frame(frame, FrameDrop::Late, reason),
            None if job.result.frame_on_track => {}
            None => shared.ledger(|ledger| ledger.dropped(reason, 1)),
        }
        let ticket = job.result.ticket;
        shared.control(|machine| machine.result_dropped(ticket, DropReason::Overtaken));
    }

    fn overtaken(&self, job: Job, why: FrameDrop, reason: stats::DropReason) {
        let ticket = job.result.ticket;
        match job.picture {
            Some((frame, _)) => self.shared.drop_frame(frame, why, reason),
            // Its frame is on the track and counted there.
            None if job.result.frame_on_track => {}
            None => self.shared.ledger(|ledger| ledger.dropped(reason, 1)),
        }
        self.shared.control(|machine| machine.handlers_done(ticket));
    }

    /// Users have it already; the worker may go on.
    fn repeated(&self, job: Job) {
        let ticket = job.result.ticket;
        match job.picture {
            Some((frame, _)) => self.shared.skip_repeated(frame),
            // Its frame is on the track and counted there.
            None if job.result.frame_on_track => {}
            None => self.shared.ledger(|ledger| ledger.repeated()),
        }
        self.shared.control(|machine| machine.handlers_done(ticket));
    }

    fn unusable(&self, reason: DropReason, count: u64) {
        tracing::warn!(
            "dropped {count} unusable message(s) from the worker: {}",
            reason.as_str()
        );
        let kind = StreamErrorKind::BadMessage(reason.as_str());
        for _ in 0..count {
            let text = "a message of the worker could not be used".to_owned();
            self.shared.report(kind, None, text);
        }
        self.shared
            .control(|machine| machine.message_dropped(reason, count));
        self.shared
            .ledger(|ledger| ledger.bad_message(reason.as_str(), count));
    }
}
