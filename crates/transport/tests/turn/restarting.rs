//! ICE restarts of sessions through a TURN server: which relayed addresses live on.

use std::time::Duration;

use framewire_transport::{GatheredKind, Peer, PeerConfig};

use crate::server::{Server, known};
use crate::sessions::{SECOND, Session, connect, relayed};

/// A restart whose checks are all refused, because the answer came with another password.
fn finds_no_path(session: &Session) {
    let restart = session.ours.ice().restart(2 * SECOND).expect("offer");
    assert_eq!(
        restart.gathering().addresses(GatheredKind::Relayed).count(),
        1
    );
    let answer = session.theirs.ice().accept_restart(restart.sdp());
    let answer = answer.expect("answer");
    let password = "a=ice-pwd:";
    assert!(answer.contains(password));
    let wrong = answer.replace(password, "a=ice-pwd:wrong");
    restart.accept_answer(&wrong).expect("applied");
}

fn path(peer: &Peer) -> Option<std::net::SocketAddr> {
    peer.stats().local
}

#[test]
fn the_relay_in_use_lives_on_through_restarts_that_find_no_path() {
    let server = Server::start();
    let ours = relayed(known(vec![server.udp()]));
    let session = connect(ours, PeerConfig::default());
    session.round_trip("hello");
    let used = path(&session.ours);
    for round in ["first", "second", "third"] {
        finds_no_path(&session);
        session.round_trip(round);
        assert_eq!(path(&session.ours), used, "after the {round}");
    }
    let restart = session.ours.ice().restart(2 * SECOND).expect("offer");
    let answer = session.theirs.ice().accept_restart(restart.sdp());
    restart
        .accept_answer(&answer.expect("answer"))
        .expect("applied");
    let deadline = std::time::Instant::now() + 20 * SECOND;
    while path(&session.ours) == used {
        session.round_trip("a new path");
        assert!(
            std::time::Instant::now() < deadline,
            "still through {used:?}"
        );
    }
    session.end();
}

#[test]
fn a_gathering_without_end_is_no_panic() {
    let session = connect(PeerConfig::default(), PeerConfig::default());
    let restart = session.ours.ice().restart(Duration::MAX);
    assert!(!restart.expect("offer").sdp().is_empty());
    session.end();
}
