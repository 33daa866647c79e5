//! The rate law: send at the highest delivery rate seen lately, keep about one path's worth in flight, and take
//! loss as a sign of congestion only above what the path loses anyway. Not a window that halves at a loss.
use super::super::rtt::Rtt;
use super::{INITIAL_PACKETS, Progress, Sample};

mod filter;
mod rounds;

use filter::MaxFilter;
use rounds::{Judge, Round, Verdict};

const MS: f64 = 1e6;
/// Pacing gains of the eight phases of `Probe`: ask for more, give back what it queued, cruise.
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// The phase that cruising starts with.
const CRUISE: usize = 2;
/// In flight while probing, in units of rate times smallest round trip.
const WINDOW_GAIN: f64 = 1.65;
/// Silence after which the rate is taken up again without a burst.
const IDLE: u64 = 1_000_000_000;
/// How long the window is small when the smallest round trip is measured anew.
const MEASURE: u64 = 200_000_000;
/// After so long a time in a queue that is not ours, or on a path that became longer, the smallest round trip is out of date.
const STRANGE: u64 = 500_000_000;
/// Least time between the round trips that Startup is judged by.
const APART: u64 = 5_000_000;
/// After congestion, how long not to ask for more.
const HOLD: u64 = 2_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Startup,
    Drain,
    Probe,
    /// Measures the smallest round trip anew; until the given time once the flight has shrunk.
    Measure(Option<u64>),
}

/// State of the rate law; bytes, ns.
#[derive(Debug)]
pub(in super::super) struct Rate {
    packet: f64,
    max_rate: f64,
    filter: MaxFilter,
    round: Round,
    judge: Judge,
    mode: Mode,
    gain: f64,
    phase: usize,
    phase_at: u64,
    /// Most in flight that the path took without congestion.
    bound: f64,
    hold_until: u64,
    /// Rate at which `Startup` last grew by a quarter, and rounds since.
    grown: f64,
    stalled: u32,
    /// Smallest of the round trips since the last multiple of eight.
    startup_min: u64,
    startup_samples: u32,
    startup_at: u64,
    /// Estimate when the phase began.
    phase_rate: f64,
    /// Until this round the peer's reports were incomplete.
    truncated_until: u64,
    /// Since when all round trips have been longer than our own flight could make them.
    strange_since: Option<u64>,
    /// Sending was taken up again after a silence, and no round has passed since.
    restarted: bool,
}

impl Rate {
    pub(super) fn new(packet: f64, max_rate: Option<u64>) -> Rate {
        Rate {
            packet,
            max_rate: max_rate.map_or(f64::MAX, |rate| (rate as f64).max(1.0)),
            filter: MaxFilter::default(),
            round: Round::default(),
            judge: Judge::default(),
            mode: Mode::Startup,
            gain: 2.0,
            phase: CRUISE,
            phase_at: 0,
            bound: f64::MAX,
            hold_until: 0,
            grown: 0.0,
            stalled: 0,
            startup_min: u64::MAX,
            startup_samples: 0,
            startup_at: 0,
            phase_rate: 0.0,
            truncated_until: 0,
            strange_since: None,
            restarted: false,
        }
    }

    pub(super) fn estimate(&self) -> f64 {
        self.filter.max()
    }

