//! The streams as the caller sees them: which exist, which half of each has ended, and the events about them.
//! The messages themselves are with sender and receiver.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{Association, State, Transfer};
use crate::error::{AssociationError, Error};
use crate::send::{Reliability, ReliabilityKind};
use crate::tuning::counters::{FOLLOWED_STREAMS, Shared, StreamSnapshot};
use crate::types::{Chunks, Event, PayloadProtocolIdentifier, ReliabilityType, StreamEvent};

/// Streams that a peer may have open by its own doing. Data of more is acknowledged and dropped.
const MAX_BY_PEER: usize = 4096;

/// The highest id of a data channel (RFC 8831 section 6.3): 65535 is reserved.
const MAX_ID: u16 = u16::MAX - 1;

/// How far the end of the outgoing half has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outgoing {
    Open,
    /// Ends when its data is acknowledged, then when the peer confirms it.
    Ending,
    Ended,
}

/// One generation of a stream id.
#[derive(Debug)]
struct Entry {
    /// The caller knows it: it opened it, or its first message was reported.
    known: bool,
    by_peer: bool,
    /// The caller closed it.
    closed: bool,
    /// The peer ended its half.
    incoming_ended: bool,
    /// And every message before that was read: the end is reported, or about to be.
    finished: bool,
    /// The end was reported: the caller cannot reach it any more.
    gone: bool,
    /// A message of the next generation is there already.
    early: bool,
    outgoing: Outgoing,
    bytes_received: u64,
    /// Where its figures go, if they go anywhere.
    place: Option<usize>,
}

impl Entry {
    fn new(by_peer: bool) -> Self {
        Entry {
            known: !by_peer,
            by_peer,
            closed: false,
            incoming_ended: false,
            finished: false,
            gone: false,
            early: false,
            outgoing: Outgoing::Open,
            bytes_received: 0,
            place: None,
        }
    }
}

/// All streams, and the events that wait to be polled: at most three for each stream and two for the association.
#[derive(Debug, Default)]
pub(super) struct Streams {
    entries: BTreeMap<u16, Entry>,
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

