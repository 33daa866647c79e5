//! From a broken connection to the next: waits, connects anew, gives up.
//! Not here: when, and what is worth another attempt (`legs`); closing interrupts every step.

use std::sync::Arc;
use std::time::Instant;

use framewire_protocol::recovery::Next;

use crate::error::SessionError;
use crate::session::connect::{Connected, Ready, connect};
use crate::session::legs::{may_mend, out_of_time};
use crate::session::shared::{Shared, State, lock};
use crate::session::thread::{guarded, sleep_until};

/// The next connection; none when the session is over, with the reason settled.
pub(super) async fn recover(shared: &Arc<Shared>, ready: &Ready) -> Option<Connected> {
    if !shared.is_recoverable() || shared.is_closed() {
        return None;
    }
    // A frame of the old connection that waits for its consumer is nobody's outage.
    shared
        .until_or_closed(None, |state| state.producers <= 1)
        .await;
    shared.link_lost(Instant::now());
    let deadline = shared.recovery_deadline();
    shared
        .until_or_closed(deadline, |state| state.leg_threads == 0)
        .await;
    loop {
        let at = match shared.next_attempt(Instant::now()) {
            Next::At(at) => at,
            Next::GiveUp => {
                shared.settle(shared.unrecovered());
                return None;
            }
        };
        shared.until_or_closed(Some(at), |_| false).await;
        if !shared.begin_leg() {
            shared.settle(SessionError::Closed);
            return None;
        }
        match attempt(shared, ready).await {
            Ok(connected) => return Some(connected),
            Err(error) if may_mend(&error) && !shared.is_closed() => shared.attempt_failed(error),
            Err(error) => {
                shared.settle(error);
                return None;
            }
        }
    }
}

async fn attempt(shared: &Arc<Shared>, ready: &Ready) -> Result<Connected, SessionError> {
    let deadline = shared.recovery_deadline();
    tokio::select! {
        biased;
        result = guarded(shared, connect(shared, ready)) => result,
        () = sleep_until(deadline) => Err(out_of_time(shared.options.recovery.total)),
    }
}

impl Shared {
    /// Waits until `reached`, the deadline or the close of the session.
    async fn until_or_closed(&self, deadline: Option<Instant>, reached: impl Fn(&State) -> bool) {
        loop {
            let state = lock(&self.state);
            if state.closed || reached(&state) {
                return;
            }
            drop(state);
            tokio::select! {
                biased;
                () = self.attention.notified() => {}
                () = sleep_until(deadline) => return,
            }
        }
    }
}
