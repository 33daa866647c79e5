//! Waiting for what happens to a peer. Every wait ends within [`PATIENCE`].

use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_transport::{CloseReason, DataChannel, Peer, PeerEvent};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn soon() -> Instant {
    Instant::now() + PATIENCE
}

pub(crate) fn wait_for<T>(peer: &Peer, mut wanted: impl FnMut(PeerEvent) -> Option<T>) -> T {
    let deadline = soon();
    loop {
        let event = peer.events().recv_deadline(deadline).expect("an event");
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
