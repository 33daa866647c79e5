//! One sender told by hand: acknowledgements from far away, what is skipped when messages are given up, and its timers.
//! Not a network, and not the association around it.

use sctp_proto::__model::{Flow, FlowConfig, sack};

const MS: u64 = 1_000_000;
const WINDOW: u32 = 8 << 20;

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
            assert!(flow.sack(MS, &sack(last.wrapping_add((1 << 31) + 1), WINDOW, &[], &[])));
            assert_eq!(flow.figures().bad_sacks, 4);
            assert_eq!(flow.contradiction(), None);
            flow.write(1, &[1; 100]);
            assert!(flow.poll(2 * MS).is_some());
            assert!(flow.sack(3 * MS, &sack(initial, WINDOW, &[], &[])));
        }
    }
}
