//! When a SACK is sent.
//! Not what is in it, but for the list of duplicates.
use std::time::Duration;

use crate::serial::Tsn;
use crate::time::Time;

/// Datagrams at the start of an association that are each answered at once: some senders grow by the number of SACKs.
const EAGER: u64 = 500;
/// Datagrams that are answered together later on.
const EVERY: u32 = 2;
/// Duplicates that one SACK reports.
pub(super) const MAX_DUPLICATES: usize = 20;
/// Window that must have come free for a SACK without data: two packets at least, and this part of the whole window.
const WINDOW_PART: u32 = 4;
const TWO_PACKETS: u32 = 2400;

/// State of the decision.
#[derive(Debug)]
pub(super) struct Policy {
    delay: Duration,
    window: u32,
    /// Datagrams with data so far.
    datagrams: u64,
    /// Of them, since the last SACK.
    since_last: u32,
    /// Send at once.
    now: bool,
    deadline: Option<Time>,
    /// Something was missing when the last datagram ended.
    gap: bool,
    duplicates: Vec<Tsn>,
    /// Window told last.
    told: u32,
}

impl Policy {
    pub(super) fn new(window: u32, delay: Duration) -> Policy {
        Policy {
            delay,
            window,
            datagrams: 0,
            since_last: 0,
            now: false,
            deadline: None,
            gap: false,
            duplicates: Vec::new(),
            told: window,
        }
    }

    /// A datagram with data ended; `gap` if something is missing below what arrived.
    pub(super) fn datagram(&mut self, now: Time, gap: bool) {
        self.datagrams += 1;
        self.since_last += 1;
        // The one that closes the gap is news too.
        let gap = gap | std::mem::replace(&mut self.gap, gap);
        if gap || self.since_last >= EVERY || self.datagrams <= EAGER {
            self.now = true;
        } else if self.deadline.is_none() {
            self.deadline = Some(now + self.delay);
        }
    }

    /// Something that the peer should hear of at once.
    pub(super) fn at_once(&mut self) {
        self.now = true;
    }

    /// A chunk came again.
    pub(super) fn duplicate(&mut self, tsn: Tsn) {
        self.now = true;
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(tsn);
        }
    }

    /// Messages were read; the window is now this.
    pub(super) fn window(&mut self, a_rwnd: u32) {
        let step = (self.window / WINDOW_PART).max(TWO_PACKETS);
        if a_rwnd.saturating_sub(self.told) >= step {
            self.now = true;
        }
    }

    pub(super) fn due(&self, now: Time) -> bool {
        self.now || self.deadline.is_some_and(|deadline| deadline <= now)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    pub(super) fn duplicates(&self) -> &[Tsn] {
        &self.duplicates
    }

    /// A SACK with all that was sent.
    pub(super) fn sent(&mut self, a_rwnd: u32) {
        self.since_last = 0;
        self.now = false;
        self.deadline = None;
        self.duplicates.clear();
        self.told = a_rwnd;
    }
}
