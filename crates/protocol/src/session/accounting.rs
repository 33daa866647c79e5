//! What consumers report back: every result and every frame is delivered or dropped with a reason, and acknowledged.
//! It decides nothing about steps or the end.

use std::time::Instant;

use crate::incoming::DropReason;
use crate::pairing::Match;
use crate::session::track::TrackTicket;
use crate::session::{FrameDrop, FrameTicket, HandlersTicket, Session};

impl Session {
    /// All handlers of that message have returned.
    pub fn handlers_done(&mut self, ticket: HandlersTicket) {
        self.counters.results.deliver();
        self.acknowledge(ticket.0);
    }

    /// That message reaches no handlers.
    pub fn result_dropped(&mut self, ticket: HandlersTicket, reason: DropReason) {
        self.counters.results.drop_begun(reason);
        self.acknowledge(ticket.0);
    }

    /// A frame of the video track goes to the consumer, with the ticket of the result it was paired with. `matched` is only
    /// counted. In batch processing the result is acknowledged once its frame is consumed or dropped, so that the worker is
    /// never ahead of the consumer; a frame that does not come within half a second of its result is not waited for.
    pub fn track_frame(
        &mut self,
        now: Instant,
        matched: Match,
        ticket: Option<TrackTicket>,
    ) -> FrameTicket {
        if self.end.is_none() {
            self.arrived(now);
        }
        self.counters.frames.begin();
        self.counters.pairs.add(matched);
        FrameTicket(self.track.came(ticket))
    }

    /// `count` frames of the video track were dropped before they were paired.
    pub fn track_frames_dropped(&mut self, reason: FrameDrop, count: u64) {
        self.counters.frames.drop_new(reason, count);
    }

    /// The consumer is done with that frame: its frame handlers returned, or it asked for the next one.
    pub fn frame_consumed(&mut self, ticket: FrameTicket) {
        self.counters.frames.deliver();
        ticket
            .0
            .into_iter()
            .for_each(|ticket| self.acknowledge(ticket));
    }

    /// That frame never reaches a consumer.
    pub fn frame_dropped(&mut self, ticket: FrameTicket, reason: FrameDrop) {
        self.counters.frames.drop_begun(reason);
        ticket
            .0
            .into_iter()
            .for_each(|ticket| self.acknowledge(ticket));
    }

    /// `count` messages were dropped before they became results.
    pub fn message_dropped(&mut self, reason: DropReason, count: u64) {
        self.counters.results.drop_new(reason, count);
    }

    /// One of the things the acknowledgement of that message waits for is done.
    pub(super) fn acknowledge(&mut self, ticket: u64) {
        if self.config.realtime || ticket <= self.old_tickets {
            return;
        }
        if let Some(frame) = self.acks.done(ticket) {
            self.send_ack(frame);
        }
    }
}
