//! Loss and queueing, judged once per round trip against what the path loses anyway.
//! Not the answer to it: the verdict is acted on by the rate law.
use super::super::super::rtt::Rtt;
use super::super::{Progress, Sample};

/// Most that the baseline may become: beyond it loss is always a sign of congestion.
const BASE_CAP: f64 = 0.08;

/// Most that losses may be clustered, against losses that have nothing to do with each other.
const CLUSTER_CAP: f64 = 6.0;

/// What a round said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Too few packets to tell.
    Unknown,
    /// More loss than the baseline together with a standing queue, or very much more.
    Congested,
    /// Neither; so many in a row.
    Quiet(u32),
}

/// The round under way.
#[derive(Debug)]
pub(super) struct Round {
    number: u64,
    /// The round ends when a chunk sent after this many delivered bytes is acknowledged.
    end: u64,
    sums: Sums,
}

/// Sums over one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    lost: u64,
    acked: u64,
    /// Most bytes in flight.
    pub(super) peak: u64,
    min_rtt: u64,
}

const EMPTY: Sums = Sums {
    lost: 0,
    acked: 0,
    peak: 0,
    min_rtt: u64::MAX,
};

impl Default for Round {
    fn default() -> Self {
        Round {
            number: 0,
            end: 0,
            sums: EMPTY,
        }
    }
}

impl Round {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Adds what one SACK brought.
    pub(super) fn add(&mut self, progress: &Progress) {
        let sums = &mut self.sums;
        sums.lost += u64::from(progress.lost_chunks);
        sums.lost = sums
            .lost
            .saturating_sub(u64::from(progress.spurious_chunks));
        sums.acked += u64::from(progress.acked_chunks);
        sums.peak = sums.peak.max(progress.in_flight + progress.acked);
        sums.min_rtt = sums.min_rtt.min(progress.rtt.unwrap_or(u64::MAX));
    }

    /// Ends the round if the sample is of a chunk sent in it.
    pub(super) fn turn(&mut self, sample: &Sample, progress: &Progress) -> Option<Sums> {
        if sample.delivered_before < self.end {
            return None;
        }
        self.end = progress.delivered;
        self.number += 1;
        Some(std::mem::replace(&mut self.sums, EMPTY))
    }
}

impl Sums {
    fn share(&self) -> f64 {
        let all = self.lost + self.acked;
        if all == 0 {
            0.0
        } else {
            self.lost as f64 / all as f64
        }
    }

    /// Even the quickest packet of the round waited somewhere.
    pub(super) fn is_queued(&self, rtt: &Rtt) -> bool {
        self.min_rtt != u64::MAX && rtt.shows_queue(self.min_rtt)
    }

    /// Even the quickest packet waited longer than a queue of our own could make it.
    pub(super) fn is_stranger(&self, rtt: &Rtt) -> bool {
        let own = rtt.min.saturating_add(rtt.min / 10 * 7 + 5_000_000);
        self.min_rtt != u64::MAX && self.min_rtt > own
    }
}

/// What is remembered from round to round.
#[derive(Debug)]
pub(super) struct Judge {
    /// Share that the path loses without a queue.
    base: f64,
    /// How much more the losses of a round vary than if they were independent: 1 or more.
    cluster: f64,
    quiet: u32,
    flooded: u32,
}

impl Default for Judge {
    fn default() -> Self {
        Judge {
            base: 0.0,
            cluster: 1.0,
            quiet: 0,
            flooded: 0,
        }
    }
}

impl Judge {
    /// Whether two rounds in a row lost more than a fifth.
    pub(super) fn is_flooded(&mut self, sums: &Sums) -> bool {
        if sums.lost + sums.acked >= 20 {
            self.flooded = if sums.share() > 0.2 {
                self.flooded + 1
            } else {
                0
            };
        }
        self.flooded >= 2
    }

    /// Judges a round and learns from it.
    pub(super) fn judge(&mut self, sums: &Sums, rtt: &Rtt) -> Verdict {
        let all = sums.lost + sums.acked;
        if all < 10 {
            return Verdict::Unknown;
        }
        let (share, base) = (sums.share(), self.base);
        let queued = sums.is_queued(rtt);
        let variance = base * (1.0 - base) / all.max(20) as f64;
        let noise = 3.0 * (self.cluster * variance).sqrt();
        let above = queued && share > base + noise.max(0.002);
        if above || share > 0.1 + noise.max(0.02) {
            self.quiet = 0;
            return Verdict::Congested;
        }
        if !queued && variance > 0.0 {
            let spread = (share - base).powi(2) / variance;
            let cluster = self.cluster + (spread - self.cluster) / 16.0;
            self.cluster = cluster.clamp(1.0, CLUSTER_CAP);
        }
        self.quiet = self.quiet.saturating_add(1);
        if !queued {
            let slowness = if share > base { 16.0 } else { 8.0 };
            self.base = (base + (share - base) / slowness).min(BASE_CAP);
        }
        Verdict::Quiet(self.quiet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(lost: u64, acked: u64, min_rtt: u64) -> Sums {
        Sums {
            lost,
            acked,
            peak: 0,
            min_rtt,
        }
    }

    #[test]
    fn loss_without_a_queue_becomes_the_baseline_and_with_one_it_is_congestion() {
        let mut rtt = Rtt::new(None);
        rtt.sample(0, 50_000_000);
        let mut judge = Judge::default();
        for n in 1..200 {
            let verdict = judge.judge(&sums(20, 980, 50_100_000), &rtt);
            assert_eq!(verdict, Verdict::Quiet(n));
        }
        assert!((0.019..0.0201).contains(&judge.base), "{}", judge.base);
        assert_eq!(
            judge.judge(&sums(22, 978, 70_000_000), &rtt),
            Verdict::Quiet(200)
        );
        assert_eq!(
            judge.judge(&sums(60, 940, 70_000_000), &rtt),
            Verdict::Congested
        );
        assert_eq!(
            judge.judge(&sums(60, 940, 50_000_000), &rtt),
            Verdict::Quiet(1)
        );
        assert_eq!(
            judge.judge(&sums(150, 850, 50_000_000), &rtt),
            Verdict::Congested
        );
        assert_eq!(judge.judge(&sums(3, 6, 50_000_000), &rtt), Verdict::Unknown);
    }
}
