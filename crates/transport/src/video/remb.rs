//! How much a peer may send us, estimated from what arrives: rate, queueing delay and loss.
//! It is told packets and the time. What the engine's own estimate is for sending, this is for receiving.
//!
//! A queue shows in the delay of the quickest packets of the last moments, compared with the quickest of the last
//! seconds: jitter delays some, a queue delays all. That needs no pacing of the sender, unlike a trend of gaps
//! between bursts, and shows a collapse within a few frames.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::BitrateLimits;

/// Between two looks at the measurements.
const LOOK: Duration = Duration::from_millis(50);
/// Between two messages while nothing gets worse.
const TELL: Duration = Duration::from_secs(1);
/// The moments whose quickest packet counts, but at least so many packets.
const MOMENT: Duration = Duration::from_millis(150);
const MOMENT_PACKETS: usize = 4;
/// The quickest packet is remembered this long, in so many steps.
const BASE_STEP: Duration = Duration::from_secs(2);
const BASE_STEPS: usize = 10;
/// Queueing delay that means too much is sent, and that means there is room, in seconds.
const OVERUSE: f64 = 0.050;
const CLEAR: f64 = 0.020;
/// Rates are measured over the first; over the second while a queue stands, when every packet shows the capacity.
const RATE_WINDOW: Duration = Duration::from_secs(1);
const CAPACITY_WINDOW: Duration = Duration::from_millis(300);
/// Share of packets lost above which the network plainly carries only what arrives.
const HEAVY_LOSS: f64 = 0.3;
/// At most so many bits a second may be lost: each lost packet is a picture that waits for its repair, or a freeze.
pub(crate) const LOST_RATE: f64 = 125_000.0;
/// Less loss than this changes nothing.
const SOME_LOSS: f64 = 0.01;
/// A packet that comes this much after later ones, without a send time to tell, was lost and repaired.
const REPAIRED_AFTER: Duration = Duration::from_millis(60);
/// Packets remembered, by time and at most.
const MAX_SAMPLES: usize = 4_096;

