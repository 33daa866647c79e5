//! A worker and its network as seen by the pairing: which frame and which result arrives when.
//! It knows the truth, so that tests can tell a right pair from a wrong one.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use framewire_protocol::FrameId;
use framewire_protocol::pairing::{Match, PairCounters, PairMode, Pairing, ResultKey};

/// A frame that came out: which one, with the result of which one, how, and when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trip {
    pub(crate) frame: u64,
    pub(crate) result: Option<u64>,
    pub(crate) matched: Match,
    /// Since the start.
    pub(crate) at: Duration,
    /// Since it arrived.
    pub(crate) waited: Duration,
}

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// No frame has the result of another one.
pub(crate) fn right(trips: &[Trip]) {
    for trip in trips {
        let right = trip.result.is_none_or(|result| result == trip.frame);
        assert!(right, "frame {} got result {:?}", trip.frame, trip.result);
    }
}

pub(crate) fn in_order(trips: &[Trip]) {
    let swapped = trips.windows(2).find(|two| two[0].frame >= two[1].frame);
    assert_eq!(swapped, None);
}

/// Right, in order, and from this frame on every frame has its result.
pub(crate) fn paired_from(trips: &[Trip], from: u64, how: Match) {
    right(trips);
    in_order(trips);
    for trip in trips.iter().filter(|trip| trip.frame >= from) {
        let got = (trip.result, trip.matched);
        assert_eq!(got, (Some(trip.frame), how), "frame {}", trip.frame);
    }
}

type Function<T> = Box<dyn Fn(u64) -> T>;

/// 60 frames at 30 per second, each 8 ms after its result, timestamps from 0 in RTP ticks; all of it can be changed.
pub(crate) struct Sim {
    pub(crate) mode: PairMode,
    pub(crate) wait: Option<Duration>,
    pub(crate) ordered: bool,
    pub(crate) frames: u64,
    pub(crate) origin: u32,
    /// Source timestamp of a frame, in units of the time base.
    pub(crate) pts: Function<Option<i64>>,
    pub(crate) time_base: f64,
    /// RTP timestamp of a frame, if it does not follow from its source timestamp.
    pub(crate) rtp_of: Option<Function<u32>>,
    /// RTP timestamp a result names, from that of its frame.
    pub(crate) named: Box<dyn Fn(u64, u32) -> u32>,
    /// When the worker is done with a frame.
    pub(crate) made: Function<Duration>,
    pub(crate) frame_delay: Function<Duration>,
    pub(crate) result_delay: Function<Duration>,
    pub(crate) frame_lost: Function<bool>,
    pub(crate) result_lost: Function<bool>,
    pub(crate) repeated: bool,
    counters: PairCounters,
    pub(crate) mismatches: Vec<String>,
    pub(crate) most_waiting: usize,
}

impl Sim {
    pub(crate) fn new(mode: PairMode, wait: Option<Duration>) -> Self {
        Sim {
            mode,
            wait,
            ordered: true,
            frames: 60,
            origin: 0xdead_beef,
            pts: Box::new(|n| Some(3000 * (n.cast_signed() - 1))),
            time_base: 1.0 / 90_000.0,
            rtp_of: None,
            named: Box::new(|_, rtp| rtp),
            made: Box::new(|n| Duration::from_micros(33_333) * u32::try_from(n).unwrap()),
            frame_delay: Box::new(|_| ms(8)),
            result_delay: Box::new(|_| ms(0)),
            frame_lost: Box::new(|_| false),
            result_lost: Box::new(|_| false),
            repeated: false,
            counters: PairCounters::default(),
            mismatches: Vec::new(),
            most_waiting: 0,
        }
    }

    pub(crate) fn frames(mut self, frames: u64) -> Self {
        self.frames = frames;
        self
    }

