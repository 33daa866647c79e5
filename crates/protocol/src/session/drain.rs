//! The time between the end of our own source and the end of its session: results of what was sent still come.
//! Nobody says which result is the last, so silence and a limit decide.

use std::time::Instant;

use crate::session::{DrainLimits, End, Step};

#[derive(Debug)]
pub(super) struct Drain {
    error: Option<String>,
    done: bool,
    limits: DrainLimits,
    quiet: Option<Instant>,
    total: Option<Instant>,
}

impl Drain {
    pub(super) fn begin(now: Instant, limits: DrainLimits, error: Option<String>) -> Self {
        Drain {
            error,
            done: false,
            limits,
            quiet: now.checked_add(limits.quiet),
            total: now.checked_add(limits.total),
        }
    }

    /// Something of the worker's work arrived.
    pub(super) fn arrived(&mut self, now: Instant) {
        self.quiet = now.checked_add(self.limits.quiet);
    }

    /// Nothing more will arrive.
    pub(super) fn done(&mut self, now: Instant) {
        self.quiet = Some(now);
        self.done = true;
    }

    /// The limits begin anew.
    pub(super) fn restart(&mut self, now: Instant) {
        *self = Drain::begin(now, self.limits, self.error.take());
    }

    /// Paused, silence means nothing; that everything has come back still does.
    pub(super) fn deadline(&self, paused: bool) -> Option<Instant> {
        if paused && !self.done {
            return None;
        }
        [self.quiet, self.total].into_iter().flatten().min()
    }

    /// How the session ends, once it does.
    pub(super) fn over(&mut self, now: Instant, step: Step, paused: bool) -> Option<End> {
        if self.deadline(paused).is_none_or(|at| at > now) {
            return None;
        }
        Some(match self.error.take() {
            // Frames went out and not one result ever came: that is no completion.
            None if step == Step::FirstResult && !self.done => End::TimedOut {
                step,
                limit: self.limits.quiet.min(self.limits.total),
            },
            None => End::Completed {
                reason: None,
                errors: Vec::new(),
            },
            Some(message) => End::SourceFailed { step, message },
        })
    }
}
