//! The receiving half: takes DATA and FORWARD-TSN, puts messages together, says what to acknowledge.
//! Not the reading application's view of streams, nor anything that is sent but the contents of SACKs.
use std::time::Duration;

#[doc(hidden)]
pub mod gates;
mod held;
mod message;
mod policy;
mod streams;

pub(crate) use message::{Message, Parts};

use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::{Builder, Data, ForwardTsn};
use held::{Held, PAGE, SPAN};
use message::Open;
use policy::{MAX_DUPLICATES, Policy};
use streams::{Placed, Streams};

/// Blocks and duplicates together in one SACK: what fits a packet of the usual size.
const MAX_ENTRIES: usize = 265;
/// Bytes of a SACK chunk without blocks.
const SACK_FIXED: usize = 16;
/// How far a filled gap may go beyond the window.
const GAP_RESERVE: usize = 64 * 1024;
/// Memory that a part of a message takes beside its data: the rest of its datagram, the allocation, and its place in a list.
const PART: usize = 128;
/// Of this, the place in the list, which a part in a page does not have.
const LIST_PLACE: usize = 48;
/// Part of the window that this memory may take before the window shrinks by it. Packets of full size stay below.
const OVERHEAD_SHARE: u32 = 8;

/// A message that is larger than may be received, or than the window will ever hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of more than {limit} bytes arrives")]
pub(crate) struct TooBig {
    /// The limit that it breaks.
    pub(crate) limit: usize,
}

/// What was received and what was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counters {
    /// DATA chunks, all of them.
    pub(crate) chunks: u64,
    /// Bytes of user data accepted.
    pub(crate) bytes: u64,
    /// Chunks that had arrived before.
    pub(crate) duplicates: u64,
    /// Chunks dropped because the window was full.
    pub(crate) no_window: u64,
    /// Chunks dropped because they were too far ahead.
    pub(crate) too_far: u64,
    /// Parts dropped because they fit no message, or their message broke off.
    pub(crate) broken: u64,
    /// Parts dropped because the peer gave up on their message.
    pub(crate) given_up: u64,
    /// Messages dropped because their number had been delivered, skipped or reset.
    pub(crate) stale: u64,
    /// Chunks and messages dropped because there are too many streams.
    pub(crate) no_stream: u64,
}

impl Counters {
    /// Everything dropped, duplicates not counted.
    pub(crate) fn dropped(&self) -> u64 {
        self.no_window + self.too_far + self.broken + self.given_up + self.stale + self.no_stream
    }
}

/// The receiving half of an association.
#[derive(Debug)]
pub(crate) struct Receiver {
    window: u32,
    max_message: usize,
    /// Everything up to here arrived.
    cumulative: Tsn,
    /// The highest number that arrived.
    highest: Tsn,
    held: Held,
    open: Option<Open>,
    streams: Streams,
    policy: Policy,
    /// Bytes of data kept, in whatever state.
    bytes: usize,
    /// Parts that these bytes are in.
    parts: usize,
    pub(crate) counters: Counters,
}

impl Receiver {
    /// `initial` is the number of the peer's first chunk, `window` the bytes that may be kept, `max_message` the largest message.
    pub(crate) fn new(
        initial: Tsn,
        window: u32,
        max_message: u32,
        sack_delay: Duration,
    ) -> Receiver {
        Receiver {
            window,
            max_message: usize::try_from(max_message).unwrap_or(usize::MAX),
            cumulative: initial.prev(),
            highest: initial.prev(),
            held: Held::default(),
            open: None,
            streams: Streams::default(),
            policy: Policy::new(window, sack_delay),
            bytes: 0,
            parts: 0,
            counters: Counters::default(),
        }
    }

    /// Takes a DATA chunk. Duplicates and what does not fit are dropped and counted. An error means that the association cannot go on.
    #[inline]
    pub(crate) fn on_data(&mut self, data: Data) -> Result<(), TooBig> {
        self.counters.chunks += 1;
        if data.immediate {
            self.policy.at_once();
        }
        if !self.is_new(data.tsn) || !self.has_room(&data)? {
            return Ok(());
        }
        self.counters.bytes += data.payload.len() as u64;
        self.bytes += data.payload.len();
        self.parts += 1;
        if data.tsn == self.cumulative.next() {
            if self.cumulative == self.highest {
                self.highest = data.tsn;
            }
            self.cumulative = data.tsn;
            self.append(data)?;
            return self.advance();
        }
        self.ahead(data)
    }

    /// Acknowledges a chunk whose data are not wanted.
    pub(crate) fn discard(&mut self, tsn: Tsn) {
        self.counters.chunks += 1;
        if !self.is_new(tsn) {
            return;
        }
        self.counters.no_stream += 1;
        self.held.mark(tsn);
        if tsn.after(self.highest) {
            self.highest = tsn;
        }
        // What was appended before was appended without this error.
        let _ = self.advance();
    }

