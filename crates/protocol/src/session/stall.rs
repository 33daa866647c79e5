//! A silent peer: when the worker's HTTP port is tried, and when the peer counts as lost.
//! It hears nothing itself; the transport says when the silence began and ended.

use std::time::{Duration, Instant};

/// While the peer is silent, how often the worker's HTTP port is tried.
const PROBE_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Stall {
    next_probe: Instant,
    lost_at: Option<Instant>,
}

/// What a silence leads to at some moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait,
    Probe,
    Lost,
}

impl Stall {
    /// Nothing has been heard for `silence`; lost after `lost_after` of it.
    pub(super) fn begin(now: Instant, silence: Duration, lost_after: Duration) -> Self {
        Stall {
            next_probe: now,
            lost_at: now.checked_add(lost_after.saturating_sub(silence)),
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.lost_at
            .map_or(self.next_probe, |lost| lost.min(self.next_probe))
    }

    pub(super) fn verdict(&mut self, now: Instant) -> Verdict {
        if self.lost_at.is_some_and(|at| at <= now) {
            return Verdict::Lost;
        }
        if self.next_probe > now {
            return Verdict::Wait;
        }
        self.next_probe = now + PROBE_EVERY;
        Verdict::Probe
    }
}
