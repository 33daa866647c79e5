//! The receiving half: takes DATA and FORWARD-TSN, puts messages together, says what to acknowledge.
//! Not the reading application's view of streams, nor anything that is sent but the contents of SACKs.
use std::time::Duration;

mod assembly;
mod counters;
#[doc(hidden)]
pub mod gates;
mod held;
mod message;
mod policy;
mod streams;

pub(crate) use counters::{Counters, TooBig};
pub(crate) use message::{Message, Parts};

use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::{Builder, Data, ForwardTsn};
use held::{Held, PAGE, SPAN};
use message::Open;
use policy::{MAX_DUPLICATES, Policy};
use streams::Streams;

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

    /// Acknowledges a chunk whose data are not wanted. An error as from [`on_data`](Self::on_data): it may fill a gap.
    pub(crate) fn discard(&mut self, tsn: Tsn) -> Result<(), TooBig> {
        self.counters.chunks += 1;
        if !self.is_new(tsn) {
            return Ok(());
        }
        self.counters.no_stream += 1;
        self.held.mark(tsn);
        if tsn.after(self.highest) {
            self.highest = tsn;
        }
        self.advance()
    }

    /// To be called after the last chunk of a datagram with DATA.
    pub(crate) fn on_datagram(&mut self, now: Time) {
        self.policy.datagram(now, self.has_gap());
    }

    /// The peer gave up on everything up to a number. `admit` says of each stream it names whether it may exist.
    pub(crate) fn on_forward_tsn(
        &mut self,
        forward: &ForwardTsn,
        mut admit: impl FnMut(u16) -> bool,
    ) -> Result<(), TooBig> {
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
            if admit(stream) {
                self.streams.skip(stream, ssn);
            } else {
                self.counters.no_stream += 1;
            }
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
    /// reader could take to make room, what comes next in order, or nothing would ever move again: one message's worth of it.
    /// With more the peer leaves out messages that it never announced as skipped, and nothing can help it.
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
            let most = window + GAP_RESERVE + self.max_message.min(window);
            if used + len <= most && (data.begin || open + len <= window) {
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
}

#[cfg(test)]
mod tests;