    /// To be called after the last chunk of a datagram with DATA.
    pub(crate) fn on_datagram(&mut self, now: Time) {
        self.policy.datagram(now, self.has_gap());
    }

    /// The peer gave up on everything up to a number.
    pub(crate) fn on_forward_tsn(&mut self, forward: &ForwardTsn) -> Result<(), TooBig> {
        self.policy.at_once();
        if !forward.cumulative.after(self.cumulative) {
            return Ok(());
        }
        let until = forward.cumulative;
        if self.highest.after(until) {
            self.give_up(until);
        } else {
            self.give_up(self.highest);
            self.highest = until;
        }
        self.cumulative = until;
        if let Some(open) = self.open.take() {
            let parts = open.message.parts.as_slice().len();
            self.free(open.message.len, parts);
            self.counters.given_up += parts as u64;
        }
        for (stream, ssn) in forward.streams() {
            self.streams.skip(stream, ssn);
        }
        self.advance()
    }

    /// The highest number up to which everything arrived.
    pub(crate) fn cumulative(&self) -> Tsn {
        self.cumulative
    }

    /// Bytes of data kept.
    pub(crate) fn held(&self) -> usize {
        self.bytes
    }

    /// The window that a SACK would tell now.
    pub(crate) fn a_rwnd(&self) -> u32 {
        let used = u32::try_from(self.charged()).unwrap_or(u32::MAX);
        self.window.saturating_sub(used)
    }

    /// Whether a SACK is to be sent.
    #[inline]
    pub(crate) fn sack_due(&self, now: Time) -> bool {
        self.policy.due(now)
    }

    /// When a SACK will be due at the latest.
    pub(crate) fn sack_deadline(&self) -> Option<Time> {
        self.policy.deadline()
    }

    /// Writes a SACK with at most `max_blocks` blocks and what fits. `false`, and nothing written, if not even an empty one does.
    pub(crate) fn write_sack(&mut self, builder: &mut Builder, max_blocks: usize) -> bool {
        let Some(room) = builder.remaining().checked_sub(SACK_FIXED) else {
            return false;
        };
        let room = (room / 4).min(MAX_ENTRIES);
        let duplicates = self.policy.duplicates();
        let duplicates = &duplicates[..duplicates.len().min(room).min(MAX_DUPLICATES)];
        let mut blocks = [(0, 0); MAX_ENTRIES];
        let most = (room - duplicates.len()).min(max_blocks);
        let count = if self.has_gap() {
            self.held
                .blocks(self.cumulative, self.highest, &mut blocks[..most])
        } else {
            0
        };
        let a_rwnd = self.a_rwnd();
        let blocks = blocks[..count].iter().copied();
        if !builder.push_sack(self.cumulative, a_rwnd, blocks, duplicates) {
            return false;
        }
        self.policy.sent(a_rwnd);
        true
    }

    /// The next stream that has messages to read and had none when it was named last.
    pub(crate) fn pop_readable(&mut self) -> Option<u16> {
        self.streams.pop_readable()
    }

    /// Takes the next message of a stream. May make a SACK due, because the window grows.
    pub(crate) fn read(&mut self, stream: u16) -> Option<Message> {
        let message = self.streams.read(stream)?;
        self.free(message.len, message.parts.as_slice().len());
        self.policy.window(self.a_rwnd());
        Some(message)
    }

    /// Whether a stream has a message to read.
    pub(crate) fn has_unread(&self, stream: u16) -> bool {
        self.streams.has_unread(stream)
    }

    /// The peer reset the stream: its next message has number 0. Messages that can be read stay so; unfinished and waiting ones are dropped.
    pub(crate) fn reset(&mut self, stream: u16) {
        for message in self.streams.reset(stream) {
            self.free(message.len, message.parts.as_slice().len());
            self.counters.stale += 1;
        }
        if self.open.as_ref().is_some_and(|open| open.stream == stream) {
            self.break_off();
        }
    }

    /// Whether the chunk did not arrive before and lies within the span; otherwise counts why not.
    #[inline]
    fn is_new(&mut self, tsn: Tsn) -> bool {
        let ahead = tsn.since(self.cumulative);
        if ahead == 1 {
            return true;
        }
        if !tsn.after(self.cumulative) || (ahead <= SPAN && self.held.contains(tsn)) {
            self.counters.duplicates += 1;
            self.policy.duplicate(tsn);
            return false;
        }
        if ahead > SPAN {
            self.counters.too_far += 1;
            self.policy.at_once();
            return false;
        }
        true
    }