    pub(super) fn mode(&self) -> &'static str {
        match self.mode {
            Mode::Startup => "startup",
            Mode::Drain => "drain",
            Mode::Probe => "probe",
            Mode::Measure(_) => "measure",
        }
    }

    /// Rate times smallest round trip.
    fn product(&self, rtt: &Rtt) -> f64 {
        if rtt.min == u64::MAX || self.estimate() == 0.0 {
            return INITIAL_PACKETS * self.packet;
        }
        self.estimate() * rtt.min as f64 / 1e9
    }

    /// What batching on the way adds to the flight: three bursts of half a millisecond.
    fn quantum(&self) -> f64 {
        3.0 * (2.0 * self.packet).max(self.estimate() * 0.5e-3)
    }

    pub(super) fn window(&self, rtt: &Rtt) -> f64 {
        let product = self.product(rtt);
        let floor = 4.0 * self.packet;
        match self.mode {
            Mode::Measure(_) => (0.5 * product).max(floor) + self.quantum(),
            Mode::Startup | Mode::Drain => {
                (2.0 * product + self.quantum()).max(INITIAL_PACKETS * self.packet)
            }
            Mode::Probe if self.restarted => product.min(self.bound).max(floor) + self.quantum(),
            Mode::Probe => (WINDOW_GAIN * product).min(self.bound).max(floor) + self.quantum(),
        }
    }

    pub(super) fn pacing(&self, rtt: &Rtt) -> f64 {
        let turn = if rtt.is_known() {
            rtt.smoothed as f64
        } else {
            10.0 * MS
        };
        // A rate measured while there was little to send says nothing about the path: it must not hold the next message back.
        let least = match self.mode {
            Mode::Startup => 2.0 * INITIAL_PACKETS,
            _ => INITIAL_PACKETS,
        };
        let rate = (self.gain * self.estimate()).max(least * self.packet * 1e9 / turn);
        rate.min(self.max_rate)
    }

    pub(super) fn on_restart(&mut self, now: u64, idle: u64) {
        if idle > IDLE && self.estimate() > 0.0 {
            self.restarted = true;
            if self.mode != Mode::Startup {
                self.cruise(now, CRUISE);
            }
        }
    }

    pub(super) fn on_progress(&mut self, progress: &Progress, rtt: &mut Rtt) {
        if progress.truncated {
            self.truncated_until = self.round.number() + 1;
        }
        self.round.add(progress);
        if let Some(sample) = &progress.sample {
            let ended = self.round.turn(sample, progress);
            self.take(sample, progress.now, ended.is_some(), rtt);
            if let Some(sums) = ended {
                self.restarted = false;
                self.strange_since = sums
                    .is_stranger(rtt)
                    .then(|| self.strange_since.unwrap_or(progress.now));
                if self.mode == Mode::Startup {
                    let flooded = self.judge.is_flooded(&sums);
                    let queued = self.round.number() >= 3 && sums.is_queued(rtt);
                    if flooded || queued && !self.is_small(rtt) {
                        self.drain();
                    }
                } else if self.mode == Mode::Probe {
                    let verdict = self.judge.judge(&sums, rtt);
                    self.probe_round(verdict, sums.peak, progress.now, rtt);
                }
            }
        }
        if let (Some(sample), Mode::Startup) = (progress.rtt, self.mode) {
            self.startup_sample(sample, progress.now, rtt);
        }
        self.advance(progress, rtt);
    }

    /// A rate sample counts if it spans a round trip, and, if something else held us back or the peer's report was incomplete, only upwards or not at all.
    fn take(&mut self, sample: &Sample, now: u64, round: bool, rtt: &Rtt) {
        let estimate = self.estimate();
        let higher = sample.rate > estimate;
        let spans = rtt.min == u64::MAX || sample.interval >= rtt.min;
        let incomplete = self.round.number() <= self.truncated_until;
        if round {
            self.filter.turn(now);
        }
        if spans && (higher || !sample.limited) && !(higher && incomplete) {
            self.filter.add(sample.rate);
        }
        if round && self.mode == Mode::Startup {
            if self.estimate() >= 1.25 * self.grown {
                (self.grown, self.stalled) = (self.estimate(), 0);
            } else if !sample.limited || rtt.shows_queue(rtt.smoothed) && !self.is_small(rtt) {
                // Held back by the peer's window, a rate that does not grow says nothing, unless there is a queue.
                self.stalled += 1;
            }
            if self.stalled >= 3 {
                self.drain();
            }
        }
    }

    /// Startup ends when the smallest of eight round trips shows a queue. They lie apart: when a process stands still for a moment,
    /// a whole row of answers is late, and that is one event.
    fn startup_sample(&mut self, sample: u64, now: u64, rtt: &Rtt) {
        self.startup_min = self.startup_min.min(sample);
        let apart = (rtt.min_or(0) / 4).max(APART);
        if now < self.startup_at.saturating_add(apart) {
            return;
        }
        self.startup_at = now;
        self.startup_samples += 1;
        if self.startup_samples == 8 {
            let limit = rtt.min.saturating_add((rtt.min / 8).max(2_000_000));
            if self.startup_min > limit && !self.is_small(rtt) {
                self.drain();
            }
            (self.startup_samples, self.startup_min) = (0, u64::MAX);
        }
    }

    /// So little was ever sent that a late answer is the receiver's patience, not a queue.
    fn is_small(&self, rtt: &Rtt) -> bool {
        let start = 2.0 * INITIAL_PACKETS * self.packet * 1e9 / rtt.smoothed.max(1) as f64;
        self.estimate() < start
    }

    fn drain(&mut self) {
        (self.mode, self.gain) = (Mode::Drain, 0.5);
    }

    fn cruise(&mut self, now: u64, phase: usize) {
        self.mode = Mode::Probe;
        (self.phase, self.phase_at, self.gain) = (phase, now, CYCLE[phase]);
        self.phase_rate = self.estimate();
    }

    /// What a whole round says about the bound of the flight.
    fn probe_round(&mut self, verdict: Verdict, peak: u64, now: u64, rtt: &Rtt) {
        let product = self.product(rtt);
        match verdict {
            Verdict::Congested => {
                let cut = 0.7 * (peak as f64).min(self.bound);
                self.bound = cut.max(0.5 * product).max(4.0 * self.packet);
                self.hold_until = now + HOLD;
            }
            Verdict::Quiet(rounds) if rounds >= 2 => {
                self.bound =
                    self.bound.min(2.0 * product) + (0.02 * product).max(3.0 * self.packet);
            }
            Verdict::Unknown | Verdict::Quiet(_) => {}
        }
    }

    /// Moves on between modes and phases.
    fn advance(&mut self, progress: &Progress, rtt: &mut Rtt) {
        let (now, flight) = (progress.now, progress.in_flight as f64);
        let product = self.product(rtt);
        if self.mode == Mode::Drain && flight <= product {
            // Flows that started together shall not probe together.
            let phase = CRUISE + (self.round.number() as usize * 5 + 3) % 6;
            self.cruise(now, phase);
        }
        if self.mode == Mode::Probe {
            self.advance_phase(progress, product, rtt);
        }
        let settled = matches!(self.mode, Mode::Drain | Mode::Probe);
        let strange = self
            .strange_since
            .is_some_and(|since| now > since + STRANGE);
        if settled && (strange || rtt.min_is_old(now)) && !progress.limited {
            self.strange_since = None;
            (self.mode, self.gain) = (Mode::Measure(None), 1.0);
        }
        match self.mode {
            Mode::Measure(None) if flight <= self.window(rtt) => {
                self.mode = Mode::Measure(Some(now + MEASURE));
                rtt.forget_min();
            }
            Mode::Measure(Some(end)) if now > end => {
                rtt.min_at = now;
                self.cruise(now, CRUISE);
            }
            _ => {}
        }
    }

    fn advance_phase(&mut self, progress: &Progress, product: f64, rtt: &Rtt) {
        let (now, flight) = (progress.now, progress.in_flight as f64);
        // On very short paths the round trip that counts is the one that batching makes.
        let turn = rtt.min_or(0).max(rtt.smoothed.min(4_000_000));
        let spent = now.saturating_sub(self.phase_at);
        let over = match self.phase {
            0 => {
                let full = flight >= 1.2 * product.min(self.bound);
                spent >= turn
                    && (full || progress.lost_chunks > 0 || progress.limited || spent > 2 * turn)
            }
            1 => spent >= turn || flight <= product,
            _ => spent >= turn,
        };
        if over {
            // The path took all that was asked for: ask for more at once.
            let grew = self.phase == 0 && self.estimate() >= 1.15 * self.phase_rate;
            let step = if grew && !rtt.shows_queue(rtt.smoothed) {
                0
            } else {
                1
            };
            let next = (self.phase + step) % CYCLE.len();
            let next = if next == 0 && now < self.hold_until {
                CRUISE
            } else {
                next
            };
            self.cruise(now, next);
        }
    }
}
