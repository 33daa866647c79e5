//! What is known of each TSN between the oldest one not acknowledged and the next one to be assigned.
//! Not when it was sent (the transmission log) nor whether it waits to be sent again (the loss queue).
use crate::serial::{Ssn, Tsn};

/// The peer has it.
pub(super) const ACKED: u8 = 1;
/// Waits in the loss queue.
pub(super) const LOST: u8 = 2;
/// Counts as in flight.
pub(super) const FLYING: u8 = 4;
/// Given up; the peer is told to skip it.
pub(super) const ABANDONED: u8 = 8;
/// Was in the loss queue at some time.
pub(super) const DOUBTED: u8 = 16;
/// Has left the network, and the peer's reports are too short to say whether it arrived.
pub(super) const PARKED: u8 = 32;

/// Entries the ring starts with.
const SMALLEST: usize = 256;
/// Most entries: gap blocks cannot name anything further from the cumulative TSN.
pub(super) const LARGEST: usize = 1 << 16;

/// One TSN.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    /// Number of its latest transmission in the log.
    pub(super) sending: u64,
    /// Slot of its message; without meaning once acknowledged or abandoned.
    pub(super) message: u32,
    /// Where its data begins in the message.
    pub(super) offset: u32,
    /// Bytes of user data.
    pub(super) len: u16,
    pub(super) stream: u16,
    pub(super) ssn: Ssn,
    /// How often it was sent.
    pub(super) sent: u16,
    /// Bits of state, see the constants.
    pub(super) state: u8,
    pub(super) begin: bool,
    pub(super) end: bool,
    pub(super) unordered: bool,
}

impl Entry {
    /// Bytes of its chunk in a packet.
    #[inline]
    pub(super) fn size(&self) -> u64 {
        super::chunk_size(usize::from(self.len)) as u64
    }

    #[inline]
    pub(super) fn has(&self, bits: u8) -> bool {
        self.state & bits != 0
    }
}

/// Ring indexed by TSN; grows by doubling up to [`LARGEST`].
#[derive(Debug)]
pub(super) struct Ring {
    slots: Vec<Entry>,
    mask: u32,
    /// Oldest TSN that is not cumulatively acknowledged.
    first: Tsn,
    /// TSN that the next chunk gets.
    next: Tsn,
}

impl Ring {
    pub(super) fn new(initial: Tsn) -> Ring {
        Ring {
            slots: vec![Entry::default(); SMALLEST],
            mask: SMALLEST as u32 - 1,
            first: initial,
            next: initial,
        }
    }

    #[inline]
    pub(super) fn first(&self) -> Tsn {
        self.first
    }

    #[inline]
    pub(super) fn next(&self) -> Tsn {
        self.next
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.next.since(self.first) as usize
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.next == self.first
    }

    #[inline]
    pub(super) fn holds(&self, tsn: Tsn) -> bool {
        tsn.since(self.first) < self.next.since(self.first)
    }

    /// The entry of a TSN that the ring holds. Another's entry comes back for one that it does not hold: ask [`holds`](Self::holds) before.
    #[inline]
    pub(super) fn at(&self, tsn: Tsn) -> &Entry {
        debug_assert!(self.holds(tsn));
        &self.slots[(tsn.0 & self.mask) as usize]
    }

    /// As [`at`](Self::at), to be changed.
    #[inline]
    pub(super) fn at_mut(&mut self, tsn: Tsn) -> &mut Entry {
        debug_assert!(self.holds(tsn));
        &mut self.slots[(tsn.0 & self.mask) as usize]
    }

    /// Adds the entry of the next TSN. `None` if the ring holds as many as it may.
    #[inline]
    pub(super) fn push(&mut self, entry: Entry) -> Option<Tsn> {
        if self.len() == self.slots.len() && !self.grow() {
            return None;
        }
        let tsn = self.next;
        self.next = tsn.next();
        self.slots[(tsn.0 & self.mask) as usize] = entry;
        Some(tsn)
    }

    /// Lets go of the oldest TSN.
    #[inline]
    pub(super) fn pop(&mut self) {
        debug_assert!(!self.is_empty());
        self.first = self.first.next();
    }

    fn grow(&mut self) -> bool {
        let size = self.slots.len() * 2;
        if size > LARGEST {
            return false;
        }
        let mut slots = vec![Entry::default(); size];
        let mask = size as u32 - 1;
        let mut tsn = self.first;
        while tsn != self.next {
            slots[(tsn.0 & mask) as usize] = self.slots[(tsn.0 & self.mask) as usize];
            tsn = tsn.next();
        }
        self.slots = slots;
        self.mask = mask;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_place_while_the_ring_grows_across_the_wrap() {
        let mut ring = Ring::new(Tsn(u32::MAX - 100));
        for n in 0..LARGEST {
            let entry = Entry {
                offset: n as u32,
                ..Entry::default()
            };
            let tsn = ring.push(entry).expect("there is room");
            assert_eq!(tsn, Tsn(u32::MAX - 100) + n as u32);
        }
        assert!(ring.push(Entry::default()).is_none());
        for n in 0..LARGEST as u32 {
            assert_eq!(ring.at(ring.first() + n).offset, n);
        }
        assert!(!ring.holds(ring.first().prev()) && !ring.holds(ring.next()));
        ring.pop();
        assert!(ring.push(Entry::default()).is_some());
    }
}
