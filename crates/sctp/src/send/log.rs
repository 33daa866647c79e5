//! Every transmission in the order of sending, with what was known when it left: RACK and the rate samples read it.
//! Not a trace: entries go as soon as nothing before them is undecided.
use std::collections::VecDeque;

use crate::serial::Tsn;

/// One chunk, sent once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending {
    /// When it was sent, in ns.
    pub(super) at: u64,
    /// Bytes delivered until then.
    pub(super) delivered: u64,
    /// When the latest of those was acknowledged.
    pub(super) delivered_at: u64,
    /// When the latest acknowledged chunk of then had been sent.
    pub(super) first_sent: u64,
    pub(super) tsn: Tsn,
    /// Something other than congestion control held the sender back shortly before.
    pub(super) limited: bool,
    /// Acknowledged, marked lost, abandoned or sent again since.
    pub(super) done: bool,
}

/// The log. Numbers given to transmissions only grow.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Sending>,
    /// Number of the first entry.
    base: u64,
}

impl Log {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a transmission and says its number.
    #[inline]
    pub(super) fn push(&mut self, sending: Sending) -> u64 {
        self.entries.push_back(sending);
        self.base + self.entries.len() as u64 - 1
    }

    /// A transmission that is still kept.
    #[inline]
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Sending> {
        let at = number.checked_sub(self.base)?;
        self.entries.get_mut(usize::try_from(at).ok()?)
    }

    /// The transmission in the given place from the oldest kept.
    #[inline]
    pub(super) fn nth(&self, place: usize) -> Option<&Sending> {
        self.entries.get(place)
    }

    /// Nothing more will be learned from this transmission.
    #[inline]
    pub(super) fn finish(&mut self, number: u64) {
        if let Some(sending) = self.get_mut(number) {
            sending.done = true;
        }
    }

    /// Drops the entries at the front that are done. Constant per entry over its life.
    #[inline]
    pub(super) fn trim(&mut self) {
        while self.entries.front().is_some_and(|sending| sending.done) {
            self.entries.pop_front();
            self.base += 1;
        }
    }
}