    /// The peer confirmed the end of our half.
    pub(super) fn outgoing_done(&mut self, id: u16) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.outgoing = Outgoing::Ended;
            self.complete(id);
        }
    }

    /// Reports that the id is free once both halves have ended.
    fn complete(&mut self, id: u16) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        if !entry.finished || entry.outgoing != Outgoing::Ended {
            return;
        }
        if entry.known {
            let event = StreamEvent::ResetComplete { id };
            self.events.push_back(Event::Stream(event));
        } else {
            self.release(id);
        }
    }

    /// Forgets a generation; begins the next one if its first message is there.
    fn release(&mut self, id: u16) {
        if self.remove(id).is_some_and(|old| old.early) && self.insert_by_peer(id) {
            self.announce(id);
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
                        self.setup.shared.forget_stream(id);
                        self.streams.release(id);
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
        let (Some(entry), Some(transfer)) =
            (self.streams.entries.get_mut(&id), self.transfer.as_mut())
        else {
            return;
        };
        if entry.finished {
            entry.early = true;
        } else if entry.closed {
            discard_unread(transfer, id);
        } else if !entry.known {
            self.streams.announce(id);
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
    fn finish_if_read(&mut self, id: u16) {
        let (Some(entry), Some(transfer)) = (self.streams.entries.get_mut(&id), &self.transfer)
        else {
            return;
        };
        if !entry.incoming_ended || entry.finished || transfer.receiver.has_unread(id) {
            return;
        }
        entry.finished = true;
        if entry.known {
            let event = StreamEvent::Finished { id };
            self.streams.events.push_back(Event::Stream(event));
        }
        self.end_outgoing(id);
        self.streams.complete(id);
    }

    /// Lets our half end after its data, unless it is ending already.
    fn end_outgoing(&mut self, id: u16) {
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

fn discard_unread(transfer: &mut Transfer, id: u16) {
    while transfer.receiver.read(id).is_some() {}
}

/// One stream of an association.
#[derive(Debug)]
pub struct Stream<'a> {
    association: &'a mut Association,
    id: u16,
}

impl<'a> Stream<'a> {
    pub(super) fn find(association: &'a mut Association, id: u16) -> Result<Self, Error> {
        match association.streams.entries.get(&id) {
            Some(entry) if !entry.gone => Ok(Stream { association, id }),
            _ => Err(Error::NoSuchStream),
        }
    }

    pub(super) fn open(association: &'a mut Association, id: u16) -> Result<Self, Error> {
        if association.state != State::Established {
            return Err(Error::NotEstablished);
        }
        if id > MAX_ID {
            return Err(Error::Other("65535 is not a stream id".into()));
        }
        match association.streams.entries.get(&id) {
            Some(entry) if entry.gone => Err(Error::ErrStreamResetPending),
            Some(_) => Err(Error::ErrStreamAlreadyExist),
            None => {
                association.streams.entries.insert(id, Entry::new(false));
                Ok(Stream { association, id })
            }
        }
    }

    fn entry(&self) -> Result<&Entry, Error> {
        let entry = self.association.streams.entries.get(&self.id);
        entry.ok_or(Error::NoSuchStream)
    }

    /// Sets how messages written from now on are delivered: in any order or not, and how hard it is tried. `value` is the
    /// number of retransmissions or milliseconds. Opening messages of data channels stay ordered and reliable.
    /// Without effect on reliability if the peer cannot skip messages. Fails before the association is established.
    pub fn set_reliability_params(
        &mut self,
        unordered: bool,
        kind: ReliabilityType,
        value: u32,
    ) -> Result<(), Error> {
        let kind = match kind {
            ReliabilityType::Reliable => ReliabilityKind::Reliable,
            ReliabilityType::Rexmit => ReliabilityKind::Rexmit(value),
            ReliabilityType::Timed => ReliabilityKind::Timed(Duration::from_millis(value.into())),
        };
        let transfer = self.association.transfer.as_mut();
        let sender = &mut transfer.ok_or(Error::NotEstablished)?.sender;
        sender.set_reliability(self.id, Reliability { unordered, kind });
        Ok(())
    }

    /// Bytes written and not yet in a packet. Costs a look-up.
    pub fn buffered_amount(&self) -> Result<usize, Error> {
        let transfer = self.association.transfer.as_ref();
        Ok(transfer.map_or(0, |t| t.sender.unsent(self.id)))
    }

    /// [`StreamEvent::BufferedAmountLow`] is reported when the amount falls from above `bytes` to it or below. Default 0.
    /// Fails before the association is established.
    pub fn set_buffered_amount_low_threshold(&mut self, bytes: usize) -> Result<(), Error> {
        let transfer = self.association.transfer.as_mut();
        let sender = &mut transfer.ok_or(Error::NotEstablished)?.sender;
        sender.set_low_threshold(self.id, bytes);
        Ok(())
    }

    /// Queues a message and returns its length. Costs one copy of it; it leaves with the next
    /// [`poll_transmit`](Association::poll_transmit) that allows it. An empty message travels as one byte.
    ///
    /// Fails if the stream is closed, the association not established, or the message larger than the peer accepts.
    pub fn write_with_ppi(
        &mut self,
        data: &[u8],
        ppi: PayloadProtocolIdentifier,
    ) -> Result<usize, Error> {
        let entry = self.entry()?;
        if entry.closed || entry.outgoing != Outgoing::Open {
            return Err(Error::StreamClosed);
        }
        let association = &mut *self.association;
        let (State::Established, Some(transfer)) = (association.state, &mut association.transfer)
        else {
            return Err(Error::NotEstablished);
        };
        let limit = association.max_send_message;
        if data.len() > limit {
            let size = data.len();
            return Err(Error::MessageTooLarge { size, limit });
        }
        let (bytes, ppi): (&[u8], _) = match data {
            [] => (&[0], ppi.empty_form().ok_or(Error::EmptyMessage)?),
            data => (data, ppi),
        };
        let control = ppi == PayloadProtocolIdentifier::Dcep;
        transfer
            .sender
            .write(self.id, bytes, ppi.to_wire(), control);
        association.deadline_stale = true;
        association.figures.stale = true;
        Ok(data.len())
    }

    /// The next complete message; `None` if there is none, and always after [`close`](Self::close). Copies nothing.
    pub fn read(&mut self) -> Result<Option<Chunks>, Error> {
        let association = &mut *self.association;
        let entry = association.streams.entries.get_mut(&self.id);
        let entry = entry.ok_or(Error::NoSuchStream)?;
        // What comes after the end belongs to the next stream of this id.
        if entry.closed || entry.finished || !association.setup.shared.is_reading() {
            return Ok(None);
        }
        let Some(transfer) = &mut association.transfer else {
            return Ok(None);
        };
        let Some(message) = transfer.receiver.read(self.id) else {
            return Ok(None);
        };
        entry.bytes_received += message.len as u64;
        association.figures.bytes_received += message.len as u64;
        association.figures.stale = true;
        if entry.incoming_ended {
            association.finish_if_read(self.id);
        }
        Ok(Some(Chunks {
            ppi: PayloadProtocolIdentifier::from_wire(message.ppi),
            parts: message.parts,
            len: message.len,
        }))
    }

    /// Whether messages can still come out of it.
    pub fn is_readable(&self) -> bool {
        self.entry().is_ok_and(|e| !e.closed && !e.finished)
    }

    /// Whether messages can be written.
    pub fn is_writable(&self) -> bool {
        self.entry()
            .is_ok_and(|e| !e.closed && e.outgoing == Outgoing::Open)
    }

    /// Ends both directions: what was written is still delivered, what was not read is dropped. The peer's half ends with
    /// [`StreamEvent::Finished`], and [`StreamEvent::ResetComplete`] says that the id is free again. Closing twice does no harm.
    ///
    /// Fails if the association is not established or the peer cannot reset streams: then neither event comes.
    pub fn close(&mut self) -> Result<(), Error> {
        let id = self.id;
        let association = &mut *self.association;
        if association.state != State::Established {
            return Err(Error::NotEstablished);
        }
        let (Some(entry), Some(transfer)) = (
            association.streams.entries.get_mut(&id),
            association.transfer.as_mut(),
        ) else {
            return Err(Error::NoSuchStream);
        };
        if std::mem::replace(&mut entry.closed, true) {
            return Ok(());
        }
        if !entry.finished {
            discard_unread(transfer, id);
        }
        if !association.peer.is_some_and(|p| p.reconfig) {
            return Err(Error::Other("the peer cannot reset streams".into()));
        }
        association.finish_if_read(id);
        association.end_outgoing(id);
        Ok(())
    }
}
