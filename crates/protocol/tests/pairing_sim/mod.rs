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

type Function<T> = Box<dyn Fn(u64) -> T>;

/// 60 frames at 30 per second, each 8 ms after its result, timestamps from 0 in RTP ticks; all of it can be changed.
pub(crate) struct Sim {
    mode: PairMode,
    wait: Option<Duration>,
    ordered: bool,
    frames: u64,
    origin: u32,
    /// Source timestamp of a frame, in units of the time base.
    pts: Function<Option<i64>>,
    time_base: f64,
    /// When the worker is done with a frame.
    made: Function<Duration>,
    frame_delay: Function<Duration>,
    result_delay: Function<Duration>,
    frame_lost: Function<bool>,
    result_lost: Function<bool>,
    repeated: bool,
    counters: PairCounters,
    mismatches: Vec<String>,
    most_waiting: usize,
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
        let ticks = (self.pts)(n).unwrap_or_default() as f64 * self.time_base * 90_000.0;
        self.origin.wrapping_add((ticks.trunc() as i64) as u32)
    }

    fn key(&self, n: u64) -> ResultKey {
        let mut key = ResultKey::new(FrameId(n));
        (key.pts, key.time_base) = ((self.pts)(n), Some(self.time_base));
        key.rtp_ts = (self.mode == PairMode::Exact).then(|| self.rtp(n));
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
        events.sort_by_key(|(at, is_frame, _)| (*at, *is_frame));
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
