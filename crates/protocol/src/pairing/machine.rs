//! The pairing machine: frames and results wait for each other, within bounds.
//! See the module above for how to drive it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::pairing::align::{Align, TOLERANCE};
use crate::pairing::key::{Axis, ResultKey};
use crate::pairing::outcome::{Judge, Match, Mismatch, PairCounters, PairMode, Paired};

/// Frames, and results, that wait at most; further ones push out the oldest. Five seconds of video.
pub const MAX_PENDING: usize = 150;

/// Longest wait of a frame for its result in realtime unless told otherwise: a late picture is worth less than its predictions.
pub const REALTIME_MAX_WAIT: Duration = Duration::from_millis(50);

/// Pairs the frames of one track with the results of one channel; see the [module](crate::pairing).
///
/// Frames go out in the order of their timestamps. A frame waits for its result until it comes, until a later result shows
/// that it never will (results come in order), until `max_wait` has passed, or until [`MAX_PENDING`] newer frames wait. Calls
/// cost at most a pass over what waits; when the origin of an original is found or moved, each frame that waits is compared
/// with each result that does.
#[derive(Debug)]
pub struct Pairing<F, R> {
    mode: PairMode,
    max_wait: Option<Duration>,
    ordered: bool,
    axis: Axis,
    align: Align,
    /// In the order of their positions.
    frames: VecDeque<Slot<F, R>>,
    /// In the order of their arrival.
    results: VecDeque<Held<R>>,
    /// Position of the newest frame, and key of the newest result.
    newest: (Option<i64>, Option<i64>),
    finished: bool,
    counters: PairCounters,
    judge: Judge,
    out: VecDeque<Paired<F, R>>,
}

#[derive(Debug)]
struct Slot<F, R> {
    at: i64,
    since: Instant,
    frame: F,
    result: Option<R>,
}

#[derive(Debug)]
struct Held<R> {
    /// Position on the track (exact) or source ticks (nearest).
    key: i64,
    result: R,
}

impl<F, R> Pairing<F, R> {
    /// `max_wait`: longest wait of a frame for its result; `None` waits for as long as there is room (batch processing).
    pub fn new(mode: PairMode, max_wait: Option<Duration>) -> Self {
        Pairing {
            mode,
            max_wait,
            ordered: true,
            axis: Axis::default(),
            align: Align::default(),
            frames: VecDeque::new(),
            results: VecDeque::new(),
            newest: (None, None),
            finished: false,
            counters: PairCounters::default(),
            judge: Judge::default(),
            out: VecDeque::new(),
        }
    }

    /// Results may overtake each other: a later result does not show that an earlier one will never come.
    #[must_use]
    pub fn with_unordered_results(mut self) -> Self {
        self.ordered = false;
        self
    }

    /// A frame came from the track, complete at `now`. Without a timestamp it goes out at once, unpaired.
    pub fn frame(&mut self, now: Instant, rtp_time: impl Into<Option<u32>>, frame: F) {
        self.counters.frames += 1;
        let Some(rtp) = rtp_time.into() else {
            return self.release(frame, None, false);
        };
        let at = self.axis.advance(rtp);
        let place = self.frames.partition_point(|slot| slot.at <= at);
        // One that overtakes others must not make them wait longer.
        let since = self
            .frames
            .get(place)
            .map_or(now, |next| next.since.min(now));
        let slot = Slot {
            at,
            since,
            frame,
            result: None,
        };
        self.frames.insert(place, slot);
        self.newest.0 = Some(at);
        if self.mode == PairMode::Nearest && self.align.frame(now, at) {
            self.match_all();
        } else {
            self.match_frame(place);
        }
        self.forget_passed();
        self.settle(now);
    }

    /// A result came, at `now`. One that names no frame is only counted.
    pub fn result(&mut self, now: Instant, key: ResultKey, result: R) {
        self.counters.results += 1;
        let place = match self.mode {
            PairMode::Exact => key.rtp_ts.map(|rtp| self.axis.place(rtp)),
            PairMode::Nearest => key.source_ticks(),
        };
        let Some(place) = place.filter(|_| !self.finished) else {
            self.counters.results_without_frame += 1;
            return self.settle(now);
        };
        if self.mode == PairMode::Nearest {
            self.align.result(now, key.frame_id, place);
        }
        if let Some(at) = self.results.iter().position(|held| held.key == place) {
            self.results.remove(at);
            self.counters.results_without_frame += 1;
        }
        self.newest.1 = Some(place);
        match self.frame_for(place) {
            Some(slot) => slot.result = Some(result),
            None => {
                self.results.push_back(Held { key: place, result });
                if self.results.len() > MAX_PENDING {
                    self.results.pop_front();
                    self.counters.results_without_frame += 1;
                }
            }
        }
        self.forget_passed();
        self.settle(now);
    }

    /// Time passed.
    pub fn tick(&mut self, now: Instant) {
        self.settle(now);
    }

