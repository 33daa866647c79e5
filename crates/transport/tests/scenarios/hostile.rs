//! Strangers: rubbish instead of descriptions and datagrams.

use std::net::SocketAddr;
use std::time::Instant;

use framewire_testkit::{Datagram, Link, Node};
use framewire_transport::__sans_io::{Local, PeerCore};
use framewire_transport::{Endpoint, EndpointConfig, PeerConfig, PeerEvent};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::net::{SECOND, config, connected, right_address};

/// A description our own side would make.
fn real_sdp() -> (Endpoint, String) {
    let endpoint = Endpoint::bind(EndpointConfig::default()).expect("bind");
    let offer = endpoint.offer(config()).expect("offer");
    let sdp = offer.sdp().to_owned();
    (endpoint, sdp)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,400}") {
        let (endpoint, _) = real_sdp();
        prop_assert!(endpoint.answer(&text, PeerConfig::default()).is_err());
        prop_assert!(endpoint.offer(config()).expect("offer").accept_answer(&text).is_err());
    }
}

#[test]
fn damaged_descriptions_are_errors_or_work_but_never_panic() {
    let (endpoint, sdp) = real_sdp();
    let lines: Vec<&str> = sdp.split("\r\n").collect();
    let junk = [
        "",
        "0",
        "-1",
        "99999999999999999999",
        "\u{1F600}",
        "a b c d e f g h",
        ":::",
        "actpass actpass",
    ];
    for (index, line) in lines.iter().enumerate() {
        let head = line.split([':', ' ']).next().unwrap_or_default();
        for value in junk {
            let mut damaged = lines.clone();
            let changed = format!("{head}:{value}");
            damaged[index] = &changed;
            let _ = endpoint.answer(&damaged.join("\r\n"), PeerConfig::default());
        }
        let mut without = lines.clone();
        without.remove(index);
        let _ = endpoint.answer(&without.join("\r\n"), PeerConfig::default());
        let mut twice = lines.clone();
        twice.insert(index, line);
        let _ = endpoint.answer(&twice.join("\r\n"), PeerConfig::default());
        let cut = lines[..index].join("\r\n");
        let _ = endpoint.answer(&cut, PeerConfig::default());
    }
    assert_eq!(endpoint.stats().engine_panics, 0);
}

#[test]
fn rubbish_from_the_peers_address_does_not_end_the_connection() {
    let mut net = connected(1, Link::default());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let bytes = proptest::collection::vec(any::<u8>(), 1..1300);
    for n in 0..2_000 {
        let mut rubbish = bytes.new_tree(&mut runner).expect("bytes").current();
        // Every kind gets its share.
        rubbish[0] = [0, 1, 20, 21, 22, 23, 63, 128, 200][n % 9];
        let destination = SocketAddr::from(([10, 0, 0, 1], 1111));
        let datagram = Datagram {
            source: right_address(),
            destination,
            contents: rubbish.into(),
        };
        let now = net.now();
        net.left.receive(now, datagram);
    }
    net.run_for(SECOND);
    assert_eq!(
        net.left.count(|e| matches!(e, PeerEvent::Closed(_))),
        0,
        "{:?}",
        net.left.log
    );
    net.right
        .channel("inference")
        .send_text("still here".into())
        .expect("open");
    net.run_until("a message", 5 * SECOND, |l, _| l.messages().len() == 1);
    let stats = net.left.core.stats();
    assert!(
        stats.dropped_unauthenticated > 0 && stats.dropped_by_engine > 0,
        "{stats:?}"
    );
}

#[test]
fn an_offer_needs_channels_and_not_too_many() {
    let local = Local::new(vec![right_address()]);
    for count in [0, framewire_transport::MAX_CHANNELS + 1] {
        let mut config = PeerConfig::default();
        config.channels = vec!["x".into(); count];
        let made = PeerCore::pair(
            Instant::now(),
            (&config, &local),
            (&config, &local),
            str::to_owned,
        );
        assert!(made.is_err(), "{count}");
    }
}

#[test]
fn a_peer_that_opens_too_many_channels_keeps_its_connection_without_them() {
    let mut left = PeerConfig::default();
    left.channels = (0..framewire_transport::MAX_CHANNELS)
        .map(|n| format!("c{n}"))
        .collect();
    // The answerer has one channel of its own, so the offerer's last one is beyond the limit.
    let right = PeerConfig::default().with_channel("own");
    let mut net = crate::net::pair(1, Link::default(), left, right);
    net.run_until("the surplus is refused", 20 * SECOND, |l, r| {
        r.core.stats().dropped_channels + l.core.stats().dropped_channels >= 2
    });
    net.run_for(SECOND);
    assert!(net.left.closed().is_none() && net.right.closed().is_none());
}
