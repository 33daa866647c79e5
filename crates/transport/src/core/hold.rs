//! Datagrams of a peer whose event queue is full, kept in order until the consumer has caught up.
//! Keeping them costs the peer nothing; dropping them would cost it a retransmission timeout of a second and more.

use std::collections::VecDeque;

/// Bytes held for one peer: twice what a peer may have in flight (the 1 MiB receive window), with headers.
pub(crate) const HOLD_LIMIT: usize = 2 * 1024 * 1024;
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
