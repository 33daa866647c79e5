//! The end of a session whose results travel unordered: its completion message may overtake the last of them.
//! They are waited for, for a bounded time; nothing but the end is held up.

use std::time::{Duration, Instant};

use crate::FrameId;
use crate::session::{End, Session};

#[derive(Debug)]
pub(super) struct Stragglers {
    /// How far behind the completion message a result can be and still come.
    wait: Duration,
    highest: FrameId,
    held: Option<Held>,
}

/// An end that waits.
#[derive(Debug)]
struct Held {
    end: End,
    last: FrameId,
    until: Option<Instant>,
}

impl Stragglers {
    pub(super) fn new(wait: Duration) -> Self {
        Stragglers {
            wait,
            highest: FrameId(0),
            held: None,
        }
    }

    /// A result came. Returns the end if it waited for this one: what is older is of no use any more.
    pub(super) fn arrived(&mut self, frame: FrameId) -> Option<End> {
        self.highest = self.highest.max(frame);
        let held = self.held.take_if(|held| held.last <= self.highest)?;
        Some(held.end)
    }

    /// The worker is done, and `last` was the last frame it processed. Returns the end unless that one's result is missing.
    pub(super) fn completed(&mut self, now: Instant, last: FrameId, end: End) -> Option<End> {
        if last <= self.highest {
            return Some(end);
        }
        let until = now.checked_add(self.wait);
        self.held.get_or_insert(Held { end, last, until });
        None
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.as_ref()?.until
    }

    /// The end that waits, whatever is missing.
    pub(super) fn give_up(&mut self) -> Option<End> {
        self.held.take().map(|held| held.end)
    }
}

impl Session {
    /// Results of this connection travel unordered and come at most `wait` behind the completion message, or never: the last
    /// one is waited for that long. Only the answer says whether they do.
    pub fn set_fresh_results(&mut self, wait: Duration) {
        self.stragglers = Some(Stragglers::new(wait));
    }
}
