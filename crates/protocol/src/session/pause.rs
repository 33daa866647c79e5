//! A pause the user asked for: nothing new is asked of the worker, and limits that the pause itself would break do not run.
//! Connecting, silence and the end are not paused.

use std::time::Instant;

use crate::FrameId;
use crate::message::ack_text;
use crate::session::{Output, Session, Step};

#[derive(Debug, Default)]
pub(super) struct Pause {
    pub(super) on: bool,
    /// The acknowledgement that is withheld.
    held: Option<FrameId>,
}

impl Pause {
    /// The same on a new connection, which owes nothing yet.
    pub(super) fn renewed(&self) -> Pause {
        Pause {
            on: self.on,
            held: None,
        }
    }
}

impl Session {
    /// Whether the user paused the session.
    pub fn is_paused(&self) -> bool {
        self.pause.on
    }

    /// From the next result on, frames are taken from the first of these outputs that a result has.
    pub fn set_frame_outputs(&mut self, mut names: Vec<String>) {
        names.retain(|name| !name.is_empty());
        self.config.frame_outputs = names;
    }

    /// Goes on: what was withheld is acknowledged at once, and the limits that stood still begin anew.
    pub(super) fn unpause(&mut self, now: Instant) {
        if !std::mem::take(&mut self.pause.on) {
            return;
        }
        if let Some(step) = self.current_step().filter(|step| is_pausable(*step)) {
            self.enter(now, step);
        }
        if let Some(drain) = &mut self.drain {
            drain.restart(now);
        }
        if let Some(frame) = self.pause.held.take() {
            self.send_ack(frame);
        }
    }

    /// Sends an acknowledgement, or keeps it until the session goes on.
    pub(super) fn send_ack(&mut self, frame: FrameId) {
        if self.pause.on {
            self.pause.held = Some(frame);
        } else if self.end.is_none() && self.results_open {
            self.out.push_back(Output::SendText(ack_text(frame)));
        }
    }

    /// Whether the limit of the current step stands still.
    pub(super) fn is_frozen(&self) -> bool {
        self.pause.on && self.current_step().is_some_and(is_pausable)
    }
}

/// Steps that cannot finish, or not in time, because this side does not go on.
fn is_pausable(step: Step) -> bool {
    matches!(
        step,
        Step::Announcing | Step::Uploading | Step::Verifying | Step::FirstResult
    )
}
