//! Filling packets: what was lost first, then new data, as far as window, pacing and the peer allow.
//! Not the packet itself: headers and other chunks are the association's.
use super::log::Sending;
use super::messages::Policy;
use super::ring::{ABANDONED, ACKED, Entry, FLYING, LOST, PARKED};
use super::{Sender, Time, chunk_size};
use crate::serial::Tsn;
use crate::wire::{Builder, DataHeader};

/// Packets of the peer's window that are never used: an implementation that drops everything near its limit would drop hole fillers too.
const SPARE_PACKETS: u64 = 2;
/// Packets that may leave at once when nothing was on the path for a round trip.
const RESTART_PACKETS: usize = 10;
/// Transmissions kept at most; more would need a peer that acknowledges without end what it did not get.
const LOG_LIMIT: usize = 4 * super::ring::LARGEST;

impl Sender {
    /// Whether [`write_data`](Self::write_data) would write something now. A few comparisons.
    #[inline]
    pub(crate) fn wants_to_send(&self, now: Time) -> bool {
        if self.recovery.probe {
            return true;
        }
        if let Some(left) = self.recovery.allowance {
            return left > 0 && !self.lost.is_empty();
        }
        let work = !self.lost.is_empty() || (self.streams.unsent() > 0 && self.peer_takes(1));
        work && self.may_start(now.0)
    }

    /// Fills the rest of one packet. False, and nothing written, if nothing may go now or nothing that may go fits.
    pub(crate) fn write_data(&mut self, now: Time, out: &mut Builder) -> bool {
        let now = now.0;
        self.stamp_lifetimes(now);
        let room = out.remaining();
        if self.recovery.probe {
            self.recovery.probe = !self.write_probe(now, out);
        } else if self.may_start(now) {
            self.write_lost(now, out);
            if self.lost.is_empty() && self.recovery.allowance.is_none() {
                self.write_new(now, out);
            }
        }
        let written = room - out.remaining();
        if written > 0 {
            self.counters.packets += 1;
            self.pacer.spend(now, written);
            self.arm_after_send(now);
        }
        self.note_release(Time(now));
        written > 0
    }

    /// Whether a packet may begin now: pacing, window, the rules before the peer is heard and after a timeout.
    #[inline]
    fn may_start(&self, now: u64) -> bool {
        if let Some(left) = self.recovery.allowance {
            return left > 0;
        }
        if !self.heard && self.in_flight > 0 {
            return false;
        }
        self.pacer.is_open(now) && self.fits_window(1) && self.log.len() < LOG_LIMIT
    }

    /// Whether `size` more bytes may be in flight. One chunk always may.
    #[inline]
    fn fits_window(&self, size: u64) -> bool {
        self.in_flight == 0 || self.in_flight + size <= self.window
    }

    /// Whether the peer has room for `len` more bytes of new data and can keep track of them.
    #[inline]
    fn peer_takes(&self, len: u64) -> bool {
        if self.reports.hidden_above.is_some() {
            return false;
        }
        let usable = self
            .peer_window
            .saturating_sub(SPARE_PACKETS * self.payload as u64);
        let room = self.outstanding == 0 || self.outstanding + len <= usable;
        room && self.ring.len() < self.span as usize
    }

    fn write_lost(&mut self, now: u64, out: &mut Builder) {
        while let Some(tsn) = self.lost.first(self.ring.first()) {
            let entry = *self.ring.at(tsn);
            if self.give_up_if_worthless(&entry, now) {
                continue;
            }
            let size = entry.size();
            if size > out.remaining() as u64 {
                return;
            }
            match self.recovery.allowance {
                Some(0) => return,
                Some(left) => self.recovery.allowance = Some(left - 1),
                None if !self.fits_window(size) => return,
                None => {}
            }
            self.lost.remove(tsn);
            let last = self.lost.is_empty() && self.streams.unsent() == 0;
            if !self.resend(tsn, now, last, out) {
                // The chunk fits and its bytes are kept until it is acknowledged; this is for the case that either is wrong.
                self.lost.insert(tsn);
                return;
            }
        }
    }

