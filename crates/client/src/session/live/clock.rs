//! Timestamps of sent frames, and finding a sent frame again when it comes back.
//! It sends nothing and reads no clock: whoever calls says when.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

/// Ticks per second of a video track's clock.
const RTP_RATE: u128 = 90_000;
/// Sent frames remembered: half a minute at 30 frames a second, far longer than a frame is under way.
const REMEMBERED: usize = 1024;
/// How far two timestamps of one frame may be apart after conversions: 1 ms.
const TOLERANCE: u32 = 90;
/// How many first frames may be missing at a worker that counts from the first one it received.
const MAX_LOST_AT_START: u64 = 64;
/// Timestamps that must agree with another origin before it is believed.
const EVIDENCE: usize = 8;

/// Capture times as RTP timestamps: 90 kHz, a random origin, strictly growing.
#[derive(Debug)]
pub(crate) struct RtpClock {
    base: u32,
    origin: Option<Instant>,
    last: Option<i64>,
}

impl Default for RtpClock {
    fn default() -> Self {
        // A std hasher is seeded by the system; no more is asked of an origin.
        Self::starting_at(RandomState::new().hash_one(0) as u32)
    }
}

impl RtpClock {
    fn starting_at(base: u32) -> Self {
        RtpClock {
            base,
            origin: None,
            last: None,
        }
    }

    /// The timestamp of a frame captured at that time, for the wire and as ticks since the first frame. Two frames never
    /// share one.
    pub(crate) fn timestamp(&mut self, captured: Instant) -> (u32, i64) {
        let origin = *self.origin.get_or_insert(captured);
        let passed = captured.saturating_duration_since(origin);
        let ticks = (passed.as_nanos() * RTP_RATE / 1_000_000_000) as i64;
        let ticks = self.last.map_or(ticks, |last| ticks.max(last + 1));
        self.last = Some(ticks);
        // The clock of the wire wraps around.
        (self.base.wrapping_add(ticks as u32), ticks)
    }
}

/// When things happened to a frame on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SentTimes {
    pub(crate) captured: Instant,
    pub(crate) taken: Instant,
    pub(crate) encoded: Instant,
}

/// The frames sent last, in order.
#[derive(Debug, Default)]
pub(crate) struct History {
    sent: VecDeque<(u32, SentTimes)>,
    /// Number of the first remembered frame.
    first: u64,
    /// Frames up to this number, exclusive, came back or were overtaken by one that did.
    returned: u64,
    origin: Origin,
}

/// Which sent frame a worker calls timestamp 0.
#[derive(Debug, Default)]
struct Origin {
    /// Timestamps of the first sent frames, candidates for the origin.
    starts: Vec<u32>,
    chosen: usize,
    seen: VecDeque<u32>,
}

impl History {
    pub(crate) fn sent(&mut self, timestamp: u32, times: SentTimes) {
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
            self.first += 1;
        }
        self.sent.push_back((timestamp, times));
        if (self.origin.starts.len() as u64) < MAX_LOST_AT_START {
            self.origin.starts.push(timestamp);
        }
    }

    /// Takes back the newest entry: its frame was not sent after all.
    pub(crate) fn unsend(&mut self, timestamp: u32) {
        if self.sent.back().is_some_and(|(last, _)| *last == timestamp) {
            self.sent.pop_back();
            if self.origin.starts.last() == Some(&timestamp) {
                self.origin.starts.pop();
            }
            // A result that could not be told may have counted it as returned already.
            self.returned = self.returned.min(self.total());
        }
    }

    /// The frame with exactly this timestamp came back.
    pub(crate) fn came_back(&mut self, timestamp: u32) -> Option<SentTimes> {
        self.find(timestamp, 0)
    }

    /// A frame came back from a worker that counts in 90 kHz ticks from the first frame it received. An estimate: when
    /// first frames were lost, it is right only after some frames with irregular timestamps.
    pub(crate) fn came_back_at(&mut self, ticks: i64) -> Option<SentTimes> {
        // Timestamps wrap around on the wire, so only these bits count.
        let ticks = ticks as u32;
        self.origin.saw(ticks);
        let start = *self.origin.starts.get(self.origin.chosen)?;
        if let Some(found) = self.find(start.wrapping_add(ticks), TOLERANCE) {
            return Some(found);
        }
        self.origin.chosen = self.agreeing_origin()?;
        let start = self.origin.starts[self.origin.chosen];
        self.find(start.wrapping_add(ticks), TOLERANCE)
    }

    /// A frame came back, and which one it was cannot be told.
    pub(crate) fn some_came_back(&mut self) {
        self.returned = (self.returned + 1).min(self.total());
    }

    /// Gives up waiting for what is out.
    pub(crate) fn forget(&mut self) {
        self.returned = self.total();
    }

    /// Frames sent and neither returned nor overtaken.
    pub(crate) fn outstanding(&self) -> u64 {
        self.total() - self.returned
    }

    fn total(&self) -> u64 {
        self.first + self.sent.len() as u64
    }

    fn find(&mut self, timestamp: u32, tolerance: u32) -> Option<SentTimes> {
        let (index, times) = self.search(timestamp, tolerance)?;
        self.returned = self.returned.max(self.first + index as u64 + 1);
        Some(times)
    }

    fn search(&self, timestamp: u32, tolerance: u32) -> Option<(usize, SentTimes)> {
        let (front, _) = self.sent.front()?;
        let lowest = timestamp.wrapping_sub(tolerance);
        // Compared as distances from the oldest, which do not wrap within what is remembered.
        let distance = |of: u32| of.wrapping_sub(front.wrapping_sub(TOLERANCE));
        let at = self
            .sent
            .partition_point(|(sent, _)| distance(*sent) < distance(lowest));
        let (sent, times) = self.sent.get(at)?;
        (sent.wrapping_sub(lowest) <= 2 * tolerance).then_some((at, *times))
    }

    /// The earliest origin under which everything seen lately is a frame that was sent.
    fn agreeing_origin(&self) -> Option<usize> {
        if self.origin.seen.len() < EVIDENCE {
            return None;
        }
        self.origin.starts.iter().position(|start| {
            let known = |ticks: &u32| self.search(start.wrapping_add(*ticks), TOLERANCE).is_some();
            self.origin.seen.iter().all(known)
        })
    }
}

