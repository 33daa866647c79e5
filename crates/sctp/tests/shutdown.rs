//! The agreed end of an association, from every state, with packets lost.
//! Streams that end alone are in `resets`.

mod pair;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use pair::{CLIENT, Pair, Peer, SERVER, drop_first, kind, kinds};
use sctp_proto::{
    AssociationError, Error, Event, PayloadProtocolIdentifier as Ppi, ReliabilityType,
};

const SECOND: Duration = Duration::from_secs(1);

fn both_closed(pair: &mut Pair) -> bool {
    pair.peers.iter_mut().all(|p| p.association().is_closed())
}

fn lost_once_with(peer: &Peer, wanted: &AssociationError) {
    let lost: Vec<_> = peer
        .events
        .iter()
        .filter_map(|event| match event {
            Event::AssociationLost { reason } => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [wanted]);
    assert!(matches!(
        peer.events.last(),
        Some(Event::AssociationLost { .. })
    ));
}

fn shut_down(peer: &mut Peer) {
    peer.association().shutdown().expect("never fails");
}

#[test]
fn everything_written_arrives_before_the_end() {
    let mut pair = Pair::established();
    pair.peers[CLIENT].open(1);
    for part in 0..50 {
        pair.peers[CLIENT].write(1, &[part; 10_000]);
    }
    shut_down(&mut pair.peers[CLIENT]);
    assert!(pair.peers[CLIENT].association().is_closing());
    let association = pair.peers[CLIENT].association();
    let mut stream = association.stream(1).expect("the stream exists");
    let refused = stream.write_with_ppi(&[1], Ppi::Binary);
    assert_eq!(refused, Err(Error::NotEstablished));
    let mut got = 0;
    pair.run(5 * SECOND, |pair| {
        while pair.peers[SERVER].read(1).is_some() {
            got += 1;
        }
        both_closed(pair)
    });
    assert_eq!(got, 50);
    for peer in &pair.peers {
        lost_once_with(peer, &AssociationError::Closed);
    }
    assert_eq!(
        pair.count(CLIENT, kind::ABORT) + pair.count(SERVER, kind::ABORT),
        0
    );
}

#[test]
fn the_other_side_finishes_its_data_too() {
    let mut pair = Pair::established();
    pair.peers[SERVER].open(1);
    for part in 0..50 {
        pair.peers[SERVER].write(1, &[part; 10_000]);
    }
    pair.pass();
    shut_down(&mut pair.peers[CLIENT]);
    let mut got = 0;
    pair.run(5 * SECOND, |pair| {
        while pair.peers[CLIENT].read(1).is_some() {
            got += 1;
        }
        both_closed(pair)
    });
    assert_eq!(got, 50);
}

#[test]
fn a_peer_that_still_sends_is_waited_for_however_long_it_takes() {
    let mut pair = Pair::established();
    pair.peers[SERVER].open(3);
    pair.peers[SERVER].write(3, &[5; 60_000]);
    // One packet passes every four seconds.
    let pass = Rc::new(Cell::new(false));
    let take = Rc::clone(&pass);
    pair.filter = Box::new(move |who, packet| {
        let data = who == SERVER && kinds(packet).contains(&kind::DATA);
        !data || take.take()
    });
    pair.pass();
    shut_down(&mut pair.peers[CLIENT]);
    let (mut rounds, mut got) = (0, None);
    while !both_closed(&mut pair) {
        rounds += 1;
        assert!(rounds < 200, "it never ends");
        pass.set(true);
        pair.wait(4 * SECOND);
        got = got.or_else(|| pair.peers[CLIENT].read(3));
    }
    // Far longer than eight tries take.
    assert!(rounds > 30);
    assert_eq!(got.map(|(_, message)| message.len()), Some(60_000));
    for peer in &pair.peers {
        lost_once_with(peer, &AssociationError::Closed);
    }
}

#[test]
fn the_end_waits_no_longer_for_a_message_that_ran_out_of_time_unsent() {
    let mut pair = Pair::established();
    pair.peers[CLIENT].open(1);
    let association = pair.peers[CLIENT].association();
    let mut stream = association.stream(1).expect("open");
    stream
        .set_reliability_params(false, ReliabilityType::Timed, 0)
        .expect("established");
    pair.peers[CLIENT].write(1, b"never");
    shut_down(&mut pair.peers[CLIENT]);
    pair.run(SECOND, both_closed);
    for peer in &pair.peers {
        lost_once_with(peer, &AssociationError::Closed);
    }
}

#[test]
fn both_sides_may_end_at_once() {
    let mut pair = Pair::established();
    shut_down(&mut pair.peers[CLIENT]);
    shut_down(&mut pair.peers[SERVER]);
    pair.run(5 * SECOND, both_closed);
    for peer in &pair.peers {
        lost_once_with(peer, &AssociationError::Closed);
    }
}

#[test]
fn a_lost_packet_of_the_shutdown_is_made_up_for() {
    for (who, chunk) in [
        (CLIENT, kind::SHUTDOWN),
        (SERVER, kind::SHUTDOWN_ACK),
        (CLIENT, kind::SHUTDOWN_COMPLETE),
    ] {
        let mut pair = Pair::established();
        pair.filter = drop_first(who, chunk, 2);
        shut_down(&mut pair.peers[CLIENT]);
        pair.run(10 * SECOND, both_closed);
        pair.wait(60 * SECOND);
        for peer in &pair.peers {
            lost_once_with(peer, &AssociationError::Closed);
        }
    }
}

#[test]
fn a_peer_that_never_answers_is_given_up_after_eight_tries() {
    let mut pair = Pair::established();
    pair.filter = Box::new(|_, _| false);
    shut_down(&mut pair.peers[CLIENT]);
    pair.run(60 * SECOND, |pair| pair.peers[CLIENT].lost());
    lost_once_with(&pair.peers[CLIENT], &AssociationError::ShutdownTimeout);
    assert_eq!(pair.count(CLIENT, kind::SHUTDOWN), 8);
    pair.pass();
    assert_eq!(pair.count(CLIENT, kind::ABORT), 1);
    assert_eq!(pair.peers[CLIENT].association().poll_timeout(), None);
}

#[test]
fn before_it_is_established_an_association_just_ends() {
    let mut pair = Pair::new();
    pair.connect(CLIENT);
    shut_down(&mut pair.peers[CLIENT]);
    pair.pass();
    assert!(pair.sent.is_empty());
    lost_once_with(&pair.peers[CLIENT], &AssociationError::Closed);

    // With the cookie on its way.
    let mut pair = Pair::new();
    pair.connect(CLIENT);
    pair.filter = drop_first(CLIENT, kind::COOKIE_ECHO, 9);
    pair.wait(SECOND / 2);
    shut_down(&mut pair.peers[CLIENT]);
    shut_down(&mut pair.peers[SERVER]);
    let before = pair.sent.len();
    pair.wait(20 * SECOND);
    assert_eq!(pair.sent.len(), before);
    assert!(both_closed(&mut pair));
}

#[test]
fn a_second_shutdown_changes_nothing() {
    let mut pair = Pair::established();
    shut_down(&mut pair.peers[CLIENT]);
    shut_down(&mut pair.peers[CLIENT]);
    pair.run(5 * SECOND, both_closed);
    shut_down(&mut pair.peers[CLIENT]);
    pair.wait(SECOND);
    assert_eq!(pair.count(CLIENT, kind::SHUTDOWN), 1);
    lost_once_with(&pair.peers[CLIENT], &AssociationError::Closed);
}