    fn write_new(&mut self, now: u64, out: &mut Builder) {
        loop {
            let Some(slot) = self.next_message(now) else {
                self.starved = true;
                self.limited_at = Some(now);
                return;
            };
            let Some(message) = self.messages.get(slot) else {
                return;
            };
            let len = message.rest().min(self.payload);
            let size = chunk_size(len) as u64;
            // Fragments are not cut smaller to fill a packet.
            if size > out.remaining() as u64 {
                return;
            }
            if !self.peer_takes(len as u64) {
                self.limited_at = Some(now);
                return;
            }
            if !self.fits_window(size) {
                return;
            }
            if !self.heard && self.in_flight > 0 && out.is_empty() {
                return;
            }
            if !self.send_new(slot, len, now, out) {
                return;
            }
        }
    }

    /// The message whose turn it is, past those that are not worth sending any more.
    fn next_message(&mut self, now: u64) -> Option<u32> {
        loop {
            let slot = self.streams.front()?;
            if !self.give_up_if_expired(slot, now) {
                return Some(slot);
            }
        }
    }

    /// Sends the next `len` bytes of a message.
    fn send_new(&mut self, slot: u32, len: usize, now: u64, out: &mut Builder) -> bool {
        let (Some(message), Some(stream)) = (self.messages.get_mut(slot), self.streams.front_mut())
        else {
            return false;
        };
        let (begin, end) = (message.taken == 0, message.rest() == len);
        if begin {
            message.first = self.ring.next();
            if !message.unordered {
                message.ssn = stream.next_ssn;
                stream.next_ssn = stream.next_ssn.next();
            }
        }
        let entry = Entry {
            message: slot,
            offset: message.taken,
            len: len as u16,
            stream: message.stream,
            ssn: message.ssn,
            begin,
            end,
            unordered: message.unordered,
            ..Entry::default()
        };
        let Some(tsn) = self.ring.push(entry) else {
            return false;
        };
        message.taken += len as u32;
        message.live += 1;
        message.fragments += 1;
        stream.open += 1;
        stream.bytes_sent += len as u64;
        self.streams.take(len, end);
        self.outstanding += len as u64;
        self.counters.bytes += len as u64;
        if std::mem::take(&mut self.starved) {
            self.limited_at = Some(now);
        }
        let immediate = self.is_last_for_now(len);
        self.put(tsn, now, immediate, out)
    }

    /// Nothing more may follow until the peer answers: it is asked to do so at once.
    #[inline]
    fn is_last_for_now(&self, len: usize) -> bool {
        let next = chunk_size(self.payload) as u64;
        self.streams.unsent() == 0
            || self.in_flight + chunk_size(len) as u64 + next > self.window
            || !self.peer_takes(self.payload as u64)
    }

    /// Sends a chunk again.
    fn resend(&mut self, tsn: Tsn, now: u64, immediate: bool, out: &mut Builder) -> bool {
        let entry = *self.ring.at(tsn);
        self.log.finish(entry.sending);
        self.counters.retransmitted += 1;
        self.counters.bytes_retransmitted += u64::from(entry.len);
        if let Some(stream) = self.streams.get_mut(entry.stream) {
            stream.bytes_resent += u64::from(entry.len);
        }
        self.put(tsn, now, immediate, out)
    }

