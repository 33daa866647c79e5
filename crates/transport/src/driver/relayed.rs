//! The driver's part for relayed addresses: what came through them goes to its peer, and peers hear of those that end.
//! The allocations are kept in `relays`.

use std::time::Instant;

use super::Driver;
use crate::core::datagram::kind;
use crate::stats::add;

impl Driver {
    /// What came through TURN servers belongs to the peer the address was allocated for.
    pub(super) fn receive_relayed(&mut self, now: Instant) {
        if self.relays.is_empty() {
            return;
        }
        let mut inbound = std::mem::take(&mut self.inbound);
        inbound.clear();
        let empty = self.relays.receive(now, &mut inbound);
        self.readable |= !empty;
        for (key, local, remote, datagram) in inbound.iter() {
            match kind(datagram) {
                Some(_) => {
                    self.give(now, key, local, remote, datagram);
                }
                None => add(&self.counters.dropped_malformed, 1),
            }
        }
        self.inbound = inbound;
    }

    /// Lets the allocations do their turn; peers hear of those that ended.
    pub(super) fn turn_relays(&mut self, now: Instant) {
        if self.relays.is_empty() {
            return;
        }
        for (owner, addresses) in self.relays.turn(now) {
            if let Some(slot) = self.peers.get_mut(&owner) {
                slot.relayed.retain(|r| !addresses.contains(&r.address));
                slot.tell_relayed();
                for address in addresses {
                    slot.core.lose_relayed(address);
                }
                self.touch(owner);
            }
        }
    }
}
