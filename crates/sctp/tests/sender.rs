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
