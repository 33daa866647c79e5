//! Messages that are given up: those sent too often or too old, and telling the peer to skip them (RFC 3758).
//! Not the choice of policy; messages of the channel protocol never come here.
use super::messages::{Message, Policy};
use super::ring::{ABANDONED, ACKED, Entry, LOST, PARKED};
use super::{Sender, Time};
use crate::serial::{Ssn, Tsn};
use crate::wire::Builder;

/// What is known about skipping.
#[derive(Debug)]
pub(super) struct Partial {
    /// Every TSN up to here is acknowledged or abandoned.
    reached: Tsn,
    /// The last abandoned one of those: up to here the peer may skip.
    forward: Tsn,
    /// Something was ever abandoned: before that nothing here costs anything.
    used: bool,
    /// The peer is to be told now.
    due: bool,
    /// When it was last told, in ns.
    told_at: u64,
    /// Messages with a lifetime that did not start yet, and the lifetime in ns.
    fresh: Vec<(u32, u64)>,
}

impl Partial {
    pub(super) fn new(initial: Tsn) -> Partial {
        Partial {
            reached: initial.prev(),
            forward: initial.prev(),
            used: false,
            due: false,
            told_at: 0,
            fresh: Vec::new(),
        }
    }

    /// The lifetime of the message starts when packets are next asked for.
    pub(super) fn stamp_later(&mut self, slot: u32, life: u64) {
        self.fresh.push((slot, life));
    }

    /// Tells the peer again.
    pub(super) fn repeat(&mut self) {
        self.due = self.used;
    }
}

impl Sender {
    /// Whether the peer is to be told to skip something.
    #[inline]
    pub(crate) fn pending_forward_tsn(&self) -> bool {
        self.partial.due && self.forward_tsn && self.has_to_skip()
    }

    fn has_to_skip(&self) -> bool {
        self.partial.used && self.partial.forward.after(self.ring.first().prev())
    }

    /// Writes FORWARD-TSN if it is due. If not all streams fit, it skips as far as they do. False if nothing was written.
    fn write_forward_tsn(&mut self, now: Time, out: &mut Builder) -> bool {
        if !self.pending_forward_tsn() {
            return false;
        }
        let most = out.remaining().saturating_sub(8) / 4;
        let mut streams: Vec<(u16, Ssn)> = Vec::new();
        let mut tsn = self.ring.first();
        let mut last = tsn.prev();
        while !tsn.after(self.partial.forward) {
            let entry = self.ring.at(tsn);
            if entry.has(ABANDONED) && !entry.unordered {
                match streams.iter().rposition(|(id, _)| *id == entry.stream) {
                    Some(at) => streams[at].1 = entry.ssn,
                    None if streams.len() == most => break,
                    None => streams.push((entry.stream, entry.ssn)),
                }
            }
            last = tsn;
            tsn = tsn.next();
        }
        if last == self.ring.first().prev() || !out.push_forward_tsn(last, streams.into_iter()) {
            return false;
        }
        self.partial.due = false;
        self.partial.told_at = now.0;
        self.arm_after_send(now.0);
        true
    }

    /// Writes what is to be skipped and the data that may go. False if there was no data.
    pub(crate) fn write_all(&mut self, now: Time, out: &mut Builder) -> bool {
        self.write_forward_tsn(now, out);
        let data = self.write_data(now, out);
        if out.is_empty() {
            // Looking for data gave messages up: nobody would ask again for the packet that says so.
            self.write_forward_tsn(now, out);
        }
        data
    }

    /// After a SACK: if the hole is still there, the peer is told again once a round trip.
    pub(super) fn partial_after_sack(&mut self, now: u64) {
        if !self.partial.used {
            return;
        }
        self.advance_forward();
        if self.has_to_skip() {
            let again = self.partial.told_at.saturating_add(self.rtt.smoothed);
            self.partial.due |= now >= again;
        } else {
            self.partial.due = false;
        }
    }

    /// The oldest TSN leaves the ring: the peer has it or skipped it.
    pub(super) fn leave(&mut self, tsn: Tsn) {
        let entry = self.ring.at(tsn);
        if entry.has(ABANDONED)
            && let Some(stream) = self.streams.get_mut(entry.stream)
        {
            stream.open = stream.open.saturating_sub(1);
        }
    }

