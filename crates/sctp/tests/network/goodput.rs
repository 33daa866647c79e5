//! Goodput against loss on paths of every kind: the figures that are promised, less a tenth.

use super::net::{MS, Path};
use super::peer::Habits;
use super::run::{Outcome, mean};

/// What a run has to reach.
struct Promise {
    what: String,
    goodput: f64,
    /// Share sent again.
    resent: f64,
    /// Mean wait at the bottleneck, ms.
    queued: f64,
}

impl Promise {
    fn new(what: String, goodput: f64, loss: f64, queued: f64) -> Promise {
        Promise {
            what,
            goodput: 0.9 * goodput,
            resent: loss / 100.0 + 0.01,
            queued,
        }
    }

    fn check(&self, outcome: &Outcome) {
        let (what, queued) = (&self.what, outcome.queueing.mean_ms());
        println!(
            "{what}: {:.2} MB/s, {:.2} % sent again, {queued:.1} ms queued",
            outcome.goodput,
            outcome.resent * 100.0,
        );
        assert!(outcome.goodput >= self.goodput, "{what}: {outcome:?}");
        assert!(outcome.resent <= self.resent, "{what}: {outcome:?}");
        assert!(queued <= self.queued, "{what}: {outcome:?}");
    }
}

#[test]
fn a_hundred_megabits_are_filled_at_every_loss_rate() {
    for (loss, promised) in [
        (0.0, 11.34),
        (0.1, 11.33),
        (0.5, 11.39),
        (1.0, 11.29),
        (2.0, 11.11),
        (5.0, 10.48),
    ] {
        let path = Path::new(100.0, 50, 1.0).losing(loss);
        let outcome = mean(&path, &Habits::own(5 << 20), 12, 2);
        Promise::new(format!("{loss} %"), promised, loss, 10.0).check(&outcome);
    }
}

#[test]
fn losses_in_bursts_are_repaired_as_well() {
    for (loss, promised) in [(1.0, 11.2), (2.0, 11.2), (5.0, 10.0)] {
        let path = Path::new(100.0, 50, 1.0).bursting(loss);
        let outcome = mean(&path, &Habits::own(5 << 20), 30, 2);
        Promise::new(format!("bursts, {loss} %"), promised, loss, 10.0).check(&outcome);
    }
}

#[test]
fn slower_shorter_longer_and_shallower_paths_are_filled_too() {
    for (what, mbit, rtt, products, promised) in [
        ("20 Mbit/s", 20.0, 50, 1.0, [2.27, 2.26, 2.13]),
        ("20 ms", 100.0, 20, 1.0, [11.3, 11.3, 10.5]),
        ("100 ms", 100.0, 100, 1.0, [11.3, 11.3, 10.5]),
        ("a tenth of a BDP", 100.0, 50, 0.1, [11.3, 10.8, 10.0]),
        ("four BDP", 100.0, 50, 4.0, [11.3, 11.3, 10.5]),
    ] {
        for (loss, promised) in [0.0, 1.0, 5.0].into_iter().zip(promised) {
            let path = Path::new(mbit, rtt, products).losing(loss);
            let outcome = mean(&path, &Habits::own(5 << 20), 12, 1);
            // A queue that shallow loses packets of its own accord.
            let loss = if products < 0.2 { loss + 1.0 } else { loss };
            Promise::new(format!("{what}, {loss} %"), promised, loss, 10.0).check(&outcome);
        }
    }
}

#[test]
fn packets_that_overtake_each_other_are_not_taken_for_lost() {
    for (jitter, promised) in [(5, [11.3, 11.2, 10.5]), (20, [11.3, 11.1, 10.6])] {
        for (loss, promised) in [0.0, 1.0, 5.0].into_iter().zip(promised) {
            let mut path = Path::new(100.0, 50, 1.0).losing(loss);
            path.jitter = jitter * MS;
            let outcome = mean(&path, &Habits::own(5 << 20), 24, 1);
            let what = format!("jitter {jitter} ms, {loss} %");
            Promise::new(what, promised, loss, 30.0).check(&outcome);
            let needless = outcome.twice as f64 / outcome.figures.chunks as f64;
            assert!(needless < 0.002, "{} came twice", outcome.twice);
        }
    }
}

#[test]
fn packets_that_arrive_twice_change_nothing() {
    let mut path = Path::new(100.0, 50, 1.0).losing(1.0);
    path.twice = 0.05;
    let outcome = mean(&path, &Habits::own(5 << 20), 12, 1);
    Promise::new("5 % twice, 1 %".into(), 11.3, 1.0, 10.0).check(&outcome);
}

#[test]
fn acknowledgements_that_are_lost_cost_nothing() {
    let mut path = Path::new(100.0, 50, 1.0).losing(1.0);
    path.back_loss = super::net::Loss::Even(0.2);
    let outcome = mean(&path, &Habits::own(5 << 20), 12, 1);
    Promise::new("1 %, back 20 %".into(), 11.3, 1.0, 10.0).check(&outcome);
}

#[test]
fn a_gigabit_is_filled_with_a_window_to_match() {
    for (loss, promised) in [(0.0, 113.0), (1.0, 113.0), (5.0, 85.0)] {
        let path = Path::new(1000.0, 50, 1.0).losing(loss);
        let outcome = mean(&path, &Habits::own(32 << 20), 3, 1);
        Promise::new(format!("1 Gbit/s, {loss} %"), promised, loss, 10.0).check(&outcome);
    }
}

#[test]
fn a_local_network_with_a_short_queue_is_filled() {
    for (loss, promised) in [(0.0, 458.0), (0.5, 456.0), (2.0, 449.0)] {
        let mut path = Path::new(4000.0, 0, 1.0).losing(loss);
        (path.delay, path.queue) = (MS / 10, 75 * 1200);
        let outcome = mean(&path, &Habits::own(8 << 20), 1, 1);
        Promise::new(format!("0.2 ms, {loss} %"), promised, loss, 10.0).check(&outcome);
    }
}
