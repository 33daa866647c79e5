//! Pairing of video frames and results in virtual time: lost starts, gaps, odd timestamps, bounds, the end.

mod pairing_sim;

use std::time::{Duration, Instant};

use framewire_protocol::FrameId;
use framewire_protocol::pairing::{
    MAX_PENDING, Match, PairMode, Pairing, REALTIME_MAX_WAIT, ResultKey,
};
use pairing_sim::{Sim, Trip, in_order, ms, paired_from, right};

const REALTIME: Option<Duration> = Some(REALTIME_MAX_WAIT);
const BOTH: [PairMode; 2] = [PairMode::Exact, PairMode::Nearest];

fn found(mode: PairMode) -> Match {
    match mode {
        PairMode::Exact => Match::Exact,
        _ => Match::Nearest,
    }
}

#[test]
fn frames_of_our_worker_get_the_results_that_name_them_whatever_is_lost_first() {
    for lost in [0, 1, 5, 20] {
        let trips = Sim::new(PairMode::Exact, REALTIME)
            .lose_frames(1..=lost)
            .run();
        assert_eq!(trips.len() as u64, 60 - lost);
        paired_from(&trips, 1, Match::Exact);
    }
}

#[test]
fn frames_of_an_original_get_theirs_when_the_first_frames_are_lost() {
    for wait in [REALTIME, None] {
        for lost in [0, 1, 5, 20] {
            let mut sim = Sim::new(PairMode::Nearest, wait).lose_frames(1..=lost);
            let trips = sim.run();
            assert_eq!(trips.len() as u64, 60 - lost);
            paired_from(&trips, lost + 1, Match::Nearest);
            assert_eq!(sim.counters().results_without_frame, lost);
        }
    }
}

#[test]
fn frames_of_an_original_get_theirs_when_the_first_results_are_lost() {
    for wait in [REALTIME, None] {
        for lost in [1, 5, 20] {
            let trips = Sim::new(PairMode::Nearest, wait)
                .lose_results(1..=lost)
                .run();
            assert_eq!(trips.len(), 60);
            paired_from(&trips, lost + 1, Match::Nearest);
            let without = trips.iter().filter(|trip| trip.result.is_none());
            assert_eq!(without.count() as u64, lost);
        }
    }
}

#[test]
fn both_lose_their_first_ones() {
    for (frames, results) in [(1, 5), (5, 1), (5, 5), (20, 3), (3, 20)] {
        let trips = Sim::new(PairMode::Nearest, REALTIME)
            .lose_frames(1..=frames)
            .lose_results(1..=results)
            .run();
        paired_from(&trips, frames.max(results) + 1, Match::Nearest);
    }
}

#[test]
fn gaps_in_the_middle_cost_only_what_is_missing() {
    for mode in BOTH {
        let trips = Sim::new(mode, REALTIME)
            .set(|sim| {
                sim.frame_lost = Box::new(|n| (20..25).contains(&n));
                sim.result_lost = Box::new(|n| (30..33).contains(&n) || n == 40);
            })
            .run();
        right(&trips);
        in_order(&trips);
        let without: Vec<_> = trips.iter().filter(|trip| trip.result.is_none()).collect();
        assert_eq!(
            without.iter().map(|trip| trip.frame).collect::<Vec<_>>(),
            [30, 31, 32, 40]
        );
        // A later result shows that theirs will not come, so that they need not wait the whole time.
        assert!(without.iter().all(|trip| trip.waited <= ms(50)));
        assert!(without[3].waited < ms(30), "{:?}", without[3].waited);
    }
}

#[test]
fn timestamps_may_start_anywhere_and_have_any_time_base() {
    for lost in [0, 5] {
        let trips = Sim::new(PairMode::Nearest, REALTIME)
            .lose_frames(1..=lost)
            .set(|sim| {
                sim.pts = Box::new(|n| Some(1024 + 512 * (n.cast_signed() - 1)));
                sim.time_base = 1.0 / 12_800.0;
            })
            .run();
        paired_from(&trips, lost + 1, Match::Nearest);
    }
    // Steps that are no whole number of RTP ticks, as from 29.97 fps in milliseconds.
    let trips = Sim::new(PairMode::Nearest, REALTIME)
        .set(|sim| {
            sim.pts = Box::new(|n| Some(n.cast_signed() * 1001 / 30 - 500));
            sim.time_base = 0.001;
        })
        .run();
    paired_from(&trips, 1, Match::Nearest);
}

