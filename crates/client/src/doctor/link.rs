//! The connection that is measured: its channels, and the next thing that happens on it before a deadline.
//! Not what is measured.

use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::signalling::{Agreement, Feature};
use framewire_transport::{ChannelOptions, DataChannel, Peer, PeerEvent};

/// A connection that is up.
pub(super) struct Link {
    pub(super) peer: Peer,
    /// What the worker offers beyond the original's protocol.
    pub(super) agreement: Option<Agreement>,
}

/// A message on the channel asked about.
pub(super) struct Came {
    pub(super) data: Bytes,
    pub(super) text: bool,
}

/// The connection ended; why.
pub(super) struct Ended(pub(super) String);

impl Link {
    /// Whether the worker knows probes.
    pub(super) fn probes(&self) -> bool {
        let theirs = self.agreement.as_ref();
        theirs.is_some_and(|theirs| theirs.has(Feature::Probe))
    }

    /// Opens a channel; none when it did not open in time.
    pub(super) async fn open(&self, label: &str, limit: Duration) -> Option<DataChannel> {
        let deadline = Instant::now() + limit;
        let channel = self.peer.open_channel(label, ChannelOptions::default());
        let channel = channel.ok()?;
        while !channel.is_open() {
            self.event(deadline).await.ok()??;
        }
        Some(channel)
    }

    /// The next message on the channel; `Ok(None)` at the deadline. Cancel-safe.
    pub(super) async fn next(
        &self,
        channel: &DataChannel,
        deadline: Instant,
    ) -> Result<Option<Came>, Ended> {
        loop {
            match self.event(deadline).await? {
                None => return Ok(None),
                Some(PeerEvent::Message {
                    channel: id,
                    data,
                    text,
                }) if id == channel.id() => return Ok(Some(Came { data, text })),
                Some(_) => {}
            }
        }
    }

    async fn event(&self, deadline: Instant) -> Result<Option<PeerEvent>, Ended> {
        let event = self.peer.events().recv();
        match tokio::time::timeout_at(deadline.into(), event).await {
            Err(_) => Ok(None),
            Ok(Some(PeerEvent::Closed(reason))) => Err(Ended(reason.to_string())),
            Ok(None) => Err(Ended("it is over".into())),
            Ok(event) => Ok(event),
        }
    }
}