    /// Whether the window takes the chunk. When it is full only gaps are filled, up to a reserve; and when there is nothing that a
    /// reader could take to make room, what comes next in order, or nothing would ever move again.
    #[inline]
    fn has_room(&mut self, data: &Data) -> Result<bool, TooBig> {
        let (used, window) = (self.charged(), self.window as usize);
        if used < window {
            return Ok(true);
        }
        let len = data.payload.len();
        if self.highest.after(data.tsn) && used + len <= window + GAP_RESERVE {
            return Ok(true);
        }
        if data.tsn == self.cumulative.next() && !self.streams.any_unread() {
            let open = self.open.as_ref().map_or(0, |open| open.message.len);
            if data.begin || open + len <= window {
                return Ok(true);
            }
            return Err(TooBig { limit: window });
        }
        self.counters.no_window += 1;
        self.policy.at_once();
        Ok(false)
    }

    /// Bytes that count against the window: the data, and the memory around them as far as it is out of proportion.
    #[inline]
    fn charged(&self) -> usize {
        let overhead =
            self.parts * PART - self.held.stored() * LIST_PLACE + self.held.pages() * PAGE;
        let share = (self.window / OVERHEAD_SHARE) as usize;
        self.bytes + overhead.saturating_sub(share)
    }

    fn has_gap(&self) -> bool {
        self.highest != self.cumulative
    }

    /// Takes a chunk above a gap, and its whole message if it is the last part that was missing.
    fn ahead(&mut self, data: Data) -> Result<(), TooBig> {
        let tsn = data.tsn;
        if tsn.after(self.highest) {
            self.highest = tsn;
        }
        self.held.insert(data);
        let Some((first, last)) = self.held.message_around(tsn) else {
            return Ok(());
        };
        let mut whole: Option<Open> = None;
        let mut at = first;
        loop {
            // `message_around` found every one of them.
            if let Some(data) = self.held.take(at) {
                match &mut whole {
                    None if data.begin => whole = Some(Open::new(data)),
                    Some(open) if open.takes(&data) => open.push(data.payload),
                    _ => {
                        self.free(data.payload.len(), 1);
                        self.counters.broken += 1;
                    }
                }
            }
            if at == last {
                break;
            }
            at = at.next();
        }
        match whole {
            Some(open) if open.message.len > self.max_message => Err(self.too_big()),
            Some(open) => {
                self.deliver(open);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Goes up over what arrived before the gap was filled.
    fn advance(&mut self) -> Result<(), TooBig> {
        while self.has_gap() && self.held.contains(self.cumulative.next()) {
            self.cumulative = self.cumulative.next();
            match self.held.remove(self.cumulative) {
                Some(data) => self.append(data)?,
                // Part of a message that is delivered: the one begun before it has no end.
                None => self.break_off(),
            }
        }
        Ok(())
    }

    /// Takes the chunk that follows all before it.
    #[inline]
    fn append(&mut self, data: Data) -> Result<(), TooBig> {
        let end = data.end;
        if data.begin {
            self.break_off();
            self.open = Some(Open::new(data));
        } else {
            match &mut self.open {
                Some(open) if open.takes(&data) => open.push(data.payload),
                _ => {
                    self.break_off();
                    self.free(data.payload.len(), 1);
                    self.counters.broken += 1;
                    return Ok(());
                }
            }
        }
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.message.len > self.max_message)
        {
            return Err(self.too_big());
        }
        if end && let Some(open) = self.open.take() {
            self.deliver(open);
        }
        Ok(())
    }

    fn too_big(&self) -> TooBig {
        TooBig {
            limit: self.max_message,
        }
    }

    /// Hands a complete message to its stream.
    fn deliver(&mut self, open: Open) {
        let (stream, ssn, message) = open.finish();
        let (len, parts) = (message.len, message.parts.as_slice().len());
        match self.streams.deliver(stream, ssn, message) {
            Placed::Kept => return,
            Placed::Stale => self.counters.stale += 1,
            Placed::NoStream => self.counters.no_stream += 1,
        }
        self.free(len, parts);
    }

    /// Drops the message that has begun, if there is one.
    #[inline]
    fn break_off(&mut self) {
        if let Some(open) = self.open.take() {
            let parts = open.message.parts.as_slice().len();
            self.free(open.message.len, parts);
            self.counters.broken += parts as u64;
        }
    }

    /// Drops what is held up to a number, which is not above the highest.
    fn give_up(&mut self, until: Tsn) {
        let (chunks, bytes) = self.held.clear(self.cumulative, until);
        self.free(bytes, chunks);
        self.counters.given_up += chunks as u64;
    }

    /// Panics unless the counts agree with what is really kept. For tests: looks at everything.
    pub(crate) fn check(&self) {
        let open = self.open.iter().map(|open| &open.message);
        let (mut bytes, mut parts) = self.held.measure();
        for message in self.streams.all().chain(open) {
            bytes += message.len;
            parts += message.parts.as_slice().len();
        }
        assert_eq!((self.bytes, self.parts), (bytes, parts));
        assert!(!self.cumulative.after(self.highest));
        assert!(!self.held.contains(self.cumulative.next()) || !self.has_gap());
    }

    fn free(&mut self, bytes: usize, parts: usize) {
        self.bytes -= bytes;
        self.parts -= parts;
    }
}

#[cfg(test)]
mod tests;