#[test]
fn a_variable_frame_rate_is_no_difficulty() {
    /// Irregular and deterministic: 5 to 205 ms.
    fn at(n: u64) -> Duration {
        ms((1..=n).map(|k| 5 + (k * k * 7919) % 201).sum())
    }
    for mode in BOTH {
        for lost in [0, 1, 5, 20] {
            let trips = Sim::new(mode, REALTIME)
                .lose_frames(1..=lost)
                .set(|sim| {
                    sim.made = Box::new(at);
                    sim.pts = Box::new(|n| Some(at(n).as_micros() as i64 * 9 / 100));
                    sim.frame_delay = Box::new(|_| ms(4));
                })
                .run();
            right(&trips);
            in_order(&trips);
            // Frames further apart than the longest wait may leave before the origin is certain.
            paired_from(&trips[2..], lost + 3, found(mode));
        }
    }
}

#[test]
fn rtp_timestamps_wrap() {
    for mode in BOTH {
        for before in [0, 1, 3000 * 30, 3000 * 30 + 1] {
            let trips = Sim::new(mode, REALTIME)
                .lose_frames(1..=5)
                .set(|sim| sim.origin = u32::MAX - before)
                .run();
            paired_from(&trips, 6, found(mode));
        }
    }
}

#[test]
fn repeated_frames_and_results_are_counted_and_harm_nothing() {
    for mode in BOTH {
        let mut sim = Sim::new(mode, REALTIME).set(|sim| sim.repeated = true);
        let trips = sim.run();
        right(&trips);
        assert_eq!(trips.len(), 120);
        let pairs = trips.iter().filter(|trip| trip.result.is_some()).count();
        assert_eq!(pairs, 60, "each frame once with its result");
    }
}

#[test]
fn a_frame_without_a_timestamp_goes_out_at_once_and_a_result_without_one_is_counted() {
    let now = Instant::now();
    for mode in BOTH {
        let mut pairing = Pairing::new(mode, None);
        pairing.frame(now, 5, "waits");
        pairing.result(now, ResultKey::new(FrameId(1)), ());
        pairing.frame(now, None, "at once");
        assert_eq!(pairing.poll().map(|pair| pair.frame), Some("at once"));
        assert!(pairing.poll().is_none());
        let counters = pairing.counters();
        assert_eq!((counters.results_without_frame, counters.unpaired), (1, 1));
    }
}

#[test]
fn more_than_the_limit_of_frames_pushes_out_the_oldest() {
    for mode in BOTH {
        let mut sim = Sim::new(mode, None)
            .frames(MAX_PENDING as u64 + 7)
            .lose_results(1..=u64::MAX);
        let trips = sim.run();
        in_order(&trips);
        assert_eq!(trips.len(), MAX_PENDING + 7);
        assert_eq!((sim.counters().evicted, sim.most_waiting), (7, MAX_PENDING));
        assert!(trips[6].at < trips[7].at + ms(1) && trips[0].at < trips[6].at);
    }
}

#[test]
fn more_than_the_limit_of_results_pushes_out_the_oldest() {
    let now = Instant::now();
    let mut pairing: Pairing<(), u32> = Pairing::new(PairMode::Exact, None);
    for n in 1..=MAX_PENDING as u32 + 7 {
        let mut key = ResultKey::new(FrameId(u64::from(n)));
        key.rtp_ts = Some(n * 3000);
        pairing.result(now, key, n);
    }
    assert_eq!(pairing.counters().results_without_frame, 7);
    pairing.frame(now, 7 * 3000, ());
    pairing.frame(now, 8 * 3000, ());
    let pairs: Vec<_> = std::iter::from_fn(|| pairing.poll()).collect();
    assert_eq!((pairs[0].result, pairs[1].result), (None, Some(8)));
}

#[test]
fn in_realtime_no_frame_waits_longer_than_it_may() {
    for mode in BOTH {
        let mut sim = Sim::new(mode, REALTIME).set(|sim| {
            sim.result_lost = Box::new(|n| n > 30);
        });
        let trips = sim.run();
        assert!(trips.iter().all(|trip| trip.waited <= REALTIME_MAX_WAIT));
        assert_eq!(trips.len(), 60);
        assert!(sim.most_waiting <= 2, "{} frames held", sim.most_waiting);
        in_order(&trips);
    }
}

