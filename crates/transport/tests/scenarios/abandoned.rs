//! What nobody waits for any more must not keep an endpoint alive.

use std::net::UdpSocket;
use std::time::Instant;

use framewire_transport::{Endpoint, IceServer, PeerConfig, RestartError};

use crate::loopback::{PATIENCE, local, open};
use crate::net::SECOND;

#[test]
fn a_restart_that_still_gathers_keeps_no_closed_endpoint() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("bind");
    silent.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let url = format!("stun:{}", silent.local_addr().expect("address"));
    let config = PeerConfig::default()
        .with_channel("inference")
        .with_ice_servers(vec![IceServer::new(vec![url])])
        .with_gather_timeout(SECOND / 10);
    let (client, server) = (
        Endpoint::bind(local()).expect("bind"),
        Endpoint::bind(local()).expect("bind"),
    );
    let offer = client.offer(config).expect("offer");
    let (_theirs, answer) = server
        .answer(offer.sdp(), PeerConfig::default())
        .expect("answer");
    let ours = offer.accept_answer(&answer).expect("accept");
    open(&ours, "inference");
    // What was asked for the offer.
    silent.set_nonblocking(true).expect("set");
    let mut room = [0; 600];
    while silent.recv(&mut room).is_ok() {}
    silent.set_nonblocking(false).expect("set");
    let ice = ours.ice();
    let gathering = std::thread::spawn(move || ice.restart(4 * PATIENCE));
    silent.recv(&mut room).expect("it asks");
    let port = client.local_port();
    let closed = Instant::now();
    drop((ours, client));
    let ended = gathering.join().expect("no panic");
    assert!(matches!(ended, Err(RestartError::Closed)), "{ended:?}");
    assert!(closed.elapsed() < PATIENCE, "{:?}", closed.elapsed());
    // The thread of the endpoint is gone, and its socket with it.
    let deadline = Instant::now() + PATIENCE;
    while UdpSocket::bind(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "port {port} is in use");
    }
}
