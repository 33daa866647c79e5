//! The bytes of messages that are not yet acknowledged, in slots that are used again.
//! Not their order: streams queue slots, the ring names them.
use crate::serial::{Ssn, Tsn};

/// For how long a message is worth sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Reliable,
    /// Given up when it would have to be sent again more often than this.
    Rexmit(u16),
    /// Given up from this time on, in ns; `u64::MAX` until it is stamped.
    Until(u64),
}

/// A message, whole.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) data: Box<[u8]>,
    pub(super) ppi: u32,
    /// Bytes that already have a TSN.
    pub(super) taken: u32,
    /// TSNs that are neither acknowledged nor abandoned.
    pub(super) live: u32,
    /// TSNs it has got; they are consecutive.
    pub(super) fragments: u32,
    /// The first of them.
    pub(super) first: Tsn,
    pub(super) policy: Policy,
    pub(super) ssn: Ssn,
    pub(super) stream: u16,
    pub(super) unordered: bool,
}

impl Message {
    /// Bytes without a TSN.
    #[inline]
    pub(super) fn rest(&self) -> usize {
        self.data.len() - self.taken as usize
    }
}

/// All messages of an association. Memory: the bytes written and not acknowledged, and one slot per message.
#[derive(Debug, Default)]
pub(super) struct Messages {
    slots: Vec<Option<Message>>,
    free: Vec<u32>,
}

impl Messages {
    /// Stores a message and says its slot.
    #[inline]
    pub(super) fn insert(&mut self, message: Message) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(message);
            return slot;
        }
        self.slots.push(Some(message));
        self.slots.len() as u32 - 1
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<&Message> {
        self.slots.get(slot as usize)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Message> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Frees the slot.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32) -> Option<Message> {
        let message = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(message)
    }

    /// Every message, for the checks of tests.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.slots.iter().flatten()
    }
}
