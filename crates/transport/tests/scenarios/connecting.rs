//! Coming up, and failing to.

use std::time::Duration;

use framewire_testkit::Link;
use framewire_transport::{CloseReason, ConnectStep, PeerConfig, PeerEvent};

use crate::net::{SECOND, config, connected, pair, tampered};

#[test]
fn two_peers_connect_and_both_see_the_channels_in_order() {
    let net = connected(1, Link::default().with_delay(Duration::from_millis(20)));
    for peer in [&net.left, &net.right] {
        assert!(
            matches!(peer.log[0], PeerEvent::Connected),
            "{:?}",
            peer.log
        );
        assert_eq!(peer.channel("inference").id().0, 0);
        assert_eq!(peer.channel("video_upload").id().0, 1);
        assert_eq!(peer.count(|e| matches!(e, PeerEvent::ChannelOpen(_))), 2);
    }
    assert!(net.elapsed() < SECOND, "took {:?}", net.elapsed());
}

#[test]
fn peers_connect_over_a_bad_network() {
    for seed in 1..=5 {
        let link = Link::default()
            .with_delay(Duration::from_millis(40))
            .with_jitter(Duration::from_millis(30))
            .with_loss(0.05)
            .with_duplicates(0.1);
        let patient = || PeerConfig::default().with_connect_timeout(120 * SECOND);
        let left = patient().with_channel("inference");
        let mut net = pair(seed, link, left, patient());
        net.run_until("the channel opens on both sides", 120 * SECOND, |l, r| {
            l.is_open("inference") && r.is_open("inference")
        });
    }
}

#[test]
fn a_peer_that_never_answers_fails_at_the_ice_step() {
    let mut net = pair(
        1,
        Link::default(),
        config().with_connect_timeout(7 * SECOND),
        PeerConfig::default(),
    );
    net.set_cut(true);
    net.run_until("the left side gives up", 8 * SECOND, |l, _| {
        l.closed().is_some()
    });
    assert_eq!(net.elapsed(), 7 * SECOND);
    let Some(CloseReason::ConnectTimeout { step, after, .. }) = net.left.closed() else {
        panic!("{:?}", net.left.closed());
    };
    assert_eq!((*step, *after), (ConnectStep::Ice, 7 * SECOND));
    let text = net
        .left
        .closed()
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(text.contains("network path (ICE)"), "{text}");
}

#[test]
fn a_handshake_that_stops_fails_at_the_dtls_step() {
    let left = config().with_connect_timeout(9 * SECOND);
    let mut net = pair(1, Link::default(), left, PeerConfig::default());
    // Large datagrams are handshake flights with certificates; the checks are small.
    net.left.drop_larger_than = Some(300);
    net.right.drop_larger_than = Some(300);
    net.run_until("the left side gives up", 10 * SECOND, |l, _| {
        l.closed().is_some()
    });
    let reason = net.left.closed();
    let dtls = matches!(
        reason,
        Some(CloseReason::ConnectTimeout {
            step: ConnectStep::Dtls,
            ..
        })
    );
    assert!(dtls, "{reason:?}");
}

#[test]
fn a_wrong_fingerprint_fails_with_its_own_reason() {
    let tamper = |sdp: &str| {
        let at = sdp.find("a=fingerprint:sha-256 ").expect("fingerprint")
            + "a=fingerprint:sha-256 ".len();
        let flipped = if sdp[at..].starts_with('A') { "B" } else { "A" };
        format!("{}{flipped}{}", &sdp[..at], &sdp[at + 1..])
    };
    let mut net = tampered(1, Link::default(), config(), PeerConfig::default(), tamper);
    net.run_until("the left side refuses", 5 * SECOND, |l, _| {
        l.closed().is_some()
    });
    assert!(
        matches!(net.left.closed(), Some(CloseReason::Fingerprint(_))),
        "{:?}",
        net.left.closed()
    );
    assert_eq!(net.left.count(|e| matches!(e, PeerEvent::Connected)), 0);
}

#[test]
fn a_channel_cannot_be_used_before_it_is_open() {
    let net = pair(1, Link::default(), config(), PeerConfig::default());
    let error = net
        .left
        .channel("inference")
        .send_text("early".into())
        .unwrap_err();
    assert!(
        error.to_string().contains("\"inference\" is not open"),
        "{error}"
    );
}
