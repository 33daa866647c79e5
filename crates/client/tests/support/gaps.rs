//! What tests of broken links have in common.
//! Not here: breaking them, which each script does its own way.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use framewire::{ClientOptions, Gap, Recovery, Session, SessionStats};

use super::options;

/// Ten attempts, after pauses that no test notices.
pub(crate) fn recovering() -> ClientOptions {
    let mut options = options();
    options.recovery = Recovery::reconnect()
        .with_backoff(Duration::from_millis(10))
        .with_backoff_cap(Duration::from_millis(50));
    options
}

/// The gaps a session tells.
pub(crate) fn gaps_of(session: &Session) -> Receiver<Gap> {
    let (told, gaps) = channel();
    session.on_gap(move |gap| {
        let _ = told.send(gap.clone());
    });
    gaps
}

/// Everything announced was delivered, or dropped with a reason.
pub(crate) fn assert_balanced(stats: &SessionStats) {
    let frames = &stats.frames;
    let dropped: u64 = frames.dropped.values().sum();
    assert_eq!(frames.produced, frames.delivered + dropped, "{frames:?}");
    assert_eq!(frames.in_flight, 0);
}
