//! The estimate over simulated links: wide, narrow, collapsing, losing.
//! Only the estimator; no engine takes part.

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A sender that follows the estimate over a link with this capacity, 30 frames a second in packets of 1,100
/// bytes. Returns the estimate and the queueing delay in ms at the end of each second.
struct Path {
    now: Instant,
    estimator: Estimator,
    free: Instant,
    rate: f64,
    seq: u64,
    start: Instant,
    send_times: bool,
}

impl Path {
    fn new(send_times: bool) -> Path {
        let now = Instant::now();
        Path {
            now,
            estimator: Estimator::new(BitrateLimits::default()),
            free: now,
            rate: 500_000.0,
            seq: 0,
            start: now,
            send_times,
        }
    }

    fn seconds(&mut self, capacity: f64, seconds: u32, lose: impl Fn(u64) -> bool) -> (f64, f64) {
        let mut arrivals: Vec<Arrival> = Vec::new();
        for _ in 0..seconds * 30 {
            let packets = (self.rate / 30.0 / 8.0 / 1_100.0).ceil().max(1.0) as usize;
            for _ in 0..packets {
                self.seq += 1;
                let bytes = (self.rate / 30.0 / 8.0 / packets as f64) as usize;
                if lose(self.seq) {
                    continue;
                }
                self.free = self.free.max(self.now)
                    + Duration::from_secs_f64(bytes as f64 * 8.0 / capacity);
                let passed = (self.now - self.start).as_secs_f64();
                arrivals.push(Arrival {
                    at: self.free + 20 * MS,
                    sent: self.send_times.then_some((passed + 60.0) % 64.0),
                    rtp_time: ((passed * 90_000.0) as u64 + 4_294_900_000) as u32,
                    seq: self.seq,
                    bytes,
                });
            }
            let end = self.now + Duration::from_secs_f64(1.0 / 30.0);
            while self.now < end {
                let now = self.now;
                for arrival in arrivals.extract_if(.., |a| a.at <= now) {
                    self.estimator.packet(arrival);
                }
                if let Some(rate) = self.estimator.poll(now) {
                    self.rate = f64::from(rate);
                }
                self.now += MS;
            }
        }
        (
            self.rate,
            self.free.saturating_duration_since(self.now).as_secs_f64() * 1e3,
        )
    }
}

#[test]
fn on_a_wide_link_the_ceiling_is_reached_within_three_seconds() {
    for send_times in [true, false] {
        let mut path = Path::new(send_times);
        let (rate, _) = path.seconds(100e6, 3, |_| false);
        assert_eq!(rate, 4e6);
    }
}

#[test]
fn on_a_narrow_link_the_estimate_stays_below_its_capacity_and_the_queue_short() {
    for send_times in [true, false] {
        let mut path = Path::new(send_times);
        path.seconds(0.5e6, 8, |_| false);
        for _ in 0..20 {
            let (rate, queue) = path.seconds(0.5e6, 1, |_| false);
            assert!(rate < 0.56e6 && rate > 0.25e6, "{rate}");
            assert!(queue < 150.0, "{queue} ms");
        }
    }
}

#[test]
fn a_collapse_of_the_link_is_followed_at_once_and_its_recovery_within_seconds() {
    let mut path = Path::new(true);
    path.seconds(10e6, 5, |_| false);
    let (rate, _) = path.seconds(0.5e6, 1, |_| false);
    assert!(rate < 0.5e6, "{rate}");
    let (_, queue) = path.seconds(0.5e6, 6, |_| false);
    assert!(queue < 200.0, "{queue} ms");
    let (rate, _) = path.seconds(10e6, 15, |_| false);
    assert!(rate > 1.5e6, "{rate}");
}

#[test]
fn the_more_is_lost_the_less_is_asked_for_but_scattered_loss_never_starves_the_sender() {
    let rate = |every: u64| Path::new(true).seconds(100e6, 20, |seq| seq % every == 0).0;
    assert_eq!(rate(1_000), 4e6);
    // Repairs tell of the loss; this sender makes none, so nothing is known of it.
    let mut estimator = Estimator::new(BitrateLimits::default());
    let start = Instant::now();
    for n in 0..4_000u64 {
        let at = start + 6 * MS * n as u32;
        let arrival = |at: Instant, seq| Arrival {
            at,
            sent: Some((at - start).as_secs_f64()),
            rtp_time: 0,
            seq,
            bytes: 1_100,
        };
        if n % 10 != 0 {
            estimator.packet(arrival(at, n));
        } else if n > 10 {
            estimator.packet(arrival(at, n - 10));
        }
        estimator.poll(at);
    }
    assert!(
        (1.0e6..1.5e6).contains(&estimator.estimate),
        "{}",
        estimator.estimate
    );
}
