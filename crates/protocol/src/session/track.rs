//! Frames of the video track in batch processing: which acknowledgements wait for them, and for how long.
//! It pairs nothing; that is [`pairing`](crate::pairing).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ack::MAX_PENDING_ACKS;

/// Longest wait of an acknowledgement for its frame on the track. The frame leaves the worker right after its result; one that
/// is not there by then is lost, and the worker must not wait for it.
const FRAME_WAIT: Duration = Duration::from_millis(500);

/// Frames missed in a row after which none is waited for any more until one comes: this worker sends none.
const MISSES: u32 = 3;

/// Names the message whose acknowledgement waits for a frame on the track. Let it travel with the result through the pairing
/// and return it to [`Session::track_frame`](crate::session::Session::track_frame); losing it costs a delay, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackTicket(pub(super) u64);

/// Messages whose frames have not come yet, in order.
#[derive(Debug, Default)]
pub(super) struct TrackWaits {
    waiting: VecDeque<(u64, Option<Instant>)>,
    misses: u32,
}

impl TrackWaits {
    /// Whether a frame is worth waiting for.
    pub(super) fn is_useful(&self) -> bool {
        self.misses < MISSES && self.waiting.len() < MAX_PENDING_ACKS
    }

    /// The result of that message arrived.
    pub(super) fn open(&mut self, now: Instant, ticket: u64) {
        self.waiting
            .push_back((ticket, now.checked_add(FRAME_WAIT)));
    }

    /// A frame came, perhaps the one of that message. The message, if it still waits.
    pub(super) fn came(&mut self, ticket: Option<TrackTicket>) -> Option<u64> {
        self.misses = 0;
        let TrackTicket(ticket) = ticket?;
        let at = self
            .waiting
            .binary_search_by_key(&ticket, |(waiting, _)| *waiting)
            .ok()?;
        self.waiting.remove(at).map(|(ticket, _)| ticket)
    }

    /// The next message whose frame is not waited for any longer.
    pub(super) fn expired(&mut self, now: Instant) -> Option<u64> {
        self.waiting
            .front()
            .filter(|(_, until)| until.is_some_and(|until| until <= now))?;
        self.misses = self.misses.saturating_add(1);
        self.waiting.pop_front().map(|(ticket, _)| ticket)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.front()?.1
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}