    /// Writes the chunk of a TSN and notes that it is in flight.
    fn put(&mut self, tsn: Tsn, now: u64, immediate: bool, out: &mut Builder) -> bool {
        let entry = *self.ring.at(tsn);
        let Some(message) = self.messages.get(entry.message) else {
            return false;
        };
        let header = DataHeader {
            tsn,
            stream: entry.stream,
            ssn: entry.ssn,
            ppi: message.ppi,
            begin: entry.begin,
            end: entry.end,
            unordered: entry.unordered,
            immediate,
        };
        let from = entry.offset as usize;
        let bytes = &message.data[from..from + usize::from(entry.len)];
        if !out.push_data(&header, bytes) {
            return false;
        }
        if self.in_flight == 0 {
            let idle = now.saturating_sub(self.delivered_at);
            if self.counters.chunks == 0 || idle > self.rtt.smoothed {
                self.pacer.grant(RESTART_PACKETS * self.payload);
            }
            if self.counters.chunks > 0 {
                self.control.on_restart(now, idle);
                self.refresh();
            }
            (self.first_sent, self.delivered_at) = (now, now);
        }
        let size = entry.size();
        let sending = self.log.push(Sending {
            at: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            tsn,
            limited: self.is_limited(now),
            done: false,
        });
        let entry = self.ring.at_mut(tsn);
        entry.sending = sending;
        entry.sent = entry.sent.saturating_add(1);
        if !entry.has(FLYING) {
            self.in_flight += size;
        }
        entry.state = (entry.state | FLYING) & !(LOST | PARKED);
        self.counters.chunks += 1;
        true
    }

    /// The tail loss probe: new data if the peer may get some, else the highest chunk that is not acknowledged.
    /// False if it did not fit what is left of the packet.
    fn write_probe(&mut self, now: u64, out: &mut Builder) -> bool {
        let room = out.remaining();
        if !self.lost.is_empty() {
            let allowance = self.recovery.allowance.replace(1);
            self.write_lost(now, out);
            self.recovery.allowance = allowance;
            return out.remaining() < room || self.lost.is_empty();
        }
        if self.heard
            && let Some(slot) = self.next_message(now)
            && let Some(message) = self.messages.get(slot)
        {
            let len = message.rest().min(self.payload);
            let size = chunk_size(len);
            if self.peer_takes(len as u64) && self.fits_window(size as u64) {
                let sent = size <= room && self.send_new(slot, len, now, out);
                self.counters.probes += u64::from(sent);
                return sent;
            }
        }
        let mut tsn = self.ring.next();
        while tsn != self.ring.first() {
            tsn = tsn.prev();
            let entry = self.ring.at(tsn);
            if !entry.has(ACKED | ABANDONED) && self.may_repeat(entry) {
                let sent = entry.size() <= room as u64 && self.resend(tsn, now, true, out);
                self.counters.probes += u64::from(sent);
                return sent;
            }
        }
        true
    }

    /// Whether the message of the chunk allows it to be sent once more.
    fn may_repeat(&self, entry: &Entry) -> bool {
        let policy = self
            .messages
            .get(entry.message)
            .map(|message| message.policy);
        !matches!(policy, Some(Policy::Rexmit(times)) if entry.sent > times)
    }

    /// Asks to be called again if only the pacer is in the way. Also to be called when nothing may go: what was written or
    /// acknowledged since the last packet may have left the pacer as the only reason. True if the wish changed.
    pub(crate) fn note_release(&mut self, now: Time) -> bool {
        let now = now.0;
        self.stamp_lifetimes(now);
        let work = !self.lost.is_empty() || (self.streams.unsent() > 0 && self.peer_takes(1));
        let paced = self.recovery.allowance.is_none() && !self.pacer.is_open(now);
        let heard = self.heard || self.in_flight == 0;
        let release = work && paced && heard && self.fits_window(1);
        let release = release.then(|| self.pacer.wake_up());
        std::mem::replace(&mut self.release, release) != release
    }

    /// Notes whether something other than congestion control holds us back.
    pub(super) fn note_limits(&mut self, now: u64) {
        let nothing = self.lost.is_empty() && self.streams.unsent() == 0;
        if nothing {
            self.starved = true;
        }
        if nothing || !self.peer_takes(self.payload as u64) {
            self.limited_at = Some(now);
        }
    }

    /// Whether something held us back within the last round trip.
    #[inline]
    pub(super) fn is_limited(&self, now: u64) -> bool {
        let turn = self.rtt.smoothed.max(1_000_000);
        self.limited_at
            .is_some_and(|at| now < at.saturating_add(turn))
    }
}
