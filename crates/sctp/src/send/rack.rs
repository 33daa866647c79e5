//! Loss detection by time (RACK) with a probe for the tail (TLP) and the last resort, the retransmission timer.
//! Not congestion control: it is told what is marked lost here.
use super::ring::{ABANDONED, ACKED, DOUBTED, FLYING, LOST, PARKED};
use super::{Sender, Time};
use crate::serial::Tsn;

const MS: u64 = 1_000_000;
/// Longest wait between two retransmissions on a path that answers nothing.
const LONGEST_TIMEOUT: u64 = 2_000 * MS;
/// Chunks sent again per run of the retransmission timer.
const TIMEOUT_CHUNKS: u32 = 4;
/// Doubted TSNs that are remembered to recognise their duplicates.
const REMEMBERED: usize = 64;
/// Time without proof of reordering after which one step of patience is given up.
const PATIENT: u64 = 30_000 * MS;
const MOST_PATIENCE: u64 = 4;

/// State of loss detection and its timers; ns.
#[derive(Debug)]
pub(super) struct Recovery {
    /// When the latest sent of all acknowledged chunks was sent, and how long it took.
    latest_sent: u64,
    latest_rtt: u64,
    /// Chunks overtook each other on this path.
    pub(super) reordering: bool,
    patience: u64,
    /// When patience was last gained or given up.
    patient_since: u64,
    /// Lowest TSN that may be parked.
    parked: Option<Tsn>,
    /// Chunks once marked lost and then acknowledged: a ring.
    doubted: [Option<Tsn>; REMEMBERED],
    doubted_at: usize,
    /// When the next chunk has to be judged.
    judge_at: Option<u64>,
    probe_at: Option<u64>,
    timeout_at: Option<u64>,
    /// Timeouts in a row.
    pub(super) backoff: u32,
    /// A probe went out since the last acknowledgement.
    probed: bool,
    /// A probe is to be sent with the next packet.
    pub(super) probe: bool,
    /// After a timeout: chunks that may still be sent before the next SACK.
    pub(super) allowance: Option<u32>,
}

impl Recovery {
    pub(super) fn new() -> Recovery {
        Recovery {
            latest_sent: 0,
            latest_rtt: 0,
            reordering: false,
            patience: 0,
            patient_since: 0,
            parked: None,
            doubted: [None; REMEMBERED],
            doubted_at: 0,
            judge_at: None,
            probe_at: None,
            timeout_at: None,
            backoff: 0,
            probed: false,
            probe: false,
            allowance: None,
        }
    }

