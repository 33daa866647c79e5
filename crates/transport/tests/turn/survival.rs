//! What happens to a session when its TURN server goes away, forgets it, or wants new proof of who we are.

use std::net::UdpSocket;
use std::time::Instant;

use framewire_transport::{CloseReason, IceServer, PeerConfig, PeerEvent};

use crate::server::{Server, known};
use crate::sessions::{SECOND, Session, closed, connect, endpoint, relayed, wait_for};

/// Sends a message in each direction until both have arrived; how long it took. Each is in flight while the path
/// changes, so SCTP repeats it.
fn goes_on(session: &Session) {
    let started = Instant::now();
    session.round_trip("still there");
    let took = started.elapsed();
    assert!(took < 10 * SECOND, "{took:?} without data");
}

/// The server in use dies; the session continues through the other, on both sides.
fn moves_to_the_other_server(url: fn(&Server) -> String) {
    let (first, second) = (Server::start(), Server::start());
    let mut servers = [first, second];
    let urls = servers.iter().map(url).collect();
    let session = connect(relayed(known(urls)), PeerConfig::default());
    session.round_trip("hello");
    let used = session.ours.stats().local.expect("connected");
    let reports = &session.ours.gathering().servers;
    let is_used = |index: usize| {
        let given = reports[index].outcome.as_ref().expect("allocated");
        given.iter().any(|g| g.address == used)
    };
    let victim = (0..2).find(|i| is_used(*i)).expect("one of them");
    servers[victim].kill();
    goes_on(&session);
    let now = session.ours.stats().local.expect("connected");
    assert_ne!(now, used);
    assert_eq!(session.theirs.stats().remote, Some(now));
    session.end();
}

#[test]
fn a_session_moves_to_another_server_when_its_own_is_killed_over_udp() {
    moves_to_the_other_server(Server::udp);
}

#[test]
fn a_session_moves_to_another_server_when_its_own_is_killed_over_tcp() {
    moves_to_the_other_server(Server::tcp);
}

#[test]
fn a_session_whose_only_server_is_killed_stalls_and_is_lost_on_both_sides() {
    let mut server = Server::start();
    let servers = known(vec![server.udp()]);
    let lost_after = 6 * SECOND;
    let session = connect(
        relayed(servers).with_lost_after(lost_after),
        PeerConfig::default().with_lost_after(lost_after),
    );
    session.round_trip("hello");
    server.kill();
    let started = Instant::now();
    // The other side is told by the server's machine that nobody listens there any more, or hears nothing.
    let theirs = closed(&session.theirs);
    assert!(
        matches!(theirs, CloseReason::Gone | CloseReason::Lost { .. }),
        "{theirs}"
    );
    let mut stalled = false;
    let ours = wait_for(&session.ours, |event| match event {
        PeerEvent::Stalled => {
            stalled = true;
            None
        }
        PeerEvent::Closed(reason) => Some(reason),
        _ => None,
    });
    assert!(
        stalled && matches!(ours, CloseReason::Lost { .. }),
        "{ours}"
    );
    assert!(
        started.elapsed() < 2 * lost_after,
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_session_moves_to_another_server_when_its_allocation_expires() {
    let (short, other) = (
        Server::with("127.0.0.1", "max-allocate-lifetime=2"),
        Server::start(),
    );
    // UDP is preferred to TCP, so the one that expires carries the session.
    let urls = vec![short.udp(), other.tcp()];
    let session = connect(relayed(known(urls)), PeerConfig::default());
    session.round_trip("hello");
    let used = session.ours.stats().local.expect("connected");
    let started = Instant::now();
    while session.ours.stats().local == Some(used) {
        session.round_trip("again");
        assert!(started.elapsed() < 20 * SECOND, "still through {used}");
    }
    goes_on(&session);
    session.end();
}

#[test]
fn a_stale_nonce_is_renewed_and_the_session_comes_up() {
    let server = Server::with("127.0.0.1", "stale-nonce=1");
    // The answer takes two seconds, because it asks someone who is silent; by then the nonce of the offer is stale.
    let silent = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let url = format!("stun:{}", silent.local_addr().expect("address"));
    let slow = PeerConfig::default()
        .with_ice_servers(vec![IceServer::new(vec![url])])
        .with_gather_timeout(5 * SECOND / 2);
    let session = connect(relayed(known(vec![server.udp()])), slow);
    session.round_trip("hello");
    session.end();
}

#[test]
fn the_server_gets_its_address_back_when_a_session_ends() {
    let server = Server::with("127.0.0.1", "user-quota=1");
    let config = || relayed(known(vec![server.udp()]));
    let session = connect(config(), PeerConfig::default());
    session.round_trip("hello");
    let second = || endpoint().offer(config().with_channel("inference"));
    let error = second().expect_err("one at a time").to_string();
    assert!(
        error.contains("Quota") && error.contains("(486)"),
        "{error}"
    );
    session.end();
    let deadline = Instant::now() + 20 * SECOND;
    while let Err(error) = second() {
        assert!(Instant::now() < deadline, "{error}");
    }
}
