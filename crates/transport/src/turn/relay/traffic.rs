//! What goes through a relayed address: datagrams both ways, and the permissions and channels they need.
//! Allocation and timers are next door.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use stun_proto::types::TransportType;
use stun_proto::types::attribute::{ErrorCode, XorMappedAddress};
use stun_proto::types::message::{Message, MessageClass};
use turn_client_proto::api::{Transmit, TurnClientApi, TurnRecvRet};
use turn_client_proto::types::message::ALLOCATE;
use turn_client_proto::types::prelude::DelayedTransmitBuild;

use super::{Relay, UNAUTHORIZED};
use crate::ice::ServerFailure;

/// Addresses of the peer the server is asked to let through; more are not of a real session.
const MAX_PERMISSIONS: usize = 64;
/// Addresses of the peer that get a channel, which saves 32 bytes a datagram; others go without.
const MAX_CHANNELS: usize = 16;
/// A permission or channel the server refused is not asked for again before this.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Datagrams kept until the server has agreed to let their receiver through; ICE repeats the first only after 50 ms.
const MAX_PARKED: usize = 32;
/// The allocation is gone on the server.
const ALLOCATION_MISMATCH: u16 = 437;
/// Longest piece of a server's own words in a report.
const MAX_REASON: usize = 80;

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Yes,
    /// The server does not let this address through, or not yet.
    NotPermitted,
    /// The way to the server has no room.
    Full,
}

impl Relay {
    /// Asks the server to let these addresses through, in this order.
    pub(crate) fn permit(&mut self, now: Instant, peers: impl IntoIterator<Item = IpAddr>) {
        for ip in peers {
            self.ask_permission(now, ip);
        }
        self.due = now;
    }

    fn ask_permission(&mut self, now: Instant, ip: IpAddr) {
        let matching = self.addresses.iter().any(|a| a.is_ipv4() == ip.is_ipv4());
        let room = self.permissions.len() < MAX_PERMISSIONS || self.permissions.contains_key(&ip);
        if !matching || !room || self.permissions.get(&ip).is_some_and(|again| now < *again) {
            return;
        }
        self.permissions.insert(ip, now + ASK_AGAIN);
        let at = self.clock(now);
        // Errors mean that it is there, on its way, or that the allocation is over, which a turn notices.
        let _ = self.client.create_permission(TransportType::Udp, ip, at);
        self.due = now;
    }

    /// Sends a datagram to the peer. `established` says that it belongs to a connection that is up, which is worth a
    /// channel.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        to: SocketAddr,
        datagram: &[u8],
        established: bool,
    ) -> Sent {
        let at = self.clock(now);
        if !self.client.have_permission(TransportType::Udp, to.ip()) {
            self.ask_permission(now, to.ip());
            return self.park(to, datagram);
        }
        if established {
            self.ask_channel(now, to);
        }
        let Ok(Some(built)) = self.client.send_to(TransportType::Udp, to, datagram, at) else {
            return Sent::NotPermitted;
        };
        let len = built.data.len();
        let Some(room) = self.room.get_mut(..len) else {
            return Sent::Full;
        };
        built.write_into(room);
        match self.link.send(&self.room[..len], !established) {
            Ok(true) => Sent::Yes,
            Ok(false) => Sent::Full,
            Err(error) => {
                self.failed(&error);
                Sent::Full
            }
        }
    }

    /// Keeps a datagram whose permission is on its way.
    fn park(&mut self, to: SocketAddr, datagram: &[u8]) -> Sent {
        let asked = self.permissions.contains_key(&to.ip()) && !self.denied.contains(&to.ip());
        if !asked || self.parked.len() >= MAX_PARKED {
            return Sent::NotPermitted;
        }
        self.parked.push_back((to, datagram.into()));
        Sent::Yes
    }

    /// The server has decided about `ip`: what was kept for it goes, or is dropped.
    pub(super) fn unpark(&mut self, now: Instant, ip: IpAddr, allowed: bool) {
        for (to, datagram) in std::mem::take(&mut self.parked) {
            if to.ip() != ip {
                self.parked.push_back((to, datagram));
            } else if allowed {
                self.send(now, to, &datagram, false);
            }
        }
    }

    fn ask_channel(&mut self, now: Instant, to: SocketAddr) {
        let known = self.channels.get(&to);
        if known.is_some_and(|again| now < *again)
            || (known.is_none() && self.channels.len() >= MAX_CHANNELS)
        {
            return;
        }
        self.channels.insert(to, now + ASK_AGAIN);
        let at = self.clock(now);
        let _ = self.client.bind_channel(TransportType::Udp, to, at);
        self.due = now;
    }

    /// Receives up to `count` messages and gives what the peer sent to `each`: our relayed address, the peer's address
    /// and the datagram. False when there may be more.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        count: usize,
        each: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8]),
    ) -> bool {
        let at = self.clock(now);
        let mut room = std::mem::take(&mut self.room);
        let mut empty = self.dead.is_some();
        for _ in 0..count {
            match self.link.receive(&mut room) {
                Ok(Some(len)) => {
                    // An answer of the server may let the client go on; channel data does not.
                    if room[0] >> 6 == 0 {
                        self.due = now;
                    }
                    self.received(at, &room[..len], each);
                }
                Ok(None) => empty = true,
                Err(error) => {
                    self.failed(&error);
                    empty = true;
                }
            }
            if empty {
                break;
            }
        }
        self.room = room;
        empty
    }

    fn received(
        &mut self,
        at: stun_proto::Instant,
        message: &[u8],
        each: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8]),
    ) {
        self.refused = 0;
        self.note_answer(message);
        let transmit = Transmit::new(
            message,
            self.client.transport(),
            self.link.server(),
            self.link.local(),
        );
        if let TurnRecvRet::PeerData(data) = self.client.recv(transmit, at) {
            let ours = self
                .addresses
                .iter()
                .find(|a| a.is_ipv4() == data.peer.is_ipv4());
            if let Some(ours) = ours {
                each(*ours, data.peer, data.data());
            }
        }
    }

    /// The client says only that something failed; the reason is in the server's answer. And it keeps to itself where the
    /// server sees us.
    fn note_answer(&mut self, message: &[u8]) {
        if message.first().is_none_or(|kind| kind >> 6 != 0) {
            self.foreign = true;
            return;
        }
        let Ok(message) = Message::from_bytes(message) else {
            self.foreign = true;
            return;
        };
        if message.class() == MessageClass::Success
            && let Ok(mapped) = message.attribute::<XorMappedAddress>()
        {
            self.reflexive = Some(mapped.addr(message.transaction_id()));
        }
        if message.class() != MessageClass::Error {
            return;
        }
        if let Ok(error) = message.attribute::<ErrorCode>() {
            if error.code() == ALLOCATION_MISMATCH && !message.has_method(ALLOCATE) {
                let reason = "the server does not know the allocation any more (437)";
                self.die(ServerFailure::local(reason));
            }
            let words = error.reason().chars().filter(|c| !c.is_control());
            self.refusal = Some((error.code(), words.take(MAX_REASON).collect()));
            // Servers do not sign this, so the client ignores it and goes on asking.
            if error.code() == UNAUTHORIZED && self.answer.is_some() {
                let first = self.challenged.get_or_insert(message.transaction_id());
                if *first != message.transaction_id() {
                    self.die(self.failure());
                }
            }
        }
    }
}
