//! Whether the bodies of one session are compressed: when its channel is the bottleneck, and only while that pays.
//! No channel and no clock: it is told what was sent and when, and what compressing achieved.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is decided before a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompressRule {
    /// Switched off, or the client is not known to read it.
    Never,
    /// Switched on.
    Always,
    /// As the channel asks for it.
    WhenItPays,
}

/// A body that fits a packet arrives no sooner for being shorter.
const SMALLEST: usize = 1200;
/// How long the channel is watched before its share of the time is judged.
const WINDOW: Duration = Duration::from_secs(1);
/// A channel that is busy at least this part of the time is what the session waits for.
const BUSY: f64 = 0.5;
/// Without compression it would be busy less than this part of the time: no longer worth it.
const IDLE: f64 = 0.25;
/// The time on the wire that is saved must be this many times the time it costs: a processor has more to do.
const GAIN: f64 = 2.0;
/// After it did not pay on a channel no faster than now, other bodies may be worth another try.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// See the module.
///
/// Told of each body with [`begin`](Self::begin) and [`sent`](Self::sent), and of the moment nothing is left unsent with
/// [`drained`](Self::drained). Memory and time are constant.
#[derive(Debug)]
pub(crate) struct Compression {
    rule: CompressRule,
    on: bool,
    window: Option<Window>,
    /// Something is unsent since then.
    busy_since: Option<Instant>,
    /// Bytes a second while it is busy, over the last window in which it was.
    rate: Option<f64>,
    /// Compressed size as a part of the whole, for the last body.
    ratio: f64,
    /// When it did not pay, and the rate below which it would have.
    failed: Option<(f64, Instant)>,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    busy: Duration,
    bytes: usize,
}

impl Compression {
    pub(crate) fn new(rule: CompressRule) -> Compression {
        Compression {
            rule,
            on: rule == CompressRule::Always,
            window: None,
            busy_since: None,
            rate: None,
            ratio: 1.0,
            failed: None,
        }
    }

    /// Whether it wants to be told about the channel.
    pub(crate) fn watches(&self) -> bool {
        self.rule == CompressRule::WhenItPays
    }

    /// Whether to compress a body of this size now.
    pub(crate) fn wants(&mut self, now: Instant, body: usize) -> bool {
        self.judge(now);
        self.on && (self.rule == CompressRule::Always || body >= SMALLEST)
    }

    /// What compressing a body made of it, and what it cost.
    pub(crate) fn compressed(&mut self, now: Instant, before: usize, after: usize, took: Duration) {
        self.ratio = after as f64 / before.max(1) as f64;
        let saved = before.saturating_sub(after) as f64;
        let pays_below = saved / (GAIN * took.as_secs_f64()).max(1e-9);
        if self.watches() && self.rate.is_none_or(|rate| rate > pays_below) {
            self.on = false;
            self.failed = Some((pays_below, now));
        }
    }

    /// A body is about to be handed to the channel.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.window.get_or_insert(Window {
            begun: now,
            busy: Duration::ZERO,
            bytes: 0,
        });
        self.busy_since.get_or_insert(now);
    }

    /// All of it was handed over; `unsent` bytes of it and others still wait.
    pub(crate) fn sent(&mut self, now: Instant, bytes: usize, unsent: usize) {
        if let Some(window) = &mut self.window {
            window.bytes = window.bytes.saturating_add(bytes);
        }
        if unsent == 0 {
            self.drained(now);
        }
    }

    /// Nothing is unsent.
    pub(crate) fn drained(&mut self, now: Instant) {
        self.count(now);
        self.busy_since = None;
    }

    fn count(&mut self, now: Instant) {
        if let (Some(window), Some(since)) = (&mut self.window, &mut self.busy_since) {
            window.busy += now.saturating_duration_since(*since);
            *since = now;
        }
    }

    fn judge(&mut self, now: Instant) {
        self.count(now);
        let Some(window) = &self.window else {
            return;
        };
        let long = now.saturating_duration_since(window.begun);
        if long < WINDOW || !self.watches() {
            return;
        }
        let busy = window.busy.as_secs_f64();
        let share = busy / long.as_secs_f64();
        if busy > 0.0 {
            self.rate = Some(window.bytes as f64 / busy);
        }
        let slower = |rate| self.rate.is_some_and(|now| now <= rate);
        let allowed = self.failed.is_none_or(|(rate, at)| {
            slower(rate) || now.saturating_duration_since(at) >= TRY_AGAIN
        });
        let was = self.on;
        self.on = if was {
            share / self.ratio.max(0.01) >= IDLE
        } else {
            allowed && share >= BUSY
        };
        if was != self.on {
            tracing::debug!(on = self.on, share, rate = self.rate, "compression");
        }
        self.window = Some(Window {
            begun: now,
            busy: Duration::ZERO,
            bytes: 0,
        });
    }
}

