//! Collects how long each part of a frame's way took.
//! It knows no frames and reads no clock; durations come in, percentiles go out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use framewire_protocol::ledger::WorkerTimes;

use crate::stats::{Histogram, LatencySummary, Stage};

/// See the module. Memory is taken for stages that occur.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    stages: BTreeMap<Stage, Histogram>,
}

impl Stages {
    pub(crate) fn record(&mut self, stage: Stage, took: Duration) {
        self.stages.entry(stage).or_default().record(took);
    }

    /// Records the time from one instant to another; an earlier `to` counts as none.
    pub(crate) fn span(&mut self, stage: Stage, from: Instant, to: Instant) {
        self.record(stage, to.saturating_duration_since(from));
    }

    /// What a result says of the worker's time, and what that leaves of the round trip for the network. An original says
    /// nothing: then the round trip is all the worker's.
    pub(crate) fn worker(&mut self, times: Option<&WorkerTimes>, round_trip: Option<Duration>) {
        let Some(times) = times else {
            if let Some(round_trip) = round_trip {
                self.record(Stage::Worker, round_trip);
            }
            return;
        };
        for (stage, micros) in [
            (Stage::WorkerQueue, times.queue_us),
            (Stage::WorkerDecode, times.decode_us),
            (Stage::WorkerInfer, times.infer_us),
            (Stage::WorkerEncode, times.encode_us),
        ] {
            if let Some(micros) = micros {
                self.record(stage, Duration::from_micros(micros));
            }
        }
        if let Some(total) = times.total_us().map(Duration::from_micros) {
            self.record(Stage::Worker, total);
            if let Some(round_trip) = round_trip {
                self.record(Stage::Network, round_trip.saturating_sub(total));
            }
        }
    }

    pub(crate) fn summary(&self) -> Vec<(Stage, LatencySummary)> {
        let stages = self.stages.iter();
        stages
            .filter_map(|(stage, histogram)| Some((*stage, histogram.summary()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_has_what_the_worker_leaves_and_an_original_takes_it_all() {
        let millis = Duration::from_millis;
        let times = WorkerTimes {
            queue_us: Some(1000),
            infer_us: Some(4000),
            ..WorkerTimes::default()
        };
        let mut stages = Stages::default();
        stages.worker(Some(&times), Some(millis(8)));
        let close = |a: Duration, b: Duration| a.abs_diff(b) < millis(1) / 5;
        let of = |stages: &Stages, stage| {
            let found = stages.summary().into_iter().find(|(of, _)| *of == stage);
            found.map(|(_, summary)| summary.p50)
        };
        assert!(close(of(&stages, Stage::Worker).unwrap(), millis(5)));
        assert!(close(of(&stages, Stage::Network).unwrap(), millis(3)));
        assert_eq!(of(&stages, Stage::WorkerEncode), None);
        let mut stages = Stages::default();
        stages.worker(None, Some(millis(8)));
        stages.worker(None, None);
        assert!(close(of(&stages, Stage::Worker).unwrap(), millis(8)));
        assert_eq!(of(&stages, Stage::Network), None);
    }

    #[test]
    fn stages_come_in_the_order_of_the_way() {
        let mut stages = Stages::default();
        let now = Instant::now();
        stages.span(Stage::Total, now, now + Duration::from_millis(20));
        stages.record(Stage::Encode, Duration::from_millis(3));
        stages.span(Stage::Capture, now, now - Duration::from_millis(1));
        let summary = stages.summary();
        let names: Vec<_> = summary.iter().map(|(stage, _)| stage.as_str()).collect();
        assert_eq!(names, ["capture", "encode", "total"]);
        assert_eq!(summary[0].1.p50, Duration::ZERO);
        assert_eq!(summary[2].1.n, 1);
    }
}
