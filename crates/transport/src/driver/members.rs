//! Peers come to the driver and leave it.
//! What they do there is their own turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::inbox::PeerNotify;
use super::{Driver, Joining, Slot};
use crate::error::CloseReason;
use crate::ice::Relayed;
use crate::shared::CloseRequest;
use crate::stats::add;

impl Slot {
    /// Lets the peer's handles know its addresses on TURN servers.
    pub(super) fn tell_relayed(&self) {
        let both = |ours: &Relayed| (ours.address, ours.base);
        let relayed = self.relayed.iter().map(both).collect();
        self.core.shared().set_relayed(relayed);
    }
}

impl Driver {
    pub(super) fn add_peer(&mut self, now: Instant, joining: Joining) {
        let Joining {
            mut core,
            mut relayed,
            relay_only,
        } = joining;
        let key = core.id().0;
        relayed.retain(|ours| {
            let id = ours.handle.id();
            let there = self.relays.adopt(now, id, key, core.candidates());
            if !there {
                core.lose_relayed(ours.address);
            }
            there
        });
        let early = self.early.take(now, core.ufrag());
        let notify = Arc::new(PeerNotify::new(self.inbox.clone(), key));
        core.shared().set_notify(notify.clone());
        self.routes.add_ufrag(core.ufrag(), key);
        for address in core.candidates() {
            self.routes.guess(*address, key);
        }
        self.timers.insert((now, key));
        let slot = Slot {
            core,
            notify,
            deadline: now,
            touched: false,
            relayed,
            retired: Vec::new(),
            relay_only,
        };
        slot.tell_relayed();
        self.peers.insert(key, slot);
        self.inbox.set_peers(self.peers.len());
        self.touch(key);
        for check in early {
            self.for_peer(now, key, check.local, check.remote, &check.contents);
        }
    }

    pub(super) fn shutdown(&mut self, flush: Duration) {
        self.stopping = true;
        let keys: Vec<u64> = self.peers.keys().copied().collect();
        for key in keys {
            if let Some(slot) = self.peers.get(&key) {
                slot.core.shared().request_close(CloseRequest {
                    flush,
                    reason: CloseReason::EndpointClosed,
                });
            }
            self.touch(key);
        }
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<Slot> {
        let slot = self.peers.remove(&key)?;
        self.timers.remove(&(slot.deadline, key));
        self.routes.remove(key);
        self.inbox.set_peers(self.peers.len());
        Some(slot)
    }

    /// The engine broke while working for this peer; the others go on.
    pub(super) fn panicked(&mut self, key: u64) {
        add(&self.counters.engine_panics, 1);
        tracing::error!(peer = key, "the WebRTC engine panicked; this session ends");
        if let Some(slot) = self.remove(key) {
            slot.core.shared().finish(CloseReason::Failed(
                "it panicked; please report this".into(),
            ));
        }
    }
}
