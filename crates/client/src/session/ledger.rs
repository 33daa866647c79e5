//! Book-keeping of frames: every announced frame is delivered, dropped with a reason, or still under way.
//! It reads no clock; whoever reports says when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::session::stages::Stages;
use crate::stats::{DropReason, FrameCounts, FreshCounts, Histogram, SessionStats};

/// How the books are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// A consumer saw the end: what is missing got lost on the way.
    Drained,
    /// The session was closed first: what is missing was not wanted any more.
    Closed,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    begun: Option<Instant>,
    ended: Option<Instant>,
    connect: Option<Duration>,
    first_frame: Option<Duration>,
    first_delivery: Option<Instant>,
    last_delivery: Option<Instant>,
    highest: u64,
    received: u64,
    delivered: u64,
    dropped: BTreeMap<DropReason, u64>,
    bad: BTreeMap<&'static str, u64>,
    results: u64,
    errors: u64,
    reconnects: u64,
    ice_restarts: u64,
    repeated: u64,
    latency: Histogram,
    pub(crate) stages: Stages,
    pub(crate) fresh: FreshCounts,
    closed: bool,
}

impl Ledger {
    /// The source is ready; figures count from here.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.begun.get_or_insert(now);
    }

    pub(crate) fn connected(&mut self, now: Instant) {
        if let Some(begun) = self.begun {
            self.connect
                .get_or_insert(now.saturating_duration_since(begun));
        }
    }

    /// A message named this frame id.
    pub(crate) fn announced(&mut self, frame: u64) {
        if !self.closed {
            self.highest = self.highest.max(frame);
        }
    }

    /// A frame arrived; it will be delivered or dropped here.
    pub(crate) fn received(&mut self) {
        self.received += u64::from(!self.closed);
    }

    pub(crate) fn result(&mut self, errors: usize) {
        self.results += 1;
        self.errors += errors as u64;
    }

    /// A new connection brought something new.
    pub(crate) fn reconnected(&mut self) {
        self.reconnects += 1;
    }

    /// The worker gave the session a new network path.
    pub(crate) fn ice_restarted(&mut self) {
        self.ice_restarts += 1;
    }

    /// A frame came again; it is in the books already.
    pub(crate) fn repeated(&mut self) {
        self.repeated += 1;
    }

    pub(crate) fn bad_message(&mut self, reason: &'static str, count: u64) {
        if count > 0 {
            *self.bad.entry(reason).or_default() += count;
        }
    }

    /// A frame went to its consumer. `since`: what its latency is counted from.
    pub(crate) fn delivered(&mut self, now: Instant, since: Option<Instant>) {
        if self.closed {
            return;
        }
        self.delivered += 1;
        self.first_delivery.get_or_insert(now);
        self.last_delivery = Some(now);
        if let Some(begun) = self.begun {
            self.first_frame
                .get_or_insert(now.saturating_duration_since(begun));
        }
        if let Some(since) = since {
            self.latency.record(now.saturating_duration_since(since));
        }
    }

    pub(crate) fn dropped(&mut self, reason: DropReason, count: u64) {
        if count > 0 && !self.closed {
            *self.dropped.entry(reason).or_default() += count;
        }
    }

    /// Closes the books once; later calls and later reports change nothing.
    pub(crate) fn close(&mut self, now: Instant, how: Closing) {
        if self.closed {
            return;
        }
        self.dropped(DropReason::Closed, self.queued());
        let missing = self.produced() - self.accounted();
        match how {
            Closing::Closed => self.dropped(DropReason::NotReceived, missing),
            Closing::Drained => {
                let unusable = missing.min(self.bad.values().sum());
                self.received += unusable;
                self.dropped(DropReason::Undecodable, unusable);
                self.dropped(DropReason::Network, missing - unusable);
            }
        }
        self.ended = Some(now);
        self.closed = true;
    }

    /// Everything but uploads, tracks and handler panics.
    pub(crate) fn snapshot(&self, now: Instant) -> SessionStats {
        let until = self.ended.unwrap_or(now);
        let elapsed = self.begun.map_or(Duration::ZERO, |begun| {
            until.saturating_duration_since(begun)
        });
        let span = self
            .last_delivery
            .zip(self.first_delivery)
            .map(|(last, first)| last.duration_since(first));
        let fps = span.filter(|span| !span.is_zero() && self.delivered > 1);
        SessionStats {
            frames: FrameCounts {
                produced: self.produced(),
                received: self.received,
                delivered: self.delivered,
                dropped: self.dropped.clone(),
                queued: self.queued(),
                in_flight: self.produced() - self.accounted(),
            },
            results: self.results,
            errors: self.errors,
            reconnects: self.reconnects,
            ice_restarts: self.ice_restarts,
            repeated: self.repeated,
            bad_messages: self.bad.clone(),
            fps: fps.map(|span| (self.delivered - 1) as f64 / span.as_secs_f64()),
            elapsed,
            connect: self.connect,
            first_frame: self.first_frame,
            latency: self.latency.summary(),
            stages: self.stages.summary(),
            fresh_results: self.fresh,
            ..SessionStats::default()
        }
    }

    /// Ids that repeat or go back must not make the sum wrong.
    fn produced(&self) -> u64 {
        self.highest.max(self.accounted() + self.queued())
    }

    /// Arrived, and neither delivered nor dropped.
    fn queued(&self) -> u64 {
        let dropped = self
            .dropped
            .iter()
            .filter(|(why, _)| why.is_after_receipt());
        let settled = self.delivered + dropped.map(|(_, count)| count).sum::<u64>();
        self.received.saturating_sub(settled)
    }

    fn accounted(&self) -> u64 {
        self.delivered + self.dropped.values().sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced(ledger: &Ledger, now: Instant) -> FrameCounts {
        let frames = ledger.snapshot(now).frames;
        assert_eq!(
            frames.produced,
            frames.delivered + frames.dropped.values().sum::<u64>() + frames.in_flight
        );
        assert_eq!(
            frames.received,
            frames.delivered + frames.dropped_after_receipt() + frames.queued
        );
        frames
    }

    #[test]
    fn a_frame_announced_after_the_books_were_closed_changes_nothing() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        ledger.begin(now);
        ledger.announced(2);
        ledger.received();
        ledger.delivered(now, None);
        ledger.close(now, Closing::Closed);
        ledger.announced(3);
        ledger.received();
        let frames = balanced(&ledger, now);
        assert_eq!((frames.produced, frames.in_flight), (2, 0));
    }

    #[test]
    fn missing_frames_are_lost_or_unusable_when_drained_and_closed_when_closed() {
        let now = Instant::now();
        for (how, expected) in [
            (
                Closing::Drained,
                vec![(DropReason::Undecodable, 1), (DropReason::Network, 2)],
            ),
            (
                Closing::Closed,
                vec![(DropReason::Closed, 1), (DropReason::NotReceived, 3)],
            ),
        ] {
            let mut ledger = Ledger::default();
            ledger.begin(now);
            ledger.bad_message("bad_gzip", 1);
            for frame in [1, 2, 10] {
                ledger.announced(frame);
            }
            for _ in 0..7 {
                ledger.received();
                ledger.delivered(now, None);
            }
            if how == Closing::Closed {
                ledger.announced(11);
                ledger.received();
            }
            let queued = u64::from(how == Closing::Closed);
            let frames = balanced(&ledger, now);
            assert_eq!((frames.in_flight, frames.queued), (3 + queued, queued));
            ledger.close(now, how);
            let frames = balanced(&ledger, now);
            assert_eq!((frames.in_flight, frames.queued), (0, 0));
            assert_eq!(frames.dropped.into_iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn repeated_ids_do_not_break_the_sum() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        for _ in 0..5 {
            ledger.announced(1);
            ledger.received();
            ledger.received();
            ledger.delivered(now, None);
        }
        assert_eq!(balanced(&ledger, now).queued, 5);
        ledger.announced(u64::MAX - 1);
        ledger.close(now, Closing::Drained);
        balanced(&ledger, now);
        ledger.delivered(now, None);
        ledger.close(now, Closing::Closed);
        assert_eq!(balanced(&ledger, now).delivered, 5);
    }

    #[test]
    fn times_count_from_the_ready_source() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut ledger = Ledger::default();
        ledger.begin(start);
        ledger.connected(at(40));
        for n in 0..5 {
            ledger.delivered(at(100 + n * 10), Some(at(95 + n * 10)));
        }
        ledger.close(at(200), Closing::Drained);
        let stats = ledger.snapshot(at(9000));
        assert_eq!(stats.connect, Some(Duration::from_millis(40)));
        assert_eq!(stats.first_frame, Some(Duration::from_millis(100)));
        assert_eq!(stats.elapsed, Duration::from_millis(200));
        assert_eq!(stats.fps.map(f64::round), Some(100.0));
        assert_eq!(stats.latency.unwrap().n, 5);
    }
}
