//! Datagrams of a peer whose event queue is full, kept in order until the consumer has caught up.
//! Keeping them costs the peer nothing; dropping them would cost it a retransmission timeout of a second and more.

use std::collections::VecDeque;
use std::time::Instant;

use super::{BATCH, PeerCore, Sink};

/// Bytes held for one peer: twice what a peer may have in flight (the 1 MiB receive window), with headers.
pub(crate) const HOLD_LIMIT: usize = 2 * 1024 * 1024;
/// Held datagrams taken up again in one turn, so that one peer does not keep the others waiting.
const RELEASED_PER_TURN: usize = 256;
/// What a held datagram costs beside its bytes.
const OVERHEAD: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Hold {
    datagrams: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl Hold {
    /// Keeps a copy; false when the bound is reached and the datagram is dropped.
    pub(crate) fn push(&mut self, datagram: &[u8]) -> bool {
        let cost = datagram.len() + OVERHEAD;
        if self.bytes + cost > HOLD_LIMIT {
            return false;
        }
        self.bytes += cost;
        self.datagrams.push_back(datagram.into());
        true
    }

    pub(crate) fn pop(&mut self) -> Option<Box<[u8]>> {
        let datagram = self.datagrams.pop_front()?;
        self.bytes -= datagram.len() + OVERHEAD;
        Some(datagram)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }
}

impl PeerCore {
    /// Whether the consumer may be given more. Looked up once a batch, which is what the limit can be exceeded by.
    pub(super) fn has_room(&mut self, sink: &mut Sink<'_>) -> bool {
        if self.undrained >= BATCH {
            self.drain(sink);
        }
        if self.undrained == 0 {
            self.room = self.shared.events.has_room();
        }
        self.room
    }

    /// Takes up held datagrams again, as far as the consumer has made room.
    pub(super) fn release(&mut self, now: Instant, sink: &mut Sink<'_>) {
        let (Some((local, remote)), false) = (self.path, self.hold.is_empty()) else {
            return;
        };
        for _ in 0..RELEASED_PER_TURN {
            if !self.has_room(sink) {
                break;
            }
            let Some(datagram) = self.hold.pop() else {
                break;
            };
            self.feed(now, local, remote, &datagram, sink);
        }
        self.drain(sink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_the_bound_holds() {
        let mut hold = Hold::default();
        let mut kept = 0u32;
        while hold.push(&[&kept.to_be_bytes()[..], &[0; 1200]].concat()) {
            kept += 1;
        }
        assert!(hold.bytes <= HOLD_LIMIT && hold.bytes > HOLD_LIMIT - 2000);
        for n in 0..kept {
            assert_eq!(hold.pop().unwrap()[..4], n.to_be_bytes());
        }
        assert!(hold.is_empty() && hold.bytes == 0);
    }
}
