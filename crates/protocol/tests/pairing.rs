//! Pairing of video frames and results in virtual time: lost starts, gaps, odd timestamps, jitter, bounds, the end.

mod pairing_sim;

use std::time::Duration;

use framewire_protocol::pairing::{MAX_PENDING, Match, PairMode, REALTIME_MAX_WAIT};
use pairing_sim::{Sim, Trip, ms};

/// Frames of which a pair is due once the pairing knows where it is.
fn settled(trips: &[Trip], from: u64) -> impl Iterator<Item = &Trip> {
    trips.iter().filter(move |trip| trip.frame >= from)
}

/// Every pair is right, and from this frame on every frame has one.
fn paired_from(trips: &[Trip], from: u64, how: Match) {
    for trip in trips {
        let right = trip.result.is_none_or(|result| result == trip.frame);
        assert!(right, "frame {} got result {:?}", trip.frame, trip.result);
    }
    for trip in settled(trips, from) {
        assert_eq!((trip.result, trip.matched), (Some(trip.frame), how));
    }
    assert!(
        trips.windows(2).all(|two| two[0].frame < two[1].frame),
        "in order"
    );
}

const REALTIME: Option<Duration> = Some(REALTIME_MAX_WAIT);

#[test]
fn frames_of_our_worker_get_the_results_that_name_them() {
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
            let trips = Sim::new(PairMode::Nearest, wait)
                .lose_frames(1..=lost)
                .run();
            assert_eq!(trips.len() as u64, 60 - lost);
            paired_from(&trips, lost + 1, Match::Nearest);
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
            assert!(
                trips[..usize::try_from(lost).unwrap()]
                    .iter()
                    .all(|trip| trip.result.is_none())
            );
        }
    }
}

#[test]
fn an_eviction_takes_the_oldest_frame_and_only_above_the_limit() {
    let mut sim = Sim::new(PairMode::Exact, None).frames(MAX_PENDING as u64 + 7);
    sim = sim.lose_results(1..=u64::MAX);
    let trips = sim.run();
    assert_eq!(trips.len(), MAX_PENDING + 7);
    let counters = sim.counters();
    assert_eq!(
        (counters.evicted, counters.unpaired),
        (7, MAX_PENDING as u64 + 7)
    );
    assert!(trips[6].at < trips[7].at || trips[7].at >= ms(0));
}
