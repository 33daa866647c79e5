//! Machines with nothing but loopback, or nothing but IPv6: what is not there is not needed.

use std::time::Instant;

use framewire_transport::{Endpoint, PeerConfig};

use crate::loopback::{local, message, open};
use crate::net::SECOND;

/// Connects two endpoints that know only candidates for which `keep` holds; the path they use.
fn connects(keep: impl Fn(&str) -> bool) -> std::net::SocketAddr {
    let bind = || Endpoint::bind(local().with_interface("lo")).expect("bind");
    let (client, server) = (bind(), bind());
    let started = Instant::now();
    let only = |sdp: &str| {
        let lines = sdp
            .lines()
            .filter(|l| !l.starts_with("a=candidate:") || keep(l));
        lines.flat_map(|l| [l, "\r\n"]).collect::<String>()
    };
    let with = PeerConfig::default().with_channel("inference");
    let offer = client.offer(with).expect("offer");
    let (theirs, answer) = server
        .answer(&only(offer.sdp()), PeerConfig::default())
        .expect("answer");
    for sdp in [offer.sdp(), &answer] {
        let foreign = sdp.lines().find(|l| {
            l.starts_with("a=candidate:") && !l.contains(" 127.0.0.1 ") && !l.contains(" ::1 ")
        });
        assert_eq!(foreign, None, "only loopback is there");
    }
    assert!(
        started.elapsed() < SECOND / 2,
        "nobody is asked when no server is configured: {:?}",
        started.elapsed()
    );
    let ours = offer.accept_answer(&only(&answer)).expect("accept");
    open(&ours, "inference")
        .send_text("hello".into())
        .expect("open");
    assert_eq!(message(&theirs), "hello");
    ours.stats().remote.expect("a path")
}

#[test]
fn loopback_alone_is_enough_and_no_server_is_asked() {
    assert!(connects(|_| true).ip().is_loopback());
}

#[test]
fn ipv6_alone_is_enough() {
    let remote = connects(|line| line.contains(" ::1 "));
    assert!(remote.is_ipv6() && remote.ip().is_loopback(), "{remote}");
}
