//! The callback by which FFmpeg asks whether to give up: interrupted, or over a deadline.
//! Not what giving up means: the caller asks for the cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ff::util::interrupt;
use ffmpeg_next as ff;

use crate::live::Interrupt;

/// Watches one input. FFmpeg asks about every 100 ms while it waits for the network.
pub(crate) struct Watch {
    interrupt: Interrupt,
    start: Instant,
    /// Microseconds after `start`.
    deadline: AtomicU64,
    over: AtomicBool,
}

/// Why FFmpeg was told to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Interrupted,
    Deadline,
}

impl Watch {
    pub(crate) fn new(interrupt: &Interrupt) -> Arc<Watch> {
        Arc::new(Watch {
            interrupt: interrupt.clone(),
            start: Instant::now(),
            deadline: AtomicU64::new(u64::MAX),
            over: AtomicBool::new(false),
        })
    }

    /// Gives what follows until `deadline`.
    pub(crate) fn arm(&self, deadline: Instant) {
        let micros = deadline
            .saturating_duration_since(self.start)
            .as_micros()
            .min(u128::from(u64::MAX)) as u64;
        self.over.store(false, Ordering::Relaxed);
        self.deadline.store(micros, Ordering::Relaxed);
    }

    /// Why FFmpeg gave up, if it was told to.
    pub(crate) fn cause(&self) -> Option<Stop> {
        if self.interrupt.is_interrupted() {
            Some(Stop::Interrupted)
        } else if self.over.load(Ordering::Relaxed) {
            Some(Stop::Deadline)
        } else {
            None
        }
    }

    /// Waits briefly for a device that has nothing yet; whether to give up instead.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        self.interrupt.wait_until(Instant::now() + pause) || self.should_stop()
    }

    fn should_stop(&self) -> bool {
        let deadline = Duration::from_micros(self.deadline.load(Ordering::Relaxed));
        if self.start.elapsed() >= deadline {
            self.over.store(true, Ordering::Relaxed);
            return true;
        }
        self.interrupt.is_interrupted()
    }
}

/// The callback for a context, to be kept alive as long as the context.
pub(super) fn callback(watch: &Arc<Watch>) -> interrupt::Interrupt {
    let watch = watch.clone();
    interrupt::new(Box::new(move || watch.should_stop()))
}
