//! RFC 6525 section 5.2: how requests are answered that come together, again, out of order, or are not granted.
//! Resets that are performed are in `resets`.

use std::time::Duration;

use super::resets::peers;
use super::*;
use crate::serial::Rsn;
use crate::types::PayloadProtocolIdentifier as Ppi;
use crate::wire::{ReconfigParam as Param, ReconfigResult as Outcome};

#[test]
fn a_second_request_while_one_waits_is_refused_as_busy() {
    let mut bench = Bench::established();
    bench.peer_resets(peers(0), PEER_TSN + 2, &[1]);
    bench.peer_resets(peers(1), PEER_TSN + 2, &[2]);
    let (held, busy) = (
        (peers(0), Outcome::InProgress),
        (peers(1), Outcome::AlreadyInProgress),
    );
    assert_eq!(bench.answers(), [held, busy]);
    // Both answers are lost: asked again, they are the same.
    bench.peer_resets(peers(0), PEER_TSN + 2, &[1]);
    bench.peer_resets(peers(1), PEER_TSN + 2, &[2]);
    assert_eq!(bench.answers(), [held, busy]);
    for n in 0..3 {
        bench.data(PEER_TSN + n, 1, n as u16);
    }
    assert_eq!(bench.answers(), [(peers(0), Outcome::Performed)]);
    bench.peer_resets(peers(0), PEER_TSN + 2, &[1]);
    assert_eq!(bench.answers(), [(peers(0), Outcome::Performed)]);
}

#[test]
fn two_requests_in_one_chunk_are_answered_both_3_1() {
    let mut bench = Bench::established();
    let streams = || [1].into_iter().collect();
    let params = [
        Param::OutgoingReset {
            request: peers(0),
            response: Rsn(bench.a.local.initial_tsn.0).prev(),
            last_tsn: PEER_TSN.prev(),
            streams: streams(),
        },
        Param::IncomingReset {
            request: peers(1),
            streams: streams(),
        },
    ];
    let expected = [(peers(0), Outcome::Performed), (peers(1), Outcome::Denied)];
    // The second time because the answers were lost.
    for _ in 0..2 {
        bench.receive(|packet| {
            packet.push_reconfig(&params);
        });
        assert_eq!(bench.answers(), expected);
    }
    // A flood is answered in part.
    for n in 100..200 {
        bench.peer_resets(peers(n), PEER_TSN, &[1]);
    }
    let last = [196, 197, 198, 199].map(|n| (peers(n), Outcome::BadSequence));
    assert_eq!(bench.answers(), last);
}

#[test]
fn a_request_with_a_number_out_of_order_is_refused_5_2_1() {
    let mut bench = Bench::established();
    for wrong in [peers(1), peers(0).prev(), peers(1000)] {
        bench.peer_resets(wrong, PEER_TSN.prev(), &[1]);
        assert_eq!(bench.answers(), [(wrong, Outcome::BadSequence)]);
    }
    bench.peer_resets(peers(0), PEER_TSN.prev(), &[1]);
    let first = bench.answers();
    assert_eq!(first, [(peers(0), Outcome::Performed)]);
}

#[test]
fn other_requests_are_denied() {
    let mut bench = Bench::established();
    let streams = [1].into_iter().collect();
    let requests = [
        Param::IncomingReset {
            request: peers(0),
            streams,
        },
        Param::TsnReset { request: peers(1) },
        Param::AddOutgoing { request: peers(2) },
        Param::AddIncoming { request: peers(3) },
    ];
    for (n, request) in (0..).zip(requests) {
        bench.reconfig(request);
        assert_eq!(bench.answers(), [(peers(n), Outcome::Denied)]);
    }
}

#[test]
fn a_peer_without_resets_makes_close_fail_and_no_request_goes_out() {
    let mut bench = Bench::waiting();
    let plain = Init {
        reconfig: false,
        ..peer_init()
    };
    bench.receive(|packet| {
        packet.push_init_ack(&plain, COOKIE);
    });
    bench.receive(|packet| {
        packet.push_cookie_ack();
    });
    bench.a.open_stream(1, Ppi::Binary).expect("free");
    assert!(bench.a.stream(1).expect("open").close().is_err());
    bench.pass_time(Duration::from_secs(10));
    assert!(bench.params().is_empty());
}
