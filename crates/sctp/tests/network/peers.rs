//! Receivers of other implementations: what they cannot do costs goodput, never correctness.

use sctp_proto::__model::FlowConfig;

use super::net::{MS, Net, Node, Path, S};
use super::peer::Habits;
use super::run::{End, MESSAGE, Outcome, Source, mean, pair};

const LOSSES: [f64; 5] = [0.0, 0.5, 1.0, 2.0, 5.0];

/// Runs a receiver over all loss rates; the promises are in MB/s.
fn table(what: &str, mbit: f64, habits: &Habits, seconds: u64, promised: [f64; 5]) -> Vec<Outcome> {
    LOSSES
        .into_iter()
        .zip(promised)
        .map(|(loss, promised)| {
            let path = Path::new(mbit, 50, 1.0).losing(loss);
            let outcome = mean(&path, habits, seconds, 1);
            let (goodput, resent) = (outcome.goodput, outcome.resent * 100.0);
            println!(
                "{what}, {mbit} Mbit/s, {loss} %: {goodput:.2} MB/s, {resent:.2} % sent again"
            );
            assert!(goodput >= 0.9 * promised, "{what}, {loss} %: {outcome:?}");
            outcome
        })
        .collect()
}

fn assert_resent(outcomes: &[Outcome], spare: f64) {
    for (loss, outcome) in LOSSES.into_iter().zip(outcomes) {
        assert!(
            outcome.resent <= loss / 100.0 + spare,
            "{loss} %: {outcome:?}"
        );
    }
}

#[test]
fn our_own_receiver_takes_what_its_window_allows_without_a_rate_limit() {
    let promised = [120.0, 60.0, 55.0, 45.0, 35.0].map(|goodput| goodput / 0.9);
    let outcomes = table("own", 4000.0, &Habits::own(8 << 20), 2, promised);
    assert_resent(&outcomes, 0.01);
}

#[test]
fn a_receiver_with_twenty_blocks_that_drops_near_its_limit_gets_what_it_can_report() {
    let slow = table(
        "dcsctp",
        100.0,
        &Habits::dcsctp(),
        12,
        [11.3, 11.4, 11.3, 11.1, 6.3],
    );
    assert_resent(&slow, 0.01);
    let fast = table(
        "dcsctp",
        4000.0,
        &Habits::dcsctp(),
        4,
        [94.0, 44.0, 32.0, 16.0, 6.4],
    );
    assert_resent(&fast, 0.01);
    for outcome in slow.iter().chain(&fast) {
        assert_eq!(
            outcome.peer_dropped, 0,
            "its window was filled: {outcome:?}"
        );
    }
}

#[test]
fn a_receiver_that_acknowledges_every_packet_with_all_blocks_is_served() {
    let outcomes = table(
        "aiortc",
        100.0,
        &Habits::aiortc(),
        12,
        [11.3, 9.9, 9.5, 8.7, 7.0],
    );
    assert_resent(&outcomes, 0.01);
}

#[test]
fn a_receiver_that_is_slow_and_has_a_short_socket_queue_is_not_flooded() {
    let promised = [11.3, 7.2, 7.0, 6.3, 5.8];
    let outcomes = table("slow aiortc", 100.0, &Habits::slow_aiortc(), 12, promised);
    assert_resent(&outcomes, 0.02);
    let promised = [12.0, 7.5, 6.9, 6.4, 5.8];
    let outcomes = table("slow aiortc", 4000.0, &Habits::slow_aiortc(), 12, promised);
    assert_resent(&outcomes, 0.02);
}

#[test]
fn a_window_of_128_kib_is_used_well() {
    let promised = [1.75, 1.43, 1.30, 1.17, 0.96];
    let outcomes = table("usrsctp", 100.0, &Habits::usrsctp(), 12, promised);
    assert_resent(&outcomes, 0.01);
}

/// Sends a hundred messages of 30 kB, and says when they were there.
fn finish(habits: &Habits, path: Path, check: impl Fn(&Net<End>)) -> u64 {
    let source = Source::Once {
        count: 100,
        len: 30_000,
    };
    // TSNs wrap among the first messages.
    let config = FlowConfig {
        initial_tsn: u32::MAX - 99,
        ..FlowConfig::default()
    };
    let mut net = Net::new(path, pair(&config, habits, source));
    for second in 1..=120 {
        net.run(second * S, |net, node| {
            check(net);
            if node == 0 {
                assert_eq!(net.nodes[0].upload().flow.contradiction(), None);
            }
        });
        if net.nodes[0].upload().flow.is_drained() {
            assert_eq!(net.nodes[1].delivered(), 3_000_000);
            return second;
        }
    }
    panic!(
        "not done in two minutes: {:?}",
        net.nodes[0].upload().flow.figures()
    );
}

#[test]
fn a_receiver_that_keeps_track_of_4096_tsns_is_never_sent_more() {
    let habits = Habits {
        span: 4096,
        ..Habits::own(4 << 20)
    };
    let source = Source::Endless;
    // Chunks so small that the window would hold far more of them.
    let config = FlowConfig {
        payload: 100,
        ..FlowConfig::default()
    };
    let mut net = Net::new(
        Path::new(100.0, 50, 1.0).losing(2.0),
        pair(&config, &habits, source),
    );
    net.run(5 * S, |_, _| {});
    assert_eq!(net.nodes[1].peer().dropped, 0);
    assert!(net.nodes[1].delivered() > 20 * MESSAGE as u64);
}

#[test]
fn nine_hundred_blocks_in_every_answer_are_understood() {
    // Every second packet is lost at first: no other way to as many holes.
    let habits = Habits {
        every_packet: true,
        blocks: 900,
        ..Habits::own(8 << 20)
    };
    let path = Path::new(1000.0, 50, 1.0).losing(30.0);
    assert!(finish(&habits, path, |_| {}) < 60);
}

#[test]
fn a_receiver_that_forgets_what_it_acknowledged_gets_only_what_was_not() {
    let habits = Habits {
        reneges_every: Some(500),
        ..Habits::own(1 << 20)
    };
    let config = FlowConfig::default();
    let source = Source::Once {
        count: 1,
        len: 100_000,
    };
    let mut net = Net::new(
        Path::new(10.0, 50, 1.0).losing(5.0),
        pair(&config, &habits, source),
    );
    // Acknowledged is acknowledged: the books stay right, whatever the receiver does with it later.
    net.run(60 * S, |net, node| {
        if node == 0 {
            assert_eq!(net.nodes[0].upload().flow.contradiction(), None);
        }
    });
    assert!(net.nodes[0].upload().flow.is_drained());
}

#[test]
fn answers_that_come_200_milliseconds_late_do_not_stop_the_flow() {
    let habits = Habits {
        delay: 200 * MS,
        ..Habits::own(1 << 20)
    };
    assert!(finish(&habits, Path::new(100.0, 50, 1.0), |_| {}) <= 2);
    assert!(finish(&habits, Path::new(100.0, 50, 1.0).losing(5.0), |_| {}) <= 4);
}

#[test]
fn data_never_goes_beyond_the_window_of_the_peer() {
    for window in [64 << 10, 300 << 10, 2 << 20] {
        let habits = Habits::own(window);
        finish(&habits, Path::new(100.0, 50, 1.0).losing(2.0), |net| {
            assert_eq!(net.nodes[1].peer().worst_excess, 0);
        });
    }
}
