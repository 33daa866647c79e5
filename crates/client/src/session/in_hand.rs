//! Frames that consumers hold between two calls: handled when their consumer asks again, or when another one would wait.
//! Not here: taking frames off the queue.

use std::sync::Mutex;

use framewire_protocol::session::FrameTicket;

use crate::session::shared::{Shared, lock};

/// One ticket at most for each place.
#[derive(Debug, Default)]
pub(super) struct InHand {
    tickets: Mutex<Vec<(u64, FrameTicket)>>,
}

impl Shared {
    /// The consumer at this place was given a frame.
    pub(super) fn hold(&self, place: u64, ticket: FrameTicket) {
        lock(&self.in_hand.tickets).push((place, ticket));
        // Whoever found nothing before is parked by now, and looks again.
        drop(lock(&self.state));
        self.changed.notify_all();
    }

    /// The consumer at this place is done with what it was given.
    pub(super) fn put_down(&self, place: u64) {
        let mut tickets = lock(&self.in_hand.tickets);
        let at = tickets.iter().position(|(holder, _)| *holder == place);
        let held = at.map(|at| tickets.swap_remove(at));
        drop(tickets);
        if let Some((_, ticket)) = held {
            self.consumed(ticket);
        }
    }

    /// For a consumer that finds nothing. The worker of a lossless job waits for what others hold, and they may never ask
    /// again: so their frames count as handled from now on.
    pub(super) fn held_elsewhere(&self) -> Vec<(u64, FrameTicket)> {
        std::mem::take(&mut *lock(&self.in_hand.tickets))
    }
}
