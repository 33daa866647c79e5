//! Endpoints on loopback sockets, and waiting for what happens to their peers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_transport::{
    CloseReason, DataChannel, Endpoint, EndpointConfig, Peer, PeerConfig, PeerEvent,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const MESSAGE: usize = 49_160;

pub(crate) fn soon() -> Instant {
    Instant::now() + PATIENCE
}

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

pub(crate) fn wait_for<T>(peer: &Peer, mut wanted: impl FnMut(PeerEvent) -> Option<T>) -> T {
    loop {
        let event = peer.events().recv_deadline(soon()).expect("an event");
        let text = format!("{event:?}");
        if let Some(found) = wanted(event) {
            return found;
        }
        assert!(!text.starts_with("Closed"), "ended early: {text}");
    }
}

pub(crate) fn open(peer: &Peer, label: &str) -> DataChannel {
    wait_for(peer, |event| match event {
        PeerEvent::ChannelOpen(channel) if channel.label() == label => Some(channel),
        _ => None,
    })
}

pub(crate) fn message(peer: &Peer) -> Bytes {
    wait_for(peer, |event| match event {
        PeerEvent::Message { data, .. } => Some(data),
        _ => None,
    })
}

pub(crate) fn closed(peer: &Peer) -> CloseReason {
    wait_for(peer, |event| match event {
        PeerEvent::Closed(reason) => Some(reason),
        _ => None,
    })
}
