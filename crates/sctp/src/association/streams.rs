//! Which streams exist, which half of each has ended, and the events about them.
//! Not the calls on a stream, see `stream`; the messages themselves are with sender and receiver.

use std::collections::{BTreeMap, VecDeque};

use super::{Association, State, Transfer};
use crate::error::AssociationError;
use crate::tuning::counters::{FOLLOWED_STREAMS, Shared, StreamSnapshot};
use crate::types::{Event, StreamEvent};

/// Streams that a peer may have open by its own doing. Data of more is acknowledged and dropped.
pub(super) const MAX_BY_PEER: usize = 4096;

/// The highest id of a data channel (RFC 8831 section 6.3): 65535 is reserved.
pub(super) const MAX_ID: u16 = u16::MAX - 1;

/// How far the end of the outgoing half has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outgoing {
    Open,
    /// Ends when its data is acknowledged, then when the peer confirms it.
    Ending,
    Ended,
}

/// One generation of a stream id.
#[derive(Debug)]
pub(super) struct Entry {
    /// The caller knows it: it opened it, or its first message was reported.
    pub(super) known: bool,
    pub(super) by_peer: bool,
    /// The caller closed it.
    pub(super) closed: bool,
    /// The peer ended its half.
    pub(super) incoming_ended: bool,
    /// And every message before that was read: the end is reported, or about to be.
    pub(super) finished: bool,
    /// The end was reported: the caller cannot reach it any more.
    pub(super) gone: bool,
    pub(super) outgoing: Outgoing,
    pub(super) bytes_received: u64,
    /// Where its figures go, if they go anywhere.
    pub(super) place: Option<usize>,
}

impl Entry {
    pub(super) fn new(by_peer: bool) -> Self {
        Entry {
            known: !by_peer,
            by_peer,
            closed: false,
            incoming_ended: false,
            finished: false,
            gone: false,
            outgoing: Outgoing::Open,
            bytes_received: 0,
            place: None,
        }
    }
}

/// All streams, and the events that wait to be polled: at most three for each stream and two for the association.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) entries: BTreeMap<u16, Entry>,
    by_peer: usize,
    events: VecDeque<Event>,
    /// The stream that was last let in, which is nearly always the next one too.
    admitted: Option<u16>,
}

impl Streams {
    /// Whether data of the stream is to be kept; makes the stream if it is new.
    #[inline]
    pub(super) fn admit(&mut self, id: u16) -> bool {
        self.admitted == Some(id) || self.admit_other(id)
    }

    fn admit_other(&mut self, id: u16) -> bool {
        if !self.entries.contains_key(&id) && !self.insert_by_peer(id) {
            return false;
        }
        self.admitted = Some(id);
        true
    }

    fn insert_by_peer(&mut self, id: u16) -> bool {
        let room = self.by_peer < MAX_BY_PEER && id <= MAX_ID;
        if room {
            self.by_peer += 1;
            self.entries.insert(id, Entry::new(true));
        }
        room
    }

    fn remove(&mut self, id: u16) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.by_peer -= usize::from(entry.by_peer);
        self.admitted = None;
        Some(entry)
    }

    /// Streams that are there by the peer's doing.
    pub(super) fn by_peer(&self) -> usize {
        self.by_peer
    }

    pub(super) fn ids(&self) -> Vec<u16> {
        self.entries.keys().copied().collect()
    }

    pub(super) fn connected(&mut self) {
        self.events.push_back(Event::Connected);
    }

    pub(super) fn lose(&mut self, reason: AssociationError) {
        self.events.push_back(Event::AssociationLost { reason });
    }

    /// Writes the figures of the first streams; `rest` adds what the sender knows.
    pub(super) fn write_figures(
        &mut self,
        shared: &Shared,
        rest: impl Fn(u16, u64) -> StreamSnapshot,
    ) {
        for (id, entry) in self.entries.iter_mut().take(FOLLOWED_STREAMS) {
            entry.place = entry.place.or_else(|| shared.claim(*id));
            if let Some(place) = entry.place {
                shared.write_stream(place, &rest(*id, entry.bytes_received));
            }
        }
    }

    fn announce(&mut self, id: u16) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.known = true;
            let event = StreamEvent::Readable { id };
            self.events.push_back(Event::Stream(event));
        }
    }
}