    /// Changes anything else.
    pub(crate) fn set(mut self, change: impl FnOnce(&mut Sim)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn lose_frames(mut self, lost: RangeInclusive<u64>) -> Self {
        self.frame_lost = Box::new(move |n| lost.contains(&n));
        self
    }

    pub(crate) fn lose_results(mut self, lost: RangeInclusive<u64>) -> Self {
        self.result_lost = Box::new(move |n| lost.contains(&n));
        self
    }

    pub(crate) fn counters(&self) -> PairCounters {
        self.counters
    }

    fn rtp(&self, n: u64) -> u32 {
        if let Some(rtp_of) = &self.rtp_of {
            return self.origin.wrapping_add(rtp_of(n));
        }
        let ticks = (self.pts)(n).unwrap_or_default() as f64 * self.time_base * 90_000.0;
        self.origin.wrapping_add((ticks.trunc() as i64) as u32)
    }

    fn key(&self, n: u64) -> ResultKey {
        let mut key = ResultKey::new(FrameId(n));
        (key.pts, key.time_base) = ((self.pts)(n), Some(self.time_base));
        key.rtp_ts = (self.mode == PairMode::Exact).then(|| (self.named)(n, self.rtp(n)));
        key
    }

    /// Lets everything arrive in order of time, waking the pairing at its deadlines, then ends the stream.
    pub(crate) fn run(&mut self) -> Vec<Trip> {
        let mut events: Vec<(Duration, bool, u64)> = Vec::new();
        let times = if self.repeated { 2 } else { 1 };
        for n in 1..=self.frames {
            for _ in 0..times {
                if !(self.frame_lost)(n) {
                    events.push(((self.made)(n) + (self.frame_delay)(n), true, n));
                }
                if !(self.result_lost)(n) {
                    events.push(((self.made)(n) + (self.result_delay)(n), false, n));
                }
            }
        }
        if self.ordered {
            // A later result never overtakes an earlier one; frames never do.
            for kind in [false, true] {
                keep_order(&mut events, kind);
            }
        } else {
            keep_order(&mut events, true);
        }
        events.sort_by_key(|(at, is_frame, n)| (*at, *is_frame, *n));
        let start = Instant::now();
        let mut pairing = Pairing::new(self.mode, self.wait);
        if !self.ordered {
            pairing = pairing.with_unordered_results();
        }
        let mut trips = Vec::new();
        let mut now = Duration::ZERO;
        for (at, is_frame, n) in events {
            while let Some(due) = pairing.deadline().filter(|due| *due <= start + at) {
                now = now.max(due - start);
                pairing.tick(start + now);
                self.collect(&mut pairing, now, &mut trips);
            }
            now = at;
            if is_frame {
                pairing.frame(start + at, self.rtp(n), (n, at));
            } else {
                pairing.result(start + at, self.key(n), n);
            }
            self.collect(&mut pairing, now, &mut trips);
            self.most_waiting = self.most_waiting.max(pairing.waiting());
            self.mismatches
                .extend(pairing.take_mismatch().map(|m| m.to_string()));
        }
        pairing.finish();
        self.collect(&mut pairing, now, &mut trips);
        self.counters = pairing.counters();
        let c = self.counters;
        assert_eq!(c.frames, c.exact + c.nearest + c.unpaired);
        assert_eq!(c.results, c.exact + c.nearest + c.results_without_frame);
        trips
    }

    fn collect(
        &self,
        pairing: &mut Pairing<(u64, Duration), u64>,
        now: Duration,
        trips: &mut Vec<Trip>,
    ) {
        trips.extend(std::iter::from_fn(|| pairing.poll()).map(|pair| Trip {
            frame: pair.frame.0,
            result: pair.result,
            matched: pair.matched,
            at: now,
            waited: now.saturating_sub(pair.frame.1),
        }));
    }
}

/// Nothing of this kind arrives before what was sent before it.
fn keep_order(events: &mut [(Duration, bool, u64)], frames: bool) {
    let mut latest = Duration::ZERO;
    for (at, is_frame, _) in events.iter_mut().filter(|event| event.1 == frames) {
        debug_assert_eq!(*is_frame, frames);
        latest = latest.max(*at);
        *at = latest;
    }
}
