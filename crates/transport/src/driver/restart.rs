//! ICE restarts in the driver: a peer gets its other half of credentials, addresses and routes in one step.
//! Made ready on the caller's thread; nothing here waits.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use super::Driver;
use crate::core::{OurHalf, TheirHalf};
use crate::error::RestartError;
use crate::ice::Relayed;

/// A restart on its way to the driver.
pub(crate) struct Restarting {
    pub(crate) peer: u64,
    pub(crate) ours: OurHalf,
    pub(crate) theirs: TheirHalf,
    /// Addresses of the peer that its description gave as names.
    pub(crate) extra: Vec<SocketAddr>,
    /// New addresses on TURN servers; with none, the peer keeps those it has.
    pub(crate) relayed: Vec<Relayed>,
    /// Has room for the one answer.
    pub(crate) answer: SyncSender<Result<(), RestartError>>,
}

impl Driver {
    pub(super) fn restart(&mut self, now: Instant, restarting: Restarting) {
        let answer = restarting.answer.clone();
        let result = self.restart_peer(now, restarting);
        let _ = answer.try_send(result); // nobody may wait any more
    }

    fn restart_peer(&mut self, now: Instant, restarting: Restarting) -> Result<(), RestartError> {
        let Restarting {
            peer: key,
            ours,
            theirs,
            extra,
            mut relayed,
            ..
        } = restarting;
        let slot = self.peers.get_mut(&key).ok_or(RestartError::Closed)?;
        let under_way = slot.core.is_restarting();
        let (batch, relays) = (&mut self.batch, &mut self.relays);
        let work = || {
            slot.core
                .restart(now, ours, theirs, &extra, &mut |transmit| {
                    relays.send(now, key, transmit, batch);
                })
        };
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(result) => result?,
            Err(_) => {
                self.panicked(key);
                return Err(RestartError::Closed);
            }
        }
        if relayed.is_empty() {
            for known in &slot.relayed {
                let id = known.handle.id();
                self.relays.adopt(now, id, key, slot.core.candidates());
            }
        } else {
            relayed.retain(|new| {
                let id = new.handle.id();
                let there = self.relays.adopt(now, id, key, slot.core.candidates());
                if !there {
                    slot.core.lose_relayed(new.address);
                }
                there
            });
            // The old ones carry data until the new path is there: those from before the first of several restarts that
            // found none. Those in between never carried any.
            let old = std::mem::replace(&mut slot.relayed, relayed);
            if !under_way || slot.retired.is_empty() {
                slot.retired = old;
            }
            slot.tell_relayed();
        }
        let ufrag = slot.core.ufrag().to_owned();
        self.routes.change_ufrag(&ufrag, key);
        for address in slot.core.candidates() {
            self.routes.guess(*address, key);
        }
        self.touch(key);
        for check in self.early.take(now, &ufrag) {
            self.for_peer(now, key, check.local, check.remote, &check.contents);
        }
        Ok(())
    }
}
