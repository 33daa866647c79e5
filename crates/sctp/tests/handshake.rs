//! Becoming established, through the public interface: lost packets, both sides at once, restarts, tokens.
//! The single cases of the RFC's tables are beside the code.

mod pair;

use std::time::Duration;

use pair::{CLIENT, Pair, Peer, SERVER, drop_first, kind, kinds};
use sctp_proto::{
    AssociationError, ClientConfig, ConnectError, Endpoint, Event, generate_snap_token,
};

const SECOND: Duration = Duration::from_secs(1);

fn both_connected(pair: &mut Pair) -> bool {
    pair.peers.iter().all(Peer::connected)
}

fn connected_once(pair: &Pair) {
    for peer in &pair.peers {
        let times = peer.events.iter().filter(|e| **e == Event::Connected);
        assert_eq!(times.count(), 1);
        assert!(!peer.lost());
    }
}

#[test]
fn two_ends_connect_in_two_round_trips() {
    let mut pair = Pair::new();
    pair.connect(CLIENT);
    pair.run(SECOND, both_connected);
    connected_once(&pair);
    assert_eq!(pair.now - pair.start, Duration::from_millis(40));
    let order: Vec<_> = pair
        .sent
        .iter()
        .map(|(from, p)| (*from, kinds(p)[0]))
        .collect();
    let expected = [
        (CLIENT, kind::INIT),
        (SERVER, kind::INIT_ACK),
        (CLIENT, kind::COOKIE_ECHO),
        (SERVER, kind::COOKIE_ACK),
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_lost_packet_of_the_handshake_is_made_up_for_after_a_second() {
    for (who, chunk) in [
        (CLIENT, kind::INIT),
        (SERVER, kind::INIT_ACK),
        (CLIENT, kind::COOKIE_ECHO),
        (SERVER, kind::COOKIE_ACK),
    ] {
        let mut pair = Pair::new();
        pair.connect(CLIENT);
        pair.filter = drop_first(who, chunk, 1);
        pair.run(2 * SECOND, both_connected);
        connected_once(&pair);
        let took = pair.now - pair.start;
        assert!(
            took >= SECOND && took < SECOND + Duration::from_millis(100),
            "{chunk}: {took:?}"
        );
    }
}

#[test]
fn init_is_repeated_for_ever_and_at_least_every_8_seconds() {
    let mut pair = Pair::new();
    pair.connect(CLIENT);
    pair.filter = Box::new(|_, _| false);
    pair.wait(3600 * SECOND);
    // 1 + 2 + 4 seconds, then 8 each.
    let sent = pair.count(CLIENT, kind::INIT);
    assert!((450..=455).contains(&sent), "{sent} INITs in an hour");
    assert!(!pair.peers[CLIENT].lost());
    pair.filter = Box::new(|_, _| true);
    pair.run(9 * SECOND, both_connected);
}

#[test]
fn both_sides_may_begin_at_once() {
    let mut pair = Pair::new();
    pair.connect(CLIENT);
    pair.connect(SERVER);
    pair.run(SECOND, both_connected);
    connected_once(&pair);
    assert_eq!(pair.count(CLIENT, kind::INIT), 1);
    assert_eq!(pair.count(SERVER, kind::INIT), 1);
}

#[test]
fn both_sides_may_begin_at_once_with_any_one_packet_lost() {
    for who in [CLIENT, SERVER] {
        for chunk in [
            kind::INIT,
            kind::INIT_ACK,
            kind::COOKIE_ECHO,
            kind::COOKIE_ACK,
        ] {
            let mut pair = Pair::new();
            pair.connect(CLIENT);
            pair.connect(SERVER);
            pair.filter = drop_first(who, chunk, 1);
            pair.run(10 * SECOND, both_connected);
            pair.wait(5 * SECOND);
            connected_once(&pair);
        }
    }
}

#[test]
fn both_answers_lost_when_both_sides_began_are_repeated_without_another_init() {
    let mut pair = Pair::new();
    pair.connect(CLIENT);
    pair.connect(SERVER);
    let mut left = 2;
    pair.filter = Box::new(move |_, packet| {
        let hit = left > 0 && kinds(packet).contains(&kind::INIT_ACK);
        left -= usize::from(hit);
        !hit
    });
    pair.run(5 * SECOND, both_connected);
    connected_once(&pair);
    // A peer that forgets everything at an INIT must not get a second one.
    assert_eq!(pair.count(CLIENT, kind::INIT), 1);
    assert_eq!(pair.count(SERVER, kind::INIT), 1);
}

#[test]
fn duplicated_packets_of_the_handshake_change_nothing() {
    let mut pair = Pair::new();
    pair.connect(CLIENT);
    pair.run(SECOND, both_connected);
    let again: Vec<_> = pair
        .sent
        .iter()
        .map(|(from, p)| (1 - from, p.clone()))
        .collect();
    for _ in 0..3 {
        for (to, packet) in &again {
            pair.deliver(*to, packet.clone());
        }
        pair.pass();
    }
    pair.wait(3 * SECOND);
    connected_once(&pair);
}

#[test]
fn a_peer_that_starts_anew_ends_the_old_association() {
    let mut pair = Pair::established();
    // The client comes back without any memory.
    pair.peers[CLIENT] = Peer {
        endpoint: pair::endpoint(77),
        association: None,
        events: Vec::new(),
    };
    pair.connect(CLIENT);
    pair.run(5 * SECOND, |pair| pair.peers[SERVER].lost());
    let reason = AssociationError::Restarted;
    let last = pair.peers[SERVER].events.last();
    assert_eq!(last, Some(&Event::AssociationLost { reason }));
    assert!(pair.peers[SERVER].association().is_closed());
    pair.wait(60 * SECOND);
    let events = &pair.peers[SERVER].events;
    let lost = events
        .iter()
        .filter(|e| matches!(e, Event::AssociationLost { .. }));
    assert_eq!(lost.count(), 1);
}

#[test]
fn a_silent_line_carries_a_heartbeat_every_30_seconds() {
    let mut pair = Pair::established();
    pair.wait(305 * SECOND);
    for who in [CLIENT, SERVER] {
        let sent = pair.count(who, kind::HEARTBEAT);
        assert!((1..=10).contains(&sent), "{sent}");
    }
    let all = pair.count(CLIENT, kind::HEARTBEAT) + pair.count(SERVER, kind::HEARTBEAT);
    assert!((9..=20).contains(&all), "{all}");
    connected_once(&pair);
}

fn with_tokens(pair: &mut Pair) {
    let transport = pair::transport();
    let token = || generate_snap_token(&transport).expect("a token");
    let (a, b) = (token(), token());
    let address = "1.1.1.1:5000".parse().expect("an address");
    for (who, ours, theirs) in [(CLIENT, &a, &b), (SERVER, &b, &a)] {
        let config = ClientConfig::new().with_snap(ours.clone(), theirs.clone());
        let (_, made) = pair.peers[who]
            .endpoint
            .connect(config, address)
            .expect("the tokens are good");
        pair.peers[who].association = Some(made);
    }
}

#[test]
fn with_tokens_both_ends_are_established_without_a_packet() {
    let mut pair = Pair::new();
    with_tokens(&mut pair);
    pair.pass();
    connected_once(&pair);
    assert!(pair.sent.is_empty());
}

#[test]
fn tokens_that_cannot_be_used_are_refused_with_a_reason() {
    let transport = pair::transport();
    let good = generate_snap_token(&transport).expect("a token");
    let other = generate_snap_token(&transport).expect("a token");
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        bad
    };
    let bad = [
        ("type", with(0, &[2])),
        ("tag 0", with(4, &[0; 4])),
        ("window", with(8, &1499_u32.to_be_bytes())),
        ("no outgoing stream", with(12, &[0; 2])),
        ("no incoming stream", with(14, &[0; 2])),
        ("first TSN 0", with(16, &[0; 4])),
        ("length", with(2, &[0xff, 0xff])),
        ("cut", good[..19].to_vec()),
        ("empty", Vec::new()),
        ("long", [good.clone(), vec![0; 2048]].concat()),
        ("same tag", other.clone()),
    ];
    let address = "1.1.1.1:5000".parse().expect("an address");
    for (what, token) in bad {
        let mut endpoint = Endpoint::new(Default::default(), None);
        let config = ClientConfig::new().with_snap(other.clone(), token);
        let refused = endpoint.connect(config, address).map(|_| ());
        assert!(
            matches!(
                refused,
                Err(ConnectError::BadToken {
                    whose: "remote",
                    ..
                })
            ),
            "{what}: {refused:?}"
        );
        // The endpoint is still free.
        let config = ClientConfig::new().with_snap(other.clone(), good.clone());
        assert!(endpoint.connect(config, address).is_ok(), "{what}");
        let again = endpoint.connect(ClientConfig::new(), address).map(|_| ());
        assert_eq!(again, Err(ConnectError::AlreadyConnected));
    }
}
