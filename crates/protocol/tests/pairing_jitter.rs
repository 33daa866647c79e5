//! Pairing when the two ways differ: results late, frames late, results overtaking each other, a wrong first guess, a source
//! that begins anew; and any network at all.

mod pairing_sim;

use std::time::Duration;

use framewire_protocol::pairing::{Match, PairMode, REALTIME_MAX_WAIT};
use pairing_sim::{Sim, in_order, ms, paired_from, right};
use proptest::prelude::*;

const REALTIME: Option<Duration> = Some(REALTIME_MAX_WAIT);

/// Deterministic noise below `limit`.
fn noise(seed: u64, n: u64, limit: u64) -> u64 {
    let mut z = (seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(seed);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % limit
}

#[test]
fn results_that_lag_behind_their_frames_from_the_start_are_waited_for() {
    for lag in [10, 20, 40] {
        for mode in [PairMode::Exact, PairMode::Nearest] {
            let trips = Sim::new(mode, REALTIME)
                .set(|sim| sim.result_delay = Box::new(move |_| ms(8 + lag)))
                .run();
            right(&trips);
            in_order(&trips);
            let paired = trips.iter().filter(|trip| trip.result.is_some()).count();
            assert!(paired >= 58, "{paired} of 60 with a lag of {lag} ms");
            assert!(trips.iter().all(|trip| trip.waited <= REALTIME_MAX_WAIT));
        }
    }
    let trips = Sim::new(PairMode::Nearest, None)
        .set(|sim| sim.result_delay = Box::new(|_| ms(300)))
        .run();
    paired_from(&trips, 1, Match::Nearest);
}

#[test]
fn results_that_begin_to_lag_later_do_not_move_the_origin() {
    let mut sim = Sim::new(PairMode::Nearest, None)
        .frames(400)
        .lose_frames(1..=5)
        .set(|sim| {
            sim.result_delay = Box::new(|n| if n > 100 { ms(700) } else { ms(0) });
        });
    let trips = sim.run();
    paired_from(&trips, 6, Match::Nearest);
    let mut realtime = Sim::new(PairMode::Nearest, REALTIME)
        .frames(400)
        .set(|sim| {
            sim.result_delay = Box::new(|n| {
                if (100..200).contains(&n) {
                    ms(2000)
                } else {
                    ms(0)
                }
            });
        });
    let trips = realtime.run();
    right(&trips);
    let paired = trips.iter().filter(|trip| trip.result.is_some()).count();
    assert!(
        paired >= 230,
        "{paired} of 400: those before and after the lag"
    );
}

#[test]
fn jitter_below_a_frame_interval_leaves_every_pair_right() {
    for seed in 1..=200 {
        for lost in [0, 1, 5, 20] {
            let trips = Sim::new(PairMode::Nearest, REALTIME)
                .lose_frames(1..=lost)
                .set(|sim| {
                    sim.frame_delay = Box::new(move |n| ms(10 + noise(seed, n, 18)));
                    sim.result_delay = Box::new(move |n| ms(noise(seed + 1000, n, 10)));
                })
                .run();
            right(&trips);
            paired_from(&trips, lost + 1, Match::Nearest);
        }
    }
}

#[test]
fn a_wrong_first_guess_is_given_up_within_a_few_frames() {
    // Frame 1 is lost and result 2 late: frame 2 looks like frame 1.
    let trips = Sim::new(PairMode::Nearest, REALTIME)
        .lose_frames(1..=1)
        .set(|sim| sim.result_delay = Box::new(|n| if n == 2 { ms(20) } else { ms(0) }))
        .run();
    let wrong = trips
        .iter()
        .filter(|trip| trip.result.is_some_and(|r| r != trip.frame));
    assert!(wrong.count() <= 3);
    assert!(
        trips[4..]
            .iter()
            .all(|trip| trip.result == Some(trip.frame))
    );
}

#[test]
fn results_that_overtake_each_other_are_paired_when_told_so() {
    for mode in [PairMode::Exact, PairMode::Nearest] {
        let sim = Sim::new(mode, REALTIME).set(|sim| {
            sim.ordered = false;
            sim.result_delay = Box::new(|n| if n % 3 == 0 { ms(40) } else { ms(0) });
        });
        let trips = sim.set(|sim| sim.frames = 120).run();
        right(&trips);
        in_order(&trips);
        let paired = trips.iter().filter(|trip| trip.result.is_some()).count();
        assert!(paired >= 118, "{paired} of 120");
        assert!(trips.iter().all(|trip| trip.waited <= REALTIME_MAX_WAIT));
    }
}

#[test]
fn a_source_that_begins_anew_is_found_again() {
    let mut sim = Sim::new(PairMode::Nearest, REALTIME)
        .frames(600)
        .set(|sim| {
            // From frame 201 on the source counts from 0, while the track goes on.
            sim.pts =
                Box::new(|n| Some(3000 * (if n > 200 { n - 201 } else { n + 500 }).cast_signed()));
            sim.rtp_of = Some(Box::new(|n| 3000 * u32::try_from(n).unwrap()));
        });
    let trips = sim.run();
    right(&trips);
    assert!(trips[..200].iter().all(|trip| trip.result.is_some()));
    assert!(trips[380..].iter().all(|trip| trip.result.is_some()));
}

#[test]
fn a_burst_after_an_outage_pairs_what_arrives() {
    // Two seconds of nothing; then all results at once, while the frames of that time are lost.
    let made = |n: u64| Duration::from_micros(33_333 * n);
    let mut sim = Sim::new(PairMode::Nearest, REALTIME)
        .frames(300)
        .lose_results(1..=2)
        .set(|sim| {
            sim.frame_lost = Box::new(|n| (100..160).contains(&n));
            sim.result_delay = Box::new(move |n| match n {
                100..160 => made(160).saturating_sub(made(n)),
                _ => ms(0),
            });
        });
    let trips = sim.run();
    paired_from(&trips, 3, Match::Nearest);
    assert_eq!(sim.counters().results_without_frame, 60);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is lost or late: frames come out once, in order, within their time, and the books agree; by name, never with
    /// the result of another frame.
    #[test]
    fn any_network_keeps_the_promises(
        seed in any::<u64>(),
        exact in any::<bool>(),
        ordered in any::<bool>(),
        realtime in any::<bool>(),
        frame_loss in 0_u64..100,
        result_loss in 0_u64..100,
        frame_jitter in 1_u64..200,
        result_jitter in 1_u64..200,
        origin in any::<u32>(),
        base in 1_u32..100_000,
    ) {
        let mode = if exact { PairMode::Exact } else { PairMode::Nearest };
        let wait = realtime.then_some(REALTIME_MAX_WAIT);
        let mut sim = Sim::new(mode, wait).frames(400).set(|sim| {
            sim.origin = origin;
            sim.ordered = ordered;
            sim.time_base = 1.0 / f64::from(base);
            let step = i64::from(base) / 30 + 1;
            sim.pts = Box::new(move |n| Some(n.cast_signed() * step));
            sim.frame_lost = Box::new(move |n| noise(seed, n, 100) < frame_loss);
            sim.result_lost = Box::new(move |n| noise(seed ^ 1, n, 100) < result_loss);
            // Frames keep their order, as the track does.
            sim.frame_delay = Box::new(move |n| ms(noise(seed ^ 2, n / 16, frame_jitter)));
            sim.result_delay = Box::new(move |n| ms(noise(seed ^ 3, n, result_jitter)));
        });
        let trips = sim.run();
        let expected = (1..=400).filter(|n| noise(seed, *n, 100) >= frame_loss).count();
        prop_assert_eq!(trips.len(), expected);
        if exact {
            right(&trips);
        }
        if realtime {
            prop_assert!(trips.iter().all(|trip| trip.waited <= REALTIME_MAX_WAIT));
        }
        prop_assert!(sim.most_waiting <= framewire_protocol::pairing::MAX_PENDING);
        let mut results: Vec<_> = trips.iter().filter_map(|trip| trip.result).collect();
        let pairs = results.len();
        results.sort_unstable();
        results.dedup();
        prop_assert_eq!(results.len(), pairs, "no result goes out twice");
    }
}
