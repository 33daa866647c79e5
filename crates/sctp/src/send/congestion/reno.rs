//! The window law of RFC 9260 with today's recovery: slow start, one more packet per round trip, half at a loss.
//! Not the default: for comparisons and for finding out whether a fault is the rate law's.
use super::{INITIAL_PACKETS, Progress};
use crate::serial::Tsn;

/// State of the window law, in bytes.
#[derive(Debug)]
pub(in super::super) struct Reno {
    packet: f64,
    window: f64,
    threshold: f64,
    /// Until this TSN is acknowledged, further losses belong to the same event.
    recovery: Option<Tsn>,
    max_rate: Option<f64>,
}

impl Reno {
    pub(super) fn new(packet: f64, max_rate: Option<u64>) -> Reno {
        Reno {
            packet,
            window: INITIAL_PACKETS * packet,
            threshold: f64::MAX,
            recovery: None,
            max_rate: max_rate.map(|rate| rate as f64),
        }
    }

    pub(super) fn on_progress(&mut self, progress: &Progress) {
        if self.recovery.is_some_and(|end| progress.first.after(end)) {
            self.recovery = None;
        }
        if progress.lost_chunks > 0 && self.recovery.is_none() {
            self.recovery = Some(progress.next.prev());
            self.threshold = (self.window / 2.0).max(4.0 * self.packet);
            self.window = self.threshold;
        }
        let was_full = progress.in_flight_before as f64 + self.packet >= self.window;
        if self.recovery.is_some() || !was_full {
            return;
        }
        let acked = progress.acked as f64;
        if self.window < self.threshold {
            self.window += acked;
        } else {
            self.window += self.packet * acked / self.window;
        }
    }

    pub(super) fn on_timeout(&mut self) {
        self.threshold = (self.window / 2.0).max(4.0 * self.packet);
        self.window = self.packet;
        self.recovery = None;
    }

    pub(super) fn window(&self) -> f64 {
        self.window
    }

    /// Packets are spread only if a rate was set from outside.
    pub(super) fn pacing(&self) -> Option<f64> {
        self.max_rate
    }

    pub(super) fn mode(&self) -> &'static str {
        match self.recovery {
            Some(_) => "recovery",
            None if self.window < self.threshold => "slow start",
            None => "avoidance",
        }
    }
}
