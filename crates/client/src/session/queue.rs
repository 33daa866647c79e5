//! The way of a frame from the dispatcher to its consumer, and the end that every consumer sees.
//! Not here: the policy of a full queue, which is the protocol crate's.

use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use framewire_protocol::queue::{Pop, Push};
use framewire_protocol::session::{FrameDrop, FrameTicket};

use crate::error::SessionError;
use crate::session::errors::StreamErrorKind;
use crate::session::ledger::Closing;
use crate::session::life::closed_result;
use crate::session::no_picture::NoPicture;
use crate::session::shared::{Shared, State, lock};
use crate::session::{Ended, FrameEvent};
use crate::stats::{DropReason, Stage};

/// A frame on its way to a consumer.
#[derive(Debug)]
pub(crate) struct QueuedFrame {
    pub(crate) event: FrameEvent,
    pub(crate) ticket: FrameTicket,
    /// When it could have been delivered: its result arrived, or it was decoded.
    pub(crate) ready: Instant,
}

impl QueuedFrame {
    pub(super) fn bytes(&self) -> usize {
        self.event.frame.width() as usize * self.event.frame.height() as usize * 3
    }
}

/// What a consumer gets. Returned and taken apart at once, so the size of the rare variants does not matter.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "boxing would cost an allocation for each frame"
)]
pub(crate) enum Next {
    Frame(FrameEvent, FrameTicket),
    End(Result<Ended, SessionError>),
    Timeout,
}