    /// Nothing more comes: every frame that still waits goes out, in order. What comes later goes out at once, unpaired.
    pub fn finish(&mut self) {
        self.finished = true;
        if self.mode == PairMode::Nearest && self.align.settle() {
            self.match_all();
        }
        while let Some(slot) = self.frames.pop_front() {
            self.release(slot.frame, slot.result, false);
        }
        self.counters.results_without_frame += self.results.len() as u64;
        self.results.clear();
    }

    /// The next frame that is ready.
    pub fn poll(&mut self) -> Option<Paired<F, R>> {
        self.out.pop_front()
    }

    /// When to call [`tick`](Self::tick).
    pub fn deadline(&self) -> Option<Instant> {
        let head = self.frames.front()?;
        head.since.checked_add(self.max_wait?)
    }

    /// Totals so far.
    pub fn counters(&self) -> PairCounters {
        self.counters
    }

    /// Frames that wait for their results.
    pub fn waiting(&self) -> usize {
        self.frames.len()
    }

    /// The warning that frames and results do not correspond. Comes at most once.
    pub fn take_mismatch(&mut self) -> Option<Mismatch> {
        self.judge.take()
    }

    /// Where a result with this key belongs on the track; `None` while the origin is unknown.
    fn position(&self, key: i64) -> Option<i64> {
        match self.mode {
            PairMode::Exact => Some(key),
            PairMode::Nearest => Some(key.wrapping_add(self.align.origin()?)),
        }
    }

    fn tolerance(&self) -> i64 {
        match self.mode {
            PairMode::Exact => 0,
            PairMode::Nearest => TOLERANCE,
        }
    }

    /// The waiting frame nearest to that key, the earlier one on ties.
    fn frame_for(&mut self, key: i64) -> Option<&mut Slot<F, R>> {
        let (want, tolerance) = (self.position(key)?, self.tolerance());
        self.frames
            .iter_mut()
            .filter(|slot| slot.result.is_none())
            .map(|slot| (distance(slot.at, want), slot))
            .filter(|(away, _)| *away <= tolerance.unsigned_abs())
            .min_by_key(|(away, _)| *away)
            .map(|(_, slot)| slot)
    }

    /// Gives that frame the result nearest to it, the earlier one on ties.
    fn match_frame(&mut self, place: usize) {
        let Some(slot) = self.frames.get(place).filter(|slot| slot.result.is_none()) else {
            return;
        };
        let at = slot.at;
        let nearest = self
            .results
            .iter()
            .enumerate()
            .filter_map(|(n, held)| Some((distance(self.position(held.key)?, at), n)))
            .filter(|(away, _)| *away <= self.tolerance().unsigned_abs())
            .min();
        let held = nearest.and_then(|(_, n)| self.results.remove(n));
        if let (Some(held), Some(slot)) = (held, self.frames.get_mut(place)) {
            slot.result = Some(held.result);
        }
    }

    fn match_all(&mut self) {
        for place in 0..self.frames.len() {
            self.match_frame(place);
        }
    }

    /// Drops results of frames that can no longer come, since frames come in order: those before the newest frame.
    fn forget_passed(&mut self) {
        let (Some(newest), Some(origin)) = (self.newest.0, self.position(0)) else {
            return;
        };
        let tolerance = self.tolerance();
        let before = self.results.len();
        self.results
            .retain(|held| held.key.wrapping_add(origin) >= newest.wrapping_sub(tolerance));
        self.counters.results_without_frame += (before - self.results.len()) as u64;
    }

    /// Hands out what is ready, or must not wait any longer.
    fn settle(&mut self, now: Instant) {
        let tolerance = self.tolerance();
        // Results come in order: frames before the newest one's will not get theirs any more.
        let passed = self
            .newest
            .1
            .filter(|_| self.ordered)
            .and_then(|key| self.position(key))
            .map(|newest| newest.wrapping_sub(tolerance));
        while let Some(head) = self.frames.front() {
            let crowded = self.frames.len() > MAX_PENDING;
            let late = self
                .max_wait
                .is_some_and(|wait| now.saturating_duration_since(head.since) >= wait);
            let hopeless = passed.is_some_and(|passed| head.at < passed);
            if !(head.result.is_some() || crowded || late || hopeless || self.finished) {
                break;
            }
            if let Some(slot) = self.frames.pop_front() {
                self.release(slot.frame, slot.result, crowded);
            }
        }
    }

    fn release(&mut self, frame: F, result: Option<R>, crowded: bool) {
        let matched = match (&result, self.mode) {
            (None, _) => Match::Unpaired,
            (Some(_), PairMode::Exact) => Match::Exact,
            (Some(_), PairMode::Nearest) => Match::Nearest,
        };
        match matched {
            Match::Exact => self.counters.exact += 1,
            Match::Nearest => self.counters.nearest += 1,
            Match::Unpaired => {
                self.counters.unpaired += 1;
                self.counters.evicted += u64::from(crowded);
            }
        }
        self.judge.look(&self.counters);
        self.out.push_back(Paired {
            frame,
            result,
            matched,
        });
    }
}

fn distance(a: i64, b: i64) -> u64 {
    a.wrapping_sub(b).unsigned_abs()
}