/// A packet as the estimator sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    /// When it was sent, in seconds of any clock that runs like ours.
    pub(crate) sent: Option<f64>,
    pub(crate) rtp_time: u32,
    pub(crate) seq: u64,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Estimator {
    limits: BitrateLimits,
    /// bit/s.
    estimate: f64,
    /// Bytes by arrival.
    received: VecDeque<(Instant, usize)>,
    /// Relative delay in seconds by arrival.
    delays: VecDeque<(Instant, f64)>,
    base: VecDeque<(Instant, f64)>,
    first: Option<(Instant, f64)>,
    newest: Option<Newest>,
    expected: u64,
    repaired: u64,
    loss_since: Option<Instant>,
    /// What the loss allows, bit/s.
    bearable: f64,
    /// What came through while a queue stood.
    capacity: Option<f64>,
    draining: bool,
    looked: Option<Instant>,
    hold: Option<Instant>,
    told: Option<(Instant, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    seq: u64,
    at: Instant,
    sent: Option<f64>,
}

impl Estimator {
    pub(crate) fn new(limits: BitrateLimits) -> Estimator {
        Estimator {
            limits,
            estimate: f64::from(limits.start),
            received: VecDeque::new(),
            delays: VecDeque::new(),
            base: VecDeque::new(),
            first: None,
            newest: None,
            expected: 0,
            repaired: 0,
            loss_since: None,
            bearable: f64::INFINITY,
            capacity: None,
            draining: false,
            looked: None,
            hold: None,
            told: None,
        }
    }

    /// Whether the peer sends less than it might because of us.
    pub(crate) fn is_limiting(&self) -> bool {
        self.capacity.is_some()
    }

    pub(crate) fn packet(&mut self, arrival: Arrival) {
        let at = arrival.at;
        push(&mut self.received, (at, arrival.bytes));
        let Some(newest) = self.newest else {
            self.newest = Some(Newest {
                seq: arrival.seq,
                at,
                sent: arrival.sent,
            });
            self.delay(arrival);
            return;
        };
        if arrival.seq > newest.seq {
            self.expected += arrival.seq - newest.seq;
            self.newest = Some(Newest {
                seq: arrival.seq,
                at,
                sent: arrival.sent,
            });
            self.delay(arrival);
            return;
        }
        let repaired = match (arrival.sent, newest.sent) {
            (Some(sent), Some(before)) => seconds(sent - before) > 0.005,
            _ => at.saturating_duration_since(newest.at) > REPAIRED_AFTER,
        };
        self.repaired += u64::from(repaired);
        if !repaired && arrival.sent.is_some() {
            self.delay(arrival);
        }
    }

    fn delay(&mut self, arrival: Arrival) {
        let sent = arrival
            .sent
            .unwrap_or_else(|| f64::from(arrival.rtp_time) / 90_000.0);
        let (start, first) = *self.first.get_or_insert((arrival.at, sent));
        let passed = arrival.at.saturating_duration_since(start).as_secs_f64();
        let period = if arrival.sent.is_some() {
            SEND_TIME_PERIOD
        } else {
            RTP_TIME_PERIOD
        };
        let delay = wrapped(passed - (sent - first), period);
        push(&mut self.delays, (arrival.at, delay));
        match self.base.back_mut() {
            Some((since, least)) if arrival.at < *since + BASE_STEP => *least = least.min(delay),
            _ => {
                self.base.push_back((arrival.at, delay));
                if self.base.len() > BASE_STEPS {
                    self.base.pop_front();
                }
            }
        }
    }

    /// What to tell the peer now, if anything.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<u32> {
        self.first?;
        if self.looked.is_none_or(|at| now >= at + LOOK) {
            let passed = self
                .looked
                .replace(now)
                .map_or(LOOK, |at| now - at)
                .min(TELL);
            self.look(now, passed.as_secs_f64());
        }
        let due = match self.told {
            None => true,
            Some((at, rate)) => now >= at + TELL || self.estimate < rate * 0.97,
        };
        if !due {
            return None;
        }
        self.told = Some((now, self.estimate));
        Some(self.limits.clamp(self.estimate as u64))
    }

    fn look(&mut self, now: Instant, passed: f64) {
        forget(&mut self.received, now, RATE_WINDOW);
        while self.delays.len() > MOMENT_PACKETS
            && self
                .delays
                .front()
                .is_some_and(|(at, _)| *at + MOMENT < now)
        {
            self.delays.pop_front();
        }
        let heard = self
            .delays
            .back()
            .is_some_and(|(at, _)| *at + MOMENT >= now);
        if !heard {
            // Silence says nothing about the network.
            return;
        }
        let least = |delays: &VecDeque<(Instant, f64)>| {
            delays.iter().map(|(_, d)| *d).fold(f64::INFINITY, f64::min)
        };
        let queue = least(&self.delays) - least(&self.base);
        let loss = self.take_loss(now);
        if queue > OVERUSE {
            self.decrease(now, queue);
        } else if queue < CLEAR {
            self.increase(now, passed);
        }
        if let Some(loss) = loss {
            self.bearable = LOST_RATE / loss.max(SOME_LOSS);
            if loss > HEAVY_LOSS {
                let arrived = self.rate(now, RATE_WINDOW);
                self.capacity = Some(arrived);
                self.estimate = self.estimate.min(arrived);
            }
        }
        self.estimate = self.estimate.min(self.bearable);
        let (floor, ceiling) = (f64::from(self.limits.floor), f64::from(self.limits.ceiling));
        self.estimate = self.estimate.clamp(floor, ceiling);
    }

    fn decrease(&mut self, now: Instant, queue: f64) {
        let capacity = self.rate(now, CAPACITY_WINDOW);
        // The longer the queue, the more of the capacity it gets to drain.
        let share = match queue {
            q if q > 0.4 => 0.4,
            q if q > 0.15 => 0.6,
            _ => 0.85,
        };
        if self.hold.is_none_or(|until| now >= until) {
            self.capacity = Some(capacity);
            self.hold = Some(now + CAPACITY_WINDOW);
        }
        let capacity = self.capacity.unwrap_or(capacity);
        self.estimate = self.estimate.min(capacity * share);
        self.draining = true;
    }

    fn increase(&mut self, now: Instant, passed: f64) {
        if std::mem::take(&mut self.draining)
            && let Some(capacity) = self.capacity
        {
            self.estimate = self.estimate.max(capacity * 0.85);
        }
        let growth = match self.capacity {
            None => 0.5,
            Some(capacity) if self.estimate < capacity * 0.9 => 0.2,
            Some(_) => 0.08,
        };
        let grown = self.estimate * (1.0 + growth * passed);
        // Nobody knows that a network carries much more than it does.
        let known = (self.rate(now, RATE_WINDOW) * 2.0).max(f64::from(self.limits.start));
        self.estimate = grown.min(known.max(self.estimate));
        if self
            .capacity
            .is_some_and(|capacity| self.estimate > capacity * 1.5)
        {
            self.capacity = None;
        }
    }

    /// bit/s that arrived in the last `window`.
    fn rate(&self, now: Instant, window: Duration) -> f64 {
        let recent = self.received.iter().rev();
        let bytes: usize = recent
            .take_while(|(at, _)| *at + window >= now)
            .map(|(_, bytes)| *bytes)
            .sum();
        bytes as f64 * 8.0 / window.as_secs_f64()
    }

    /// Share of packets lost on the way before any repair, once a second.
    fn take_loss(&mut self, now: Instant) -> Option<f64> {
        let since = *self.loss_since.get_or_insert(now);
        if now < since + RATE_WINDOW || self.expected < 20 {
            return None;
        }
        let loss = self.repaired as f64 / self.expected as f64;
        (self.expected, self.repaired, self.loss_since) = (0, 0, Some(now));
        Some(loss)
    }
}

/// Send times of 24 bits and RTP times of 32 wrap after this many seconds.
const SEND_TIME_PERIOD: f64 = 64.0;
const RTP_TIME_PERIOD: f64 = 4_294_967_296.0 / 90_000.0;

fn wrapped(value: f64, period: f64) -> f64 {
    value - (value / period).round() * period
}

fn seconds(difference: f64) -> f64 {
    wrapped(difference, SEND_TIME_PERIOD)
}

fn push<T>(samples: &mut VecDeque<T>, sample: T) {
    if samples.len() >= MAX_SAMPLES {
        samples.pop_front();
    }
    samples.push_back(sample);
}

fn forget<T>(samples: &mut VecDeque<(Instant, T)>, now: Instant, after: Duration) {
    while samples.front().is_some_and(|(at, _)| *at + after < now) {
        samples.pop_front();
    }
}

#[cfg(test)]
mod tests;