    /// The earliest of the timers.
    pub(super) fn deadline(&self) -> Option<u64> {
        [self.judge_at, self.probe_at, self.timeout_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// See [`Sender::hurry`].
    pub(super) fn hurry(&mut self, now: u64) {
        self.backoff = 0;
        if self.timeout_at.is_some() {
            self.timeout_at = Some(now);
        }
    }

    /// A chunk arrived that had been sent then.
    #[inline]
    pub(super) fn note_arrival(&mut self, sent_at: u64, rtt: u64) {
        if sent_at >= self.latest_sent {
            (self.latest_sent, self.latest_rtt) = (sent_at, rtt);
        }
    }

    /// Remembers a TSN that was marked lost and then acknowledged.
    pub(super) fn remember_doubted(&mut self, tsn: Tsn) {
        self.doubted[self.doubted_at] = Some(tsn);
        self.doubted_at = (self.doubted_at + 1) % REMEMBERED;
    }

    /// A duplicate of a doubted TSN proves that it was sent again too early: more patience. Says how many were.
    pub(super) fn take_duplicates(
        &mut self,
        now: u64,
        duplicates: impl Iterator<Item = Tsn>,
    ) -> u32 {
        let mut proven = 0;
        for tsn in duplicates {
            if let Some(slot) = self.doubted.iter_mut().find(|slot| **slot == Some(tsn)) {
                *slot = None;
                proven += 1;
            }
        }
        if proven > 0 {
            self.reordering = true;
            self.patience = (self.patience + 1).min(MOST_PATIENCE);
            self.patient_since = now;
        } else if self.patience > 0 && now > self.patient_since.saturating_add(PATIENT) {
            self.patience -= 1;
            self.patient_since = now;
        }
        proven
    }
}

impl Sender {
    /// Runs the timers that are due. Cheap when none is.
    pub(crate) fn on_timeout(&mut self, now: Time) {
        let now = now.0;
        if self.release.is_some_and(|at| at <= now) {
            self.release = None;
        }
        let Some(deadline) = self.recovery.deadline() else {
            return;
        };
        if deadline > now {
            return;
        }
        if self.recovery.judge_at.is_some_and(|at| at <= now) {
            let before = self.in_flight;
            let lost = self.detect_losses(now);
            if lost > 0 {
                let progress = self.progress_of_loss(now, before, lost);
                self.control.on_progress(&progress, &mut self.rtt);
                self.refresh();
            }
        }
        if self.recovery.probe_at.is_some_and(|at| at <= now) {
            self.recovery.probe_at = None;
            self.recovery.probed = true;
            self.recovery.probe = true;
            // The answer to the probe shows more than a timeout could: it gets its time.
            self.recovery.timeout_at = Some(now + self.timeout());
            self.partial.repeat();
        } else if self.recovery.timeout_at.is_some_and(|at| at <= now) {
            self.time_out(now);
        }
    }

    /// The last resort: everything counts as lost, but only little is sent before the peer is heard again.
    /// The estimates stay: a path that comes back is usually the one that was there before.
    fn time_out(&mut self, now: u64) {
        self.counters.rtos += 1;
        self.recovery.backoff = self.recovery.backoff.saturating_add(1);
        self.recovery.probe_at = None;
        self.recovery.probe = false;
        let mut tsn = self.ring.first();
        while tsn != self.ring.next() {
            if !self.ring.at(tsn).has(ACKED | LOST) {
                self.mark_lost(tsn);
            }
            tsn = tsn.next();
        }
        self.log.trim();
        self.recovery.parked = None;
        self.recovery.allowance = Some(TIMEOUT_CHUNKS);
        self.control.on_timeout();
        self.refresh();
        self.partial.repeat();
        self.recovery.timeout_at = Some(now + self.timeout());
    }

    /// The retransmission timeout with its backoff.
    fn timeout(&self) -> u64 {
        let base = self.rtt.timeout();
        let backed_off = base.saturating_mul(1 << self.recovery.backoff.min(16));
        backed_off.min(base.max(LONGEST_TIMEOUT))
    }

    /// Grace given to chunks that others overtook.
    fn grace(&self) -> u64 {
        let base = if self.rtt.min == u64::MAX {
            10 * MS
        } else {
            self.rtt.min / 4
        };
        if self.recovery.reordering {
            let patient = base * (1 + self.recovery.patience);
            patient.min(self.rtt.smoothed.max(base))
        } else {
            base.min(MS)
        }
    }

    /// Walks the log in order of sending and marks what was overtaken for too long; arms the timer for the first that is too new.
    pub(super) fn detect_losses(&mut self, now: u64) -> u32 {
        self.recovery.judge_at = None;
        let (latest, rtt) = (self.recovery.latest_sent, self.recovery.latest_rtt);
        let patience = rtt + self.grace();
        let mut lost = 0;
        let mut place = 0;
        while let Some(sending) = self.log.nth(place).copied() {
            place += 1;
            if sending.done {
                continue;
            }
            if sending.at >= latest {
                break;
            }
            let due = sending.at + patience;
            if due > now {
                self.recovery.judge_at = Some(due);
                break;
            }
            if self.reports.hides(sending.tsn) && !self.ring.at(sending.tsn).has(ABANDONED) {
                self.park(sending.tsn);
            } else {
                self.mark_lost(sending.tsn);
                lost += 1;
            }
        }
        self.log.trim();
        lost
    }

    /// Takes a chunk out of flight of which the peer cannot say whether it arrived.
    fn park(&mut self, tsn: Tsn) {
        let entry = self.ring.at_mut(tsn);
        let (size, sending) = (entry.size(), entry.sending);
        if entry.has(FLYING) {
            self.in_flight -= size;
        }
        entry.state = (entry.state | PARKED) & !FLYING;
        self.log.finish(sending);
        let lowest = self.recovery.parked.get_or_insert(tsn);
        if lowest.after(tsn) {
            *lowest = tsn;
        }
    }

    /// Parked chunks that a report now covers and does not name are lost. Each TSN is passed once per time it is parked.
    pub(super) fn judge_parked(&mut self, covered: Tsn) -> u32 {
        let Some(mut tsn) = self.recovery.parked else {
            return 0;
        };
        if self.ring.first().after(tsn) {
            tsn = self.ring.first();
        }
        let mut lost = 0;
        while !tsn.after(covered) && self.ring.holds(tsn) {
            if self.ring.at(tsn).has(PARKED) {
                self.mark_lost(tsn);
                lost += 1;
            }
            tsn = tsn.next();
        }
        self.recovery.parked = self.ring.holds(tsn).then_some(tsn);
        lost
    }

    /// Takes a chunk out of flight and, unless it was given up, queues it to be sent again.
    fn mark_lost(&mut self, tsn: Tsn) {
        let entry = self.ring.at_mut(tsn);
        let (size, sending) = (entry.size(), entry.sending);
        if entry.has(FLYING) {
            self.in_flight -= size;
        }
        entry.state &= !(FLYING | PARKED);
        self.log.finish(sending);
        if entry.has(ABANDONED) {
            return;
        }
        entry.state |= LOST | DOUBTED;
        self.lost.insert(tsn);
        self.counters.lost += 1;
    }

    /// Sets probe and retransmission timers after a SACK.
    pub(super) fn arm_after_sack(&mut self, now: u64, advanced: bool, news: bool) {
        if self.ring.is_empty() {
            self.recovery.timeout_at = None;
            self.recovery.probe_at = None;
            self.recovery.probe = false;
            self.recovery.probed = false;
            return;
        }
        if advanced || news || self.recovery.timeout_at.is_none() {
            self.recovery.timeout_at = Some(now + self.timeout());
        }
        if news {
            self.recovery.probed = false;
        }
        self.arm_probe(now);
    }

    /// Sets the timers after a chunk was sent.
    #[inline]
    pub(super) fn arm_after_send(&mut self, now: u64) {
        if self.recovery.timeout_at.is_none() {
            self.recovery.timeout_at = Some(now + self.timeout());
        }
        self.arm_probe(now);
    }

    #[inline]
    fn arm_probe(&mut self, now: u64) {
        if self.recovery.probed {
            return;
        }
        let single = self.in_flight <= super::chunk_size(self.payload) as u64;
        let after = if self.rtt.is_known() {
            // A lone packet may be waiting for the receiver's delayed SACK.
            2 * self.rtt.smoothed + if single { 200 * MS } else { 2 * MS }
        } else {
            1000 * MS
        };
        let probe_at = now + after;
        let timeout_at = self.recovery.timeout_at.unwrap_or(probe_at);
        self.recovery.probe_at = Some(probe_at.min(timeout_at));
    }
}
