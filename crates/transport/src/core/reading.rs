//! Not reading what the peer sent while nobody takes the events: then SCTP holds it, and the peer learns that there is less
//! room. Acknowledgements, checks and media are never held up by it.

use std::time::Instant;

use super::{PeerCore, Sink};
use crate::stats::add;

/// How far the consumer is behind.
#[derive(Debug)]
pub(super) struct Reading {
    /// Bytes of events that may still be added. Too small when the consumer took some since the last look.
    room: usize,
    paused: bool,
    /// The consumer knows that we wait for it.
    announced: bool,
}

impl Reading {
    pub(super) fn new(limit: usize) -> Reading {
        Reading {
            room: limit,
            paused: false,
            announced: false,
        }
    }

    /// Whether a turn is due at once.
    pub(super) fn wants_turn(&self) -> bool {
        self.paused && !self.announced
    }
}

impl PeerCore {
    /// A message of this cost was collected; the next one waits if the limit is reached.
    pub(super) fn collected(&mut self, cost: usize) {
        let reading = &mut self.reading;
        reading.room = reading.room.saturating_sub(cost);
        if reading.room == 0 && !reading.paused {
            reading.paused = true;
            reading.announced = false;
            self.figures.set_reading(false);
            add(&self.shared.counters.pauses, 1);
        }
    }

    /// Hands over the events that were collected.
    pub(super) fn flush_events(&mut self) {
        if !self.outbox.is_empty() {
            self.reading.room = self.shared.events.push_all(&mut self.outbox);
        }
    }

    /// Goes on reading if the consumer has made room; otherwise it asks for a turn once it has.
    pub(super) fn read_on(&mut self, now: Instant, sink: &mut Sink<'_>) {
        if !self.reading.paused {
            return;
        }
        self.reading.room = self.shared.events.room();
        self.reading.announced = self.reading.room == 0;
        if self.reading.room > 0 {
            self.read(now, sink);
        }
    }

    /// Reads all there is, whatever room there is: it is the last.
    pub(super) fn read_rest(&mut self) {
        self.reading.room = usize::MAX;
        self.reading.paused = false;
        self.figures.set_reading(true);
    }

    fn read(&mut self, now: Instant, sink: &mut Sink<'_>) {
        self.reading.paused = false;
        self.figures.set_reading(true);
        // The engine looks only after it was told something.
        self.tell_time(now, sink);
        self.drain(sink);
    }
}
