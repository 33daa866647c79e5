//! Goodput against loss: the figures that are promised.

use super::net::Path;
use super::peer::Habits;
use super::run::{Outcome, mean};

fn show(what: &str, outcome: &Outcome) {
    println!(
        "{what}: {:.2} MB/s, {:.2} % sent again, {:.1} ms queued, mode {} rtos {} probes {} spurious {} min_rtt {:?} twice {}",
        outcome.goodput,
        outcome.resent * 100.0,
        outcome.queueing.mean_ms(),
        outcome.figures.mode,
        outcome.figures.rtos,
        outcome.figures.probes,
        outcome.figures.spurious,
        outcome.figures.min_rtt,
        outcome.twice,
    );
}

#[test]
fn a_hundred_megabits_are_filled_at_every_loss_rate() {
    for (percent, promised) in [
        (0.0, 11.34),
        (0.1, 11.33),
        (0.5, 11.39),
        (1.0, 11.29),
        (2.0, 11.11),
        (5.0, 10.48),
    ] {
        let path = Path::new(100.0, 50, 1.0).losing(percent);
        let outcome = mean(&path, &Habits::own(5 << 20), 30, 3);
        show(&format!("loss {percent} %"), &outcome);
        assert!(outcome.goodput >= 0.9 * promised);
        assert!(outcome.resent <= percent / 100.0 + 0.01);
        assert!(outcome.queueing.mean_ms() <= 10.0);
    }
}