    /// A fragment arrived: its stream and message have one less to wait for.
    #[inline]
    pub(super) fn close_fragment(&mut self, entry: &Entry) {
        if let Some(stream) = self.streams.get_mut(entry.stream) {
            stream.open = stream.open.saturating_sub(1);
        }
        if let Some(message) = self.messages.get_mut(entry.message) {
            message.live -= 1;
            if message.live == 0 && message.rest() == 0 {
                self.messages.remove(entry.message);
            }
        }
    }

    /// Starts the lifetimes of messages written since the last call.
    #[inline]
    pub(super) fn stamp_lifetimes(&mut self, now: u64) {
        while let Some((slot, life)) = self.partial.fresh.pop() {
            if let Some(message) = self.messages.get_mut(slot)
                && message.policy == Policy::Until(u64::MAX)
            {
                message.policy = Policy::Until(now.saturating_add(life).min(u64::MAX - 1));
            }
        }
    }

    /// Gives up a queued message whose time is over.
    pub(super) fn give_up_if_expired(&mut self, slot: u32, now: u64) -> bool {
        let Some(message) = self.messages.get(slot) else {
            return false;
        };
        let over = matches!(message.policy, Policy::Until(end) if end <= now);
        let allowed = self.forward_tsn || message.fragments == 0;
        if over && allowed {
            self.give_up(slot);
        }
        over && allowed
    }

    /// Gives up the message of a lost chunk if it is not worth sending again.
    pub(super) fn give_up_if_worthless(&mut self, entry: &Entry, now: u64) -> bool {
        let Some(message) = self.messages.get(entry.message) else {
            return false;
        };
        let worthless = match message.policy {
            Policy::Reliable => false,
            Policy::Rexmit(times) => entry.sent > times,
            Policy::Until(end) => end <= now,
        };
        if worthless && self.forward_tsn {
            self.give_up(entry.message);
        }
        worthless && self.forward_tsn
    }

    /// Abandons a message: what was sent is skipped, what was not gets no TSN.
    fn give_up(&mut self, slot: u32) {
        let Some(message) = self.messages.remove(slot) else {
            return;
        };
        self.counters.abandoned += 1;
        self.partial.used = true;
        for n in 0..message.fragments {
            self.abandon(message.first + n);
        }
        let rest = message.rest();
        if rest > 0 {
            self.counters.bytes_abandoned += rest as u64;
            self.streams.drop_rest(message.stream, slot, rest);
            if message.fragments > 0 {
                self.close_begun(&message);
            }
        }
        self.log.trim();
        self.advance_forward();
        self.partial.due = true;
    }

    fn abandon(&mut self, tsn: Tsn) {
        if !self.ring.holds(tsn) {
            return;
        }
        let entry = self.ring.at_mut(tsn);
        if entry.has(ACKED | ABANDONED) {
            return;
        }
        let was = *entry;
        // What is on its way still fills the path: it leaves the flight when it arrives or is overtaken.
        entry.state = (was.state | ABANDONED) & !(LOST | PARKED);
        self.lost.remove(tsn);
        self.outstanding -= u64::from(was.len);
        self.counters.bytes_abandoned += u64::from(was.len);
    }

    /// A message that was sent in part gets one more TSN, which is skipped too: else the peer would wait for its end for ever.
    fn close_begun(&mut self, message: &Message) {
        let entry = Entry {
            stream: message.stream,
            ssn: message.ssn,
            unordered: message.unordered,
            end: true,
            // Never sent: no transmission has this number.
            sending: u64::MAX,
            state: ABANDONED,
            ..Entry::default()
        };
        if self.ring.push(entry).is_some()
            && let Some(stream) = self.streams.get_mut(message.stream)
        {
            stream.open += 1;
        }
    }

    /// What lies behind the last abandoned TSN may be the beginning of a message that is still wanted: acknowledged so far,
    /// the rest on its way. Before it every message is whole or abandoned, because the parts of a message are consecutive.
    fn advance_forward(&mut self) {
        let passed = self.ring.first().prev();
        let partial = &mut self.partial;
        for point in [&mut partial.reached, &mut partial.forward] {
            if passed.after(*point) {
                *point = passed;
            }
        }
        while self.ring.holds(partial.reached.next()) {
            let entry = self.ring.at(partial.reached.next());
            if !entry.has(ACKED | ABANDONED) {
                break;
            }
            partial.reached = partial.reached.next();
            if entry.has(ABANDONED) {
                partial.forward = partial.reached;
            }
        }
    }
}