#[test]
fn the_end_flushes_what_waits_in_order() {
    let now = Instant::now();
    for mode in BOTH {
        let mut pairing: Pairing<u32, ()> = Pairing::new(mode, None);
        for n in [1, 2, 3] {
            pairing.frame(now, n * 3000, n);
        }
        assert!(pairing.poll().is_none());
        pairing.finish();
        let all: Vec<_> = std::iter::from_fn(|| pairing.poll()).collect();
        assert_eq!(all.iter().map(|p| p.frame).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(all.iter().all(|p| p.matched == Match::Unpaired));
        assert_eq!((pairing.waiting(), pairing.deadline()), (0, None));
        pairing.frame(now, 12_000, 4);
        assert_eq!(pairing.poll().map(|p| p.frame), Some(4), "late, at once");
    }
}

#[test]
fn a_single_frame_whose_result_came_late_is_paired_at_the_end() {
    let now = Instant::now();
    let mut pairing = Pairing::new(PairMode::Nearest, None);
    pairing.frame(now, 777, 'f');
    let mut key = ResultKey::new(FrameId(1));
    (key.pts, key.time_base) = (Some(0), Some(1.0 / 90_000.0));
    pairing.result(now + ms(5), key, 'r');
    pairing.finish();
    let pair = pairing.poll().unwrap();
    assert_eq!((pair.result, pair.matched), (Some('r'), Match::Nearest));
}

#[test]
fn timestamps_that_do_not_correspond_are_reported_once_and_one_accident_does_not_hide_it() {
    // Each result names a frame that never comes, but for the first one.
    let mut sim = Sim::new(PairMode::Exact, REALTIME)
        .frames(1000)
        .set(|sim| sim.named = Box::new(|n, rtp| if n == 1 { rtp } else { rtp + 1 }));
    let trips = sim.run();
    assert_eq!(sim.counters().exact, 1);
    assert_eq!(trips.len(), 1000);
    assert_eq!(sim.mismatches.len(), 1);
    assert!(sim.mismatches[0].starts_with("only 1 of the last 150 video frames"));
    let mut fine = Sim::new(PairMode::Nearest, REALTIME).frames(1000);
    fine.run();
    assert!(fine.mismatches.is_empty());
    let mut silent = Sim::new(PairMode::Nearest, REALTIME)
        .frames(1000)
        .lose_results(1..=1000);
    silent.run();
    assert!(silent.mismatches.is_empty(), "no results is another matter");
}

#[test]
fn hostile_timestamps_of_results_pair_nothing_and_break_nothing() {
    let nonsense: [(Option<i64>, f64); 6] = [
        (Some(i64::MAX), 1.0),
        (Some(i64::MIN), 1e-5),
        (Some(1), f64::NAN),
        (Some(1), -1.0),
        (Some(1 << 52), 1e-5),
        (None, 1.0),
    ];
    let now = Instant::now();
    let mut pairing = Pairing::new(PairMode::Nearest, REALTIME);
    for n in 0..600_u32 {
        let at = now + ms(u64::from(n) * 33);
        let mut key = ResultKey::new(FrameId(u64::from(n) + 1));
        let (pts, time_base) = nonsense[n as usize % nonsense.len()];
        (key.pts, key.time_base) = (pts, Some(time_base));
        pairing.result(at, key, ());
        pairing.frame(at, n.wrapping_mul(0x9e37_79b9), ());
        pairing.tick(at + ms(20));
    }
    pairing.finish();
    let pairs: Vec<_> = std::iter::from_fn(|| pairing.poll()).collect();
    assert_eq!(pairs.len(), 600);
    let counters = pairing.counters();
    assert_eq!(
        counters.frames,
        counters.exact + counters.nearest + counters.unpaired
    );
}

#[test]
fn waiting_trips_are_the_exception() {
    let trips: Vec<Trip> = Sim::new(PairMode::Nearest, REALTIME).run();
    assert!(trips.iter().all(|trip| trip.waited == Duration::ZERO));
}