impl Origin {
    fn saw(&mut self, ticks: u32) {
        if self.seen.len() == EVIDENCE {
            self.seen.pop_front();
        }
        self.seen.push_back(ticks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn times(at: Instant) -> SentTimes {
        SentTimes {
            captured: at,
            taken: at,
            encoded: at,
        }
    }

    #[test]
    fn timestamps_follow_capture_times_and_never_repeat() {
        let start = Instant::now();
        let mut clock = RtpClock::starting_at(u32::MAX - 1000);
        let at = |micros| start + Duration::from_micros(micros);
        assert_eq!(clock.timestamp(at(0)), (u32::MAX - 1000, 0));
        assert_eq!(clock.timestamp(at(33_333)), (1998, 2999)); // wrapped around
        assert_eq!(clock.timestamp(at(33_333)), (1999, 3000));
        assert_eq!(clock.timestamp(at(33_334)), (2000, 3001));
        assert_eq!(clock.timestamp(at(1_000_000)), (88_999, 90_000));
    }

    #[test]
    fn taking_back_a_frame_that_counted_as_returned_leaves_none_outstanding() {
        let mut history = History::default();
        history.sent(1, times(Instant::now()));
        history.some_came_back();
        history.unsend(1);
        assert_eq!(history.outstanding(), 0);
        history.sent(2, times(Instant::now()));
        assert_eq!(history.outstanding(), 1);
    }

    #[test]
    fn a_returned_frame_is_found_across_the_wrap_and_overtakes_those_before_it() {
        let start = Instant::now();
        let mut history = History::default();
        let first = u32::MAX - 5000;
        for n in 0..10 {
            history.sent(
                first.wrapping_add(n * 3000),
                times(start + Duration::from_millis(n.into())),
            );
        }
        assert_eq!(history.outstanding(), 10);
        let found = history.came_back(first.wrapping_add(4 * 3000)).unwrap();
        assert_eq!(found.captured, start + Duration::from_millis(4));
        assert_eq!(history.outstanding(), 5);
        assert_eq!(history.came_back(first.wrapping_add(1)), None);
        assert!(
            history.came_back(first).is_some(),
            "late ones are found too"
        );
        assert_eq!(history.outstanding(), 5);
        history.forget();
        assert_eq!(history.outstanding(), 0);
    }

    #[test]
    fn memory_is_bounded_and_old_frames_are_forgotten() {
        let start = Instant::now();
        let mut history = History::default();
        for n in 0..5000_u32 {
            history.sent(n * 3000, times(start));
        }
        assert_eq!(history.sent.len(), REMEMBERED);
        assert_eq!(history.came_back(0), None);
        assert!(history.came_back(4999 * 3000).is_some());
        assert_eq!(history.outstanding(), 0);
    }

    #[test]
    fn a_frame_that_was_not_sent_is_not_waited_for() {
        let mut history = History::default();
        history.sent(1, times(Instant::now()));
        history.sent(2, times(Instant::now()));
        history.unsend(2);
        assert_eq!(history.outstanding(), 1);
        assert!(history.came_back(1).is_some());
        assert_eq!(history.outstanding(), 0);
    }

    /// An original counts from the first frame it received.
    #[test]
    fn the_origin_of_an_original_is_found_when_first_frames_were_lost() {
        for lost in [0_u32, 1, 5, 20] {
            let start = Instant::now();
            let mut history = History::default();
            // Irregular, as capture times are.
            let stamp = |n: u32| 7_000 + n * 3000 + (n * n * 37) % 500;
            let mut right = 0;
            for n in 0..100_u32 {
                history.sent(stamp(n), times(start + Duration::from_millis(n.into())));
                if n < lost {
                    continue;
                }
                let found = history.came_back_at(i64::from(stamp(n) - stamp(lost)));
                let expected = start + Duration::from_millis(n.into());
                right += u32::from(found.is_some_and(|found| found.captured == expected));
            }
            let late = if lost == 0 { 0 } else { EVIDENCE as u32 };
            assert!(right + late >= 100 - lost, "{right} right with {lost} lost");
        }
    }
}
