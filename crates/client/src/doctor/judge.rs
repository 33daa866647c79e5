//! Findings that only an examination makes: what measured figures mean.
//! Not those of connections that fail, which sessions meet as well.

use std::time::Duration;

use crate::diagnosis::{Cause, CheckStep, Diagnosis};
use crate::error::SessionError;

/// From this round trip on people see the delay.
const SLOW: Duration = Duration::from_millis(200);
/// From this share of lost datagrams on video suffers visibly.
pub(super) const LOSSY: f64 = 0.05;
/// Tries with datagrams of full size after which the sender gives them up.
const PROBES: u64 = 3;
/// A datagram of full size, less what its last bytes may be rounded by.
const FULL: u64 = 1150;
/// Fewer datagrams say nothing about a share.
const ENOUGH: u64 = 50;

/// It works, not well: no reason against a session.
pub(super) fn is_quality(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::SlowPath | Cause::LossyPath | Cause::MtuBlackHole
    )
}

/// A round trip that is long.
pub(super) fn of_round_trip(rtt: Duration) -> Option<Diagnosis> {
    (rtt >= SLOW).then(|| {
        Diagnosis::new(
            CheckStep::DataChannel,
            Cause::SlowPath,
            format!("a small message and its answer take {} ms", rtt.as_millis()),
            "use a worker nearer to you, or a more direct way to it (no relay, no VPN); sessions work, with that much delay",
        )
    })
}

/// The share of what was lost, where there was enough to say.
pub(super) fn share(lost: u64, packets: u64) -> Option<f64> {
    (packets >= ENOUGH).then(|| lost as f64 / packets as f64)
}

/// Losses that hurt.
pub(super) fn of_loss(step: CheckStep, share: f64) -> Option<Diagnosis> {
    let direction = direction(step);
    (share >= LOSSY).then(|| {
        Diagnosis::new(
            step,
            Cause::LossyPath,
            format!("{:.0} % of the datagrams {direction} the worker are lost", share * 100.0),
            "look at the network in between (a weak Wi-Fi, an overloaded line); sessions work, with less video and more delay",
        )
    })
}

/// Datagrams of full size were tried so often without an answer that, with so few of the smaller ones lost, it was not chance.
pub(super) fn of_mtu(largest: u64, probes_lost: u64, share: Option<f64>) -> Option<Diagnosis> {
    let chance = share.is_none_or(|share| share >= LOSSY);
    (probes_lost >= PROBES && largest < FULL && !chance).then(|| {
        Diagnosis::new(
            CheckStep::ThroughputUp,
            Cause::MtuBlackHole,
            format!("datagrams of {largest} bytes arrive, larger ones vanish on the way"),
            "lower the MTU of the tunnel or VPN in between, or let its routers send ICMP \"too big\"; sessions work with smaller datagrams after a pause at their start",
        )
    })
}

/// Nothing, or next to nothing, went through an open channel.
pub(super) fn of_silence(step: CheckStep, waited: Duration) -> Diagnosis {
    Diagnosis::new(
        step,
        Cause::Stalled,
        format!(
            "the channel is open, and nothing sent {} the worker arrived within {:.1} s",
            direction(step),
            waited.as_secs_f64()
        ),
        "look at the worker's log and its load; a firewall that cuts long connections, or a path that loses large datagrams, looks like this as well",
    )
}

/// What an error of a session means, at this step unless it knows better.
pub(super) fn of_error(step: CheckStep, error: &SessionError) -> Diagnosis {
    let known = error.diagnosis().cloned();
    known.unwrap_or_else(|| {
        let advice = "look at the worker's log, and try again";
        Diagnosis::new(step, Cause::WorkerError, error.to_string(), advice)
    })
}

/// The connection broke while it was measured.
pub(super) fn of_break(step: CheckStep, reason: &str) -> Diagnosis {
    Diagnosis::new(
        step,
        Cause::Stalled,
        format!("the connection was up and ended: {reason}"),
        "look at the worker's log, and try again",
    )
}

fn direction(step: CheckStep) -> &'static str {
    if step == CheckStep::ThroughputDown {
        "by"
    } else {
        "to"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_findings_only_beyond_their_limits() {
        let ms = Duration::from_millis;
        assert_eq!(of_round_trip(ms(199)), None);
        assert_eq!(of_round_trip(ms(300)).unwrap().cause, Cause::SlowPath);
        assert_eq!(share(10, 49), None);
        assert_eq!(share(10, 100), Some(0.1));
        assert_eq!(of_loss(CheckStep::ThroughputUp, 0.04), None);
        let lossy = of_loss(CheckStep::ThroughputDown, 0.2).unwrap();
        assert_eq!(lossy.cause, Cause::LossyPath);
        assert!(lossy.problem.contains("20 %"), "{lossy}");
    }

    #[test]
    fn a_path_carries_no_large_datagrams_only_where_small_ones_arrive() {
        let none = Some(0.0);
        assert_eq!(of_mtu(1200, 3, none), None);
        assert_eq!(of_mtu(1000, 2, none), None);
        assert_eq!(of_mtu(1000, 3, none).unwrap().cause, Cause::MtuBlackHole);
        assert!(of_mtu(1000, 3, Some(0.04)).is_some());
        assert_eq!(of_mtu(1000, 3, Some(0.2)), None, "the probes as well");
        assert_eq!(of_mtu(1000, 3, None), None, "too few to tell");
    }
}