impl Shared {
    /// Hands a frame to the consumer's queue; blocks while it is full in batch mode.
    pub(crate) fn enqueue(&self, mut frame: QueuedFrame) {
        if self.discards() {
            return self.drop_frame(frame.ticket, FrameDrop::Paused, DropReason::Paused);
        }
        let bytes = frame.bytes();
        let mut overflow = Vec::new();
        let mut state = lock(&self.state);
        let refused = loop {
            let heavy = state.queued_bytes + bytes > self.options.frame_queue_bytes
                && !state.queue.is_empty();
            if heavy && !state.queue.is_ended() {
                if self.plan.realtime {
                    if let Pop::Item(oldest) = state.queue.pop() {
                        state.queued_bytes -= oldest.bytes();
                        overflow.push(oldest);
                    }
                    continue;
                }
            } else {
                match state.queue.push(frame) {
                    Push::Stored => {
                        state.queued_bytes += bytes;
                        break None;
                    }
                    Push::Replaced(oldest) => {
                        state.queued_bytes = state.queued_bytes + bytes - oldest.bytes();
                        overflow.push(oldest);
                        break None;
                    }
                    Push::Ended(back) => break Some(back),
                    Push::Full(back) => frame = back,
                }
            }
            // Lossless and full: the consumer or the end wakes us.
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        self.changed.notify_all();
        if let Some(frame) = refused {
            self.drop_frame(frame.ticket, FrameDrop::Closed, DropReason::Closed);
        }
        self.overtaken(overflow);
    }

    fn overtaken(&self, frames: Vec<QueuedFrame>) {
        for frame in frames {
            self.drop_frame(
                frame.ticket,
                FrameDrop::Overflow,
                DropReason::HandlerTooSlow,
            );
        }
    }

    pub(crate) fn drop_frame(&self, ticket: FrameTicket, why: FrameDrop, reason: DropReason) {
        lock(&self.ledger).dropped(reason, 1);
        self.control(|machine| machine.frame_dropped(ticket, why));
    }

    /// The consumer is done with a frame.
    pub(crate) fn consumed(&self, ticket: FrameTicket) {
        self.control(|machine| machine.frame_consumed(ticket));
    }

    /// Takes the next frame or the end; frames received before the end come first. Without `pictures` the caller throws
    /// them away, so they are not converted.
    pub(crate) fn next_frame(&self, deadline: Option<Instant>, pictures: bool) -> Next {
        let mut state = lock(&self.state);
        loop {
            state = match self.take_next(state, pictures) {
                Ok(next) => return next,
                Err(state) => state,
            };
            let Some(guard) = self.wait(state, deadline) else {
                return Next::Timeout;
            };
            state = guard;
        }
    }

    /// The same without waiting; gives the lock back when there is nothing, so that the caller can wait without missing
    /// anything.
    pub(super) fn take_next<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        pictures: bool,
    ) -> Result<Next, MutexGuard<'a, State>> {
        loop {
            if state.closed {
                return Ok(Next::End(closed_result(state.ended.as_ref())));
            }
            if let Some((frame, aged)) = self.pop(&mut state) {
                drop(state);
                self.changed.notify_all();
                self.overtaken(aged);
                match self.hand_over(frame, pictures) {
                    Some(next) => return Ok(next),
                    None => {
                        state = lock(&self.state);
                        continue;
                    }
                }
            }
            if let Some(result) = &state.ended {
                let result = result.clone();
                drop(state);
                lock(&self.ledger).close(Instant::now(), Closing::Drained);
                return Ok(Next::End(result));
            }
            let held = self.held_elsewhere();
            if held.is_empty() {
                return Err(state);
            }
            drop(state);
            for (_, ticket) in held {
                self.consumed(ticket);
            }
            state = lock(&self.state);
        }
    }

    /// The next frame, and those that waited too long beside newer ones.
    fn pop(&self, state: &mut State) -> Option<(QueuedFrame, Vec<QueuedFrame>)> {
        let mut aged = Vec::new();
        let fresh = self.plan.realtime && self.live.frames_on_track();
        loop {
            let Pop::Item(frame) = state.queue.pop() else {
                // What was taken off last had no newer one behind it.
                return aged.pop().map(|frame| (frame, aged));
            };
            state.queued_bytes -= frame.bytes();
            if fresh && frame.ready.elapsed() > self.options.max_frame_age {
                aged.push(frame);
            } else {
                return Some((frame, aged));
            }
        }
    }

    /// Writes the delivery into the books. `None`: the picture could not be made.
    fn hand_over(&self, frame: QueuedFrame, pictures: bool) -> Option<Next> {
        let QueuedFrame {
            mut event,
            ticket,
            ready,
        } = frame;
        if pictures {
            match event.frame.to_bgr(&self.pool) {
                Ok(bgr) => event.frame = bgr,
                Err(error) => {
                    let why = NoPicture::from(error);
                    tracing::warn!("a frame was skipped: {}", why.text);
                    self.needs_picture(&why);
                    let kind = StreamErrorKind::FrameDropped(why.reason);
                    self.report(kind, event.frame_id(), why.text);
                    self.drop_frame(ticket, FrameDrop::Undecodable, why.reason);
                    return None;
                }
            }
        }
        let now = Instant::now();
        let since = event
            .captured
            .or_else(|| self.plan.realtime.then_some(ready));
        let mut ledger = lock(&self.ledger);
        ledger.delivered(now, since);
        if self.live.frames_on_track() {
            ledger.stages.span(Stage::Deliver, ready, now);
        }
        if let Some(captured) = event.captured {
            ledger.stages.span(Stage::Total, captured, now);
        }
        drop(ledger);
        Some(Next::Frame(event, ticket))
    }

    /// A thread that hands out frames has handed out everything. After the last one consumers may see the end.
    pub(crate) fn producer_done(&self) {
        let mut state = lock(&self.state);
        state.producers -= 1;
        let last = state.producers == 0;
        drop(state);
        if last {
            self.finish();
        }
    }

    /// Everything received was dispatched: consumers may see the end now.
    fn finish(&self) {
        let result = self.last_word();
        let mut state = lock(&self.state);
        state.ended.get_or_insert(result);
        state.queue.end();
        drop(state);
        self.changed.notify_all();
    }
}