/// The one of a session; its counters make sense whoever panicked.
pub(crate) fn lock(shared: &Mutex<Compression>) -> MutexGuard<'_, Compression> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A channel, a client and bodies, in virtual time.
    struct Line {
        /// Bytes a second.
        rate: f64,
        /// From the last byte sent to the next turn: what client, worker and path take.
        rest: Duration,
        body: usize,
        ratio: f64,
        gzip: Duration,
    }

    const MEGA: f64 = 1e6;

    impl Line {
        /// Sends bodies for `seconds`, each after the one before was acknowledged. How many of the last half were compressed.
        fn run(
            &self,
            compression: &mut Compression,
            start: Instant,
            seconds: u64,
        ) -> (Instant, f64) {
            let (half, end) = (
                start + Duration::from_secs(seconds) / 2,
                start + Duration::from_secs(seconds),
            );
            let mut now = start;
            let (mut bodies, mut compressed) = (0, 0);
            while now < end {
                let mut size = self.body;
                let gzip = compression.wants(now, size);
                if gzip {
                    now += self.gzip;
                    size = (self.body as f64 * self.ratio) as usize;
                    compression.compressed(now, self.body, size, self.gzip);
                }
                if now >= half {
                    bodies += 1;
                    compressed += u32::from(gzip);
                }
                compression.begin(now);
                compression.sent(now, size, size);
                now += Duration::from_secs_f64(size as f64 / self.rate);
                compression.drained(now);
                now += self.rest;
            }
            (now, f64::from(compressed) / f64::from(bodies))
        }

        fn share(&self) -> f64 {
            let mut compression = Compression::new(CompressRule::WhenItPays);
            self.run(&mut compression, Instant::now(), 20).1
        }
    }

    /// A 720p picture as base64 beside an original, 8 ms for everything but the wire.
    const PICTURE: Line = Line {
        rate: 100.0 * MEGA,
        rest: Duration::from_millis(8),
        body: 200_000,
        ratio: 0.76,
        gzip: Duration::from_micros(1500),
    };

    #[test]
    fn a_fast_channel_is_left_alone_and_a_slow_one_is_relieved() {
        assert_eq!(PICTURE.share(), 0.0);
        for rate in [8.0 * MEGA, MEGA, 0.1 * MEGA] {
            let slow = Line { rate, ..PICTURE };
            assert_eq!(slow.share(), 1.0, "{rate}");
        }
    }

    #[test]
    fn a_busy_channel_is_left_alone_when_compressing_takes_longer_than_sending() {
        let dear = Line {
            rate: 10.0 * MEGA,
            gzip: Duration::from_millis(3),
            ..PICTURE
        };
        assert!(dear.share() < 0.01, "tried at times, no more");
        let useless = Line {
            rate: 5.0 * MEGA,
            ratio: 1.001,
            ..PICTURE
        };
        assert!(useless.share() < 0.01);
    }

    #[test]
    fn who_waits_for_the_client_or_its_model_gains_nothing() {
        let waiting = Line {
            rate: 5.0 * MEGA,
            rest: Duration::from_millis(100),
            ..PICTURE
        };
        assert_eq!(waiting.share(), 0.0);
        let small = Line {
            rate: 0.01 * MEGA,
            body: SMALLEST - 1,
            ..PICTURE
        };
        assert_eq!(small.share(), 0.0);
    }

    #[test]
    fn it_ends_when_the_channel_is_fast_again_and_comes_back_when_it_is_not() {
        let mut compression = Compression::new(CompressRule::WhenItPays);
        let slow = Line {
            rate: MEGA,
            ..PICTURE
        };
        let mut now = Instant::now();
        for _ in 0..3 {
            let (then, share) = slow.run(&mut compression, now, 40);
            assert_eq!(share, 1.0, "within 20 s");
            let (then, share) = PICTURE.run(&mut compression, then, 10);
            assert_eq!(share, 0.0);
            now = then;
        }
    }

    #[test]
    fn a_queue_that_never_drains_is_a_bottleneck_too() {
        let mut compression = Compression::new(CompressRule::WhenItPays);
        let start = Instant::now();
        let mut seen = Vec::new();
        for body in 0..20 {
            let now = start + Duration::from_millis(200) * body;
            seen.push(compression.wants(now, 200_000));
            compression.begin(now);
            compression.sent(now, 200_000, 1_000_000);
        }
        assert_eq!(seen.iter().position(|on| *on), Some(5), "after one window");
        assert!(seen[5..].iter().all(|on| *on));
    }

    #[test]
    fn what_was_set_is_kept() {
        let slow = Line {
            rate: MEGA,
            ..PICTURE
        };
        for (rule, share) in [(CompressRule::Never, 0.0), (CompressRule::Always, 1.0)] {
            for line in [&slow, &PICTURE] {
                let mut compression = Compression::new(rule);
                assert_eq!(line.run(&mut compression, Instant::now(), 5).1, share);
                assert_eq!(
                    compression.wants(Instant::now(), 1),
                    rule == CompressRule::Always
                );
            }
        }
    }
}
