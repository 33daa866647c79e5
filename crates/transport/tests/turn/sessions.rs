//! Two endpoints that meet through a TURN server, and what tests ask of them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_transport::{
    CloseReason, DataChannel, Endpoint, EndpointConfig, IceServer, Peer, PeerConfig,
};

pub(crate) use crate::events::{closed, message, open, soon, wait_for};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn endpoint() -> Endpoint {
    Endpoint::bind(EndpointConfig::default()).expect("bind")
}

/// Only through these servers.
pub(crate) fn relayed(servers: Vec<IceServer>) -> PeerConfig {
    PeerConfig::default()
        .with_ice_servers(servers)
        .with_relay_only(true)
}

pub(crate) struct Session {
    pub(crate) ours: Peer,
    pub(crate) theirs: Peer,
    pub(crate) offer: String,
    pub(crate) answer: String,
    pub(crate) channel: DataChannel,
}

/// Offers with `ours`, answers with `theirs`, and waits until the channel is open.
pub(crate) fn connect(ours: PeerConfig, theirs: PeerConfig) -> Session {
    let (client, server) = (endpoint(), endpoint());
    let offer = client.offer(ours.with_channel("inference")).expect("offer");
    let text = offer.sdp().to_owned();
    let (theirs, answer) = server.answer(&text, theirs).expect("answer");
    let ours = offer.accept_answer(&answer).expect("accept");
    let channel = open(&ours, "inference");
    Session {
        ours,
        theirs,
        offer: text,
        answer,
        channel,
    }
}

impl Session {
    /// A message there and one back.
    pub(crate) fn round_trip(&self, text: &str) {
        self.channel.send_text(text.into()).expect("open");
        assert_eq!(message(&self.theirs), text);
        let back = self.theirs.channel("inference").expect("known");
        back.send_text(format!("{text} too")).expect("open");
        assert_eq!(message(&self.ours), format!("{text} too"));
    }

    /// Sends `bytes` in messages of 40 kB and checks each of them at the other end; how long it took.
    pub(crate) fn transfer(&self, bytes: usize) -> Duration {
        const SIZE: usize = 40_000;
        let count = bytes / SIZE;
        let started = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for index in 0..count {
                    self.channel
                        .wait_buffered_at_most(1024 * 1024, soon())
                        .expect("drains");
                    self.channel.send(numbered(index, SIZE)).expect("queued");
                }
            });
            for index in 0..count {
                assert_eq!(
                    message(&self.theirs),
                    numbered(index, SIZE),
                    "message {index}"
                );
            }
        });
        started.elapsed()
    }

    pub(crate) fn end(self) {
        self.ours.close(SECOND);
        assert_eq!(closed(&self.ours), CloseReason::Local);
        assert_eq!(closed(&self.theirs), CloseReason::Remote);
    }
}

pub(crate) fn numbered(index: usize, size: usize) -> Bytes {
    let mut bytes = vec![index as u8; size];
    bytes[..4].copy_from_slice(&(index as u32).to_le_bytes());
    bytes.into()
}

/// Kinds of the candidates in a description.
pub(crate) fn kinds(sdp: &str) -> Vec<&str> {
    sdp.lines()
        .filter(|l| l.starts_with("a=candidate:"))
        .filter_map(|l| l.split(" typ ").nth(1)?.split(' ').next())
        .collect()
}
