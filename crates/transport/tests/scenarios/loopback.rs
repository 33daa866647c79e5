//! Endpoints on loopback sockets, and waiting for what happens to their peers.

use framewire_transport::{Endpoint, EndpointConfig, Peer, PeerConfig};

pub(crate) use crate::events::{PATIENCE, closed, message, open, soon};

pub(crate) const MESSAGE: usize = 49_160;

pub(crate) fn local() -> EndpointConfig {
    EndpointConfig::default()
}

/// `client` offers, `server` answers.
pub(crate) fn connect(client: &Endpoint, server: &Endpoint) -> (Peer, Peer) {
    let config = PeerConfig::default()
        .with_channel("inference")
        .with_channel("video_upload");
    let offer = client.offer(config).expect("offer");
    let (theirs, answer) = server
        .answer(offer.sdp(), PeerConfig::default())
        .expect("answer");
    (offer.accept_answer(&answer).expect("accept"), theirs)
}