impl Association {
    pub(super) fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.streams.events.pop_front() {
                match event {
                    Event::Stream(StreamEvent::Finished { id }) => {
                        if let Some(entry) = self.streams.entries.get_mut(&id) {
                            entry.gone = true;
                        }
                    }
                    Event::Stream(StreamEvent::ResetComplete { id }) => {
                        self.release(id);
                    }
                    _ => {}
                }
                return Some(event);
            }
            let transfer = self.transfer.as_mut()?;
            if self.state == State::Closed {
                return None;
            }
            if let Some(id) = transfer.receiver.pop_readable() {
                self.on_readable(id);
                continue;
            }
            let id = transfer.sender.pop_low()?;
            if self
                .streams
                .entries
                .get(&id)
                .is_some_and(|e| !e.closed && !e.gone)
            {
                return Some(Event::Stream(StreamEvent::BufferedAmountLow { id }));
            }
        }
    }

    fn on_readable(&mut self, id: u16) {
        let Some(transfer) = self.transfer.as_mut() else {
            return;
        };
        match self.streams.entries.get_mut(&id) {
            // It belongs to the next generation, which begins when this one is forgotten.
            Some(entry) if entry.finished => {}
            Some(entry) if entry.closed => {
                discard_unread(transfer, id);
                self.figures.stale = true;
            }
            Some(entry) if entry.known => {}
            Some(_) => self.streams.announce(id),
            // Its first parts came while the generation before was known.
            None => self.begin_next(id),
        }
    }

    /// The peer confirmed the end of our half.
    pub(super) fn outgoing_done(&mut self, id: u16) {
        if let Some(entry) = self.streams.entries.get_mut(&id) {
            entry.outgoing = Outgoing::Ended;
            self.complete(id);
        }
    }

    /// Reports that the id is free once both halves have ended.
    fn complete(&mut self, id: u16) {
        let Some(entry) = self.streams.entries.get(&id) else {
            return;
        };
        if !entry.finished || entry.outgoing != Outgoing::Ended {
            return;
        }
        if entry.known {
            let event = StreamEvent::ResetComplete { id };
            self.streams.events.push_back(Event::Stream(event));
        } else {
            self.release(id);
        }
    }

    /// Forgets a generation; begins the next one if its first message is there.
    fn release(&mut self, id: u16) {
        self.setup.shared.forget_stream(id);
        self.streams.remove(id);
        let unread = |transfer: &Transfer| transfer.receiver.has_unread(id);
        if self.state != State::Closed && self.transfer.as_ref().is_some_and(unread) {
            self.begin_next(id);
        }
    }

    /// Announces a stream whose first message is there. Without room for it its messages are dropped.
    fn begin_next(&mut self, id: u16) {
        if self.streams.insert_by_peer(id) {
            self.streams.announce(id);
        } else if let Some(transfer) = &mut self.transfer {
            self.figures.dropped += 1;
            self.figures.stale = true;
            discard_unread(transfer, id);
        }
    }

    /// The peer has reset its half of a stream, and all data before that is here.
    pub(super) fn incoming_ended(&mut self, id: u16) {
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        // A stream that never carried anything is not known here, and still the peer waits for our half of the reset.
        if !self.streams.entries.contains_key(&id) && !self.streams.insert_by_peer(id) {
            self.figures.dropped += 1;
            return;
        }
        let Some(entry) = self.streams.entries.get_mut(&id) else {
            return;
        };
        transfer.receiver.reset(id);
        if std::mem::replace(&mut entry.incoming_ended, true) {
            return;
        }
        if entry.closed {
            discard_unread(transfer, id);
        }
        self.finish_if_read(id);
    }

    /// Reports the end of the peer's half once everything before it was read, and ends ours in return.
    pub(super) fn finish_if_read(&mut self, id: u16) {
        let (Some(entry), Some(transfer)) = (self.streams.entries.get_mut(&id), &self.transfer)
        else {
            return;
        };
        // What is left to read of a lost association is read without another event.
        if self.state == State::Closed || !entry.incoming_ended || entry.finished {
            return;
        }
        if transfer.receiver.has_unread(id) {
            return;
        }
        entry.finished = true;
        if entry.known {
            let event = StreamEvent::Finished { id };
            self.streams.events.push_back(Event::Stream(event));
        }
        self.end_outgoing(id);
        self.complete(id);
    }

    /// Lets our half end after its data, unless it is ending already.
    pub(super) fn end_outgoing(&mut self, id: u16) {
        let Some(entry) = self.streams.entries.get_mut(&id) else {
            return;
        };
        if entry.outgoing == Outgoing::Open {
            entry.outgoing = Outgoing::Ending;
            self.resets.drain(id);
            // The request is made when packets are: streams that end together are asked for together.
            self.control.wanted = true;
        }
    }
}

pub(super) fn discard_unread(transfer: &mut Transfer, id: u16) {
    while transfer.receiver.read(id).is_some() {}
}
