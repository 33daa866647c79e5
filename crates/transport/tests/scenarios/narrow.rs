//! Paths that carry no large datagrams: a session comes up and data flows in smaller ones.

use std::time::Duration;

use framewire_testkit::Link;
use framewire_transport::PeerConfig;

use crate::net::{SECOND, assert_numbered, config, numbered, pair};

/// What fits an IP packet of 1,200 bytes.
const NARROW: usize = 1172;

#[test]
fn a_session_comes_up_and_carries_data_both_ways_where_datagrams_above_1172_bytes_vanish() {
    let link = Link::default().with_delay(Duration::from_millis(20));
    let mut net = pair(1, link, config(), PeerConfig::default());
    net.left.drop_larger_than = Some(NARROW);
    net.right.drop_larger_than = Some(NARROW);
    net.run_until("the channels open", 2 * SECOND, |l, r| {
        l.is_open("inference") && r.is_open("inference")
    });
    for side in [&net.left, &net.right] {
        for index in 0..20 {
            let sent = side.channel("inference").send(numbered(index, 49_500));
            sent.expect("queued");
        }
    }
    net.run_until("all arrives", 3 * SECOND, |l, r| {
        l.messages().len() == 20 && r.messages().len() == 20
    });
    for side in [&net.left, &net.right] {
        assert_numbered(&side.messages(), 20, 49_500);
    }
    net.run_for(3 * SECOND);
    for side in [&net.left, &net.right] {
        let data = side.core.stats().data;
        assert!((900..=1000).contains(&data.max_datagram), "{data:?}");
        assert_eq!((data.size_probes_lost, data.timeouts), (3, 0));
    }
}

#[test]
fn where_they_pass_datagrams_grow_to_full_size_and_never_above_it() {
    let link = Link::default().with_delay(Duration::from_millis(20));
    let mut net = pair(1, link, config(), PeerConfig::default());
    net.left.drop_larger_than = Some(1200);
    net.right.drop_larger_than = Some(1200);
    net.run_until("the channels open", 2 * SECOND, |l, r| {
        l.is_open("inference") && r.is_open("inference")
    });
    net.run_for(SECOND);
    for side in [&net.left, &net.right] {
        let data = side.core.stats().data;
        assert!((1190..=1200).contains(&data.max_datagram), "{data:?}");
        assert_eq!(data.size_probes_lost, 0);
    }
}
