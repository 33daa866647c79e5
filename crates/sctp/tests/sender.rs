//! One sender told by hand: acknowledgements from far away, what is skipped when messages are given up, and its timers.
//! Not a network, and not the association around it.

use std::time::Duration;

use sctp_proto::__model::{Flow, FlowConfig, sack};

const MS: u64 = 1_000_000;
const WINDOW: u32 = 8 << 20;
/// Type of the chunk.
const FORWARD_TSN: u8 = 192;

#[test]
fn an_acknowledgement_half_the_number_space_away_is_refused_at_once() {
    for initial in [0, 1, 1 << 31, u32::MAX] {
        for written in [false, true] {
            let mut flow = Flow::new(&FlowConfig {
                initial_tsn: initial,
                ..FlowConfig::default()
            });
            if written {
                // Waiting only: no number is in use.
                flow.write(1, &[1; 100]);
            }
            let last = initial.wrapping_sub(1);
            for far in [1, 2, (1 << 31) - 1, 1 << 31] {
                let report = sack(last.wrapping_add(far), WINDOW, &[(1, 1)], &[]);
                assert!(!flow.sack(MS, &report), "{initial} {far}");
            }
            // Beyond the half it lies behind: late, and without effect.
            assert!(flow.sack(
                MS,
                &sack(last.wrapping_add((1 << 31) + 1), WINDOW, &[], &[])
            ));
            assert_eq!(flow.figures().bad_sacks, 4);
            assert_eq!(flow.contradiction(), None);
            flow.write(1, &[1; 100]);
            assert!(flow.poll(2 * MS).is_some());
            assert!(flow.sack(3 * MS, &sack(initial, WINDOW, &[], &[])));
        }
    }
}

#[test]
fn the_rest_of_a_message_that_ran_out_of_time_is_skipped_at_once_and_watched_by_a_timer() {
    let mut flow = Flow::new(&FlowConfig {
        initial_rtt: Some(Duration::from_millis(50)),
        ..FlowConfig::default()
    });
    flow.set_reliability(1, false, None, Some(Duration::from_millis(55)));
    // More than goes out at once: some is sent, then acknowledged, and the time for the rest is over.
    flow.write(1, &[1; 300_000]);
    let (mut now, mut sent) = (0, 0);
    while now < 40 * MS {
        while flow.poll(now).is_some() {
            sent += 1;
        }
        now = flow.deadline().unwrap_or(now + MS).clamp(now + 1, now + MS);
        flow.on_timeout(now);
    }
    now = 60 * MS;
    flow.on_timeout(now);
    assert!(flow.unsent() > 0);
    assert!(flow.sack(now, &sack(sent, WINDOW, &[], &[])));
    let packet = flow.poll(now).expect("the peer is told to skip the rest");
    assert_eq!(packet[12], FORWARD_TSN);
    assert_eq!((flow.unsent(), flow.contradiction()), (0, None));
    // It is lost: the timer says it again.
    let again = flow.deadline().expect("a timer runs");
    flow.on_timeout(again);
    assert_eq!(flow.poll(again).expect("once more")[12], FORWARD_TSN);
    assert!(flow.sack(again, &sack(sent + 1, WINDOW, &[], &[])));
    assert!(flow.is_drained());
}

/// Of a packet that begins with FORWARD-TSN: how far, and the streams with the last message to skip.
fn skipped(packet: &[u8]) -> (u32, Vec<(u16, u16)>) {
    assert_eq!(packet[12], FORWARD_TSN);
    let len = usize::from(u16::from_be_bytes([packet[14], packet[15]]));
    let half = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    let pairs = (20..12 + len).step_by(4).map(|at| (half(at), half(at + 2)));
    let cumulative = u32::from(half(16)) << 16 | u32::from(half(18));
    (cumulative, pairs.collect())
}

/// A sender with ordered messages of one packet each on streams 1, 2, 3, 1, 2, 3 and on, all sent, which are given up when lost.
fn with_messages(initial: u32, count: u32) -> Flow {
    let mut flow = Flow::new(&FlowConfig {
        initial_tsn: initial,
        initial_rtt: Some(Duration::from_millis(50)),
        unpaced: true,
        ..FlowConfig::default()
    });
    for stream in 1..=3 {
        flow.set_reliability(stream, false, Some(0), None);
    }
    for number in 0..count {
        flow.write(1 + (number % 3) as u16, &[0; 1132]);
    }
    for _ in 0..count {
        assert!(flow.poll(0).is_some());
    }
    assert!(flow.poll(0).is_none());
    flow
}

#[test]
fn the_point_to_skip_to_follows_what_was_given_up_3758_3_5() {
    for initial in [1, u32::MAX - 3] {
        let tsn = |number: u32| initial.wrapping_add(number);
        let mut flow = with_messages(initial, 12);
        // Two arrive; two are lost, one arrives, two are lost, five arrive: the lost ones are given up.
        let mut now = 50 * MS;
        assert!(flow.sack(now, &sack(tsn(1), WINDOW, &[(3, 3), (6, 10)], &[])));
        let packet = loop {
            if let Some(packet) = flow.poll(now) {
                break packet;
            }
            now = flow.deadline().expect("a timer runs");
            flow.on_timeout(now);
        };
        // C1 and C2: from the acknowledged over all that is given up, not over what was acknowledged behind it.
        assert_eq!(skipped(&packet), (tsn(6), vec![(3, 1), (1, 2)]), "C3, C4");
        assert_eq!(flow.contradiction(), None);
        // C5: once, and again when the timer has run.
        assert!(flow.poll(now).is_none());
        now = flow.deadline().expect("a timer runs");
        flow.on_timeout(now);
        assert_eq!(skipped(&flow.poll(now).expect("again")).0, tsn(6));
        // The peer heard only the first half of it: the rest is told again.
        now += 60 * MS;
        assert!(flow.sack(now, &sack(tsn(4), WINDOW, &[(3, 7)], &[])));
        assert_eq!(
            skipped(&flow.poll(now).expect("the rest")),
            (tsn(6), vec![(3, 1), (1, 2)])
        );
        assert!(flow.sack(now + MS, &sack(tsn(11), WINDOW, &[], &[])));
        assert!(flow.poll(now + MS).is_none());
        assert!(flow.is_drained() && flow.deadline().is_none());
        assert_eq!(flow.contradiction(), None);
    }
}
