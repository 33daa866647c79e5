//! What went wrong with single messages, frames and handlers, without ending the session: the latest in full, all as counts.
//! Not here: errors that end a session.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use framewire_protocol::FrameId;

use crate::session::Session;
use crate::session::shared::Shared;
use crate::stats::DropReason;

/// Errors kept in full; older ones are only counted.
const KEPT: usize = 256;
/// Bytes of a message that are kept.
const MESSAGE: usize = 1024;

/// What kind of thing went wrong. [`as_str`](StreamErrorKind::as_str) is the name in [`SessionStats`](crate::SessionStats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamErrorKind {
    /// The worker reported an error of a frame.
    Worker,
    /// A message of the worker could not be used, for this reason.
    BadMessage(&'static str),
    /// A frame that had arrived could not be delivered: its picture was broken or missing. Frames that a newer one replaced,
    /// or that came during a pause or after the end, are no errors.
    FrameDropped(DropReason),
    /// A handler panicked, or failed in a language binding.
    Handler,
    /// The worker fell silent. Nothing was torn down.
    Stalled,
}

impl StreamErrorKind {
    /// The name without the reason.
    pub fn as_str(self) -> &'static str {
        match self {
            StreamErrorKind::Worker => "worker",
            StreamErrorKind::BadMessage(_) => "bad_message",
            StreamErrorKind::FrameDropped(_) => "frame_dropped",
            StreamErrorKind::Handler => "handler",
            StreamErrorKind::Stalled => "stalled",
        }
    }

    /// The reason, where there are several.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            StreamErrorKind::BadMessage(reason) => Some(reason),
            StreamErrorKind::FrameDropped(reason) => Some(reason.as_str()),
            _ => None,
        }
    }
}

/// Something that went wrong and did not end the session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamError {
    /// What kind of thing.
    pub kind: StreamErrorKind,
    /// The frame it belongs to, where that is known.
    pub frame_id: Option<FrameId>,
    /// What happened, in words: at most 1 KiB, without credentials of ours. Texts of the worker are passed on as they are.
    pub message: String,
    /// When it was noticed.
    pub at: Instant,
}

impl Session {
    /// The latest 256 errors that did not end the session, oldest first; [`SessionStats::stream_errors`] counts all of them.
    /// Costs a copy; works at any time, also after the close.
    ///
    /// [`SessionStats::stream_errors`]: crate::SessionStats::stream_errors
    pub fn errors(&self) -> Vec<StreamError> {
        self.shared.errors.lock().kept.iter().cloned().collect()
    }

    /// Adds a handler for errors that do not end the session. Runs on the session's handler thread, in the order in which
    /// the errors were noticed; when it falls behind by more than 256, the oldest are only counted.
    pub fn on_stream_error(&self, handler: impl FnMut(&StreamError) + Send + 'static) {
        self.shared.handlers.add_stream_error(handler);
    }

    /// Counts and reports the failure of a handler that this library could not see, as a panic of a handler is. For language
    /// bindings. Does not block.
    pub fn note_handler_error(&self, message: impl Into<String>) {
        self.shared.handlers.failed(message.into());
        self.shared.tell_errors();
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ErrorLog(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    kept: VecDeque<StreamError>,
    /// At the end of `kept`: those no handler has seen.
    untold: usize,
    counts: BTreeMap<&'static str, u64>,
}

impl ErrorLog {
    pub(crate) fn add(
        &self,
        kind: StreamErrorKind,
        frame_id: Option<FrameId>,
        mut message: String,
    ) {
        if let Some((end, _)) = message
            .char_indices()
            .find(|(at, char)| at + char.len_utf8() > MESSAGE)
        {
            message.truncate(end);
        }
        message.shrink_to_fit();
        let error = StreamError {
            kind,
            frame_id,
            message,
            at: Instant::now(),
        };
        let mut log = self.lock();
        *log.counts.entry(kind.as_str()).or_default() += 1;
        if log.kept.len() >= KEPT {
            log.kept.pop_front();
        }
        log.kept.push_back(error);
        log.untold = (log.untold + 1).min(KEPT);
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }

    /// The next error no handler has seen.
    fn next_untold(&self) -> Option<StreamError> {
        let mut log = self.lock();
        let at = log.kept.len().checked_sub(log.untold)?;
        let error = log.kept.get(at).cloned()?;
        log.untold -= 1;
        Some(error)
    }

    fn has_untold(&self) -> bool {
        self.lock().untold > 0
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // No foreign code runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Notes an error and lets the handler thread tell it.
    pub(crate) fn report(&self, kind: StreamErrorKind, frame: Option<FrameId>, message: String) {
        self.errors.add(kind, frame, message);
        self.tell_errors();
    }

    /// Wakes the handler thread if somebody wants to hear of errors it has not told.
    pub(crate) fn tell_errors(&self) {
        if self.handlers.has_stream_error() && self.errors.has_untold() {
            self.pipeline.nudge();
        }
    }

    /// On the handler thread: tells what has not been told.
    pub(super) fn call_stream_errors(&self) {
        if !self.handlers.has_stream_error() {
            return;
        }
        while let Some(error) = self.errors.next_untold() {
            self.handlers.call_stream_error(&error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_whole_and_all_are_counted() {
        let log = ErrorLog::default();
        for n in 0..1000 {
            log.add(StreamErrorKind::Worker, Some(FrameId(n)), format!("{n}"));
        }
        log.add(
            StreamErrorKind::BadMessage("bad_gzip"),
            None,
            "ü".repeat(5000),
        );
        let kept: Vec<_> = log.lock().kept.iter().cloned().collect();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0].message, "745");
        let last = &kept[KEPT - 1];
        assert_eq!(
            (last.message.len(), last.kind.reason()),
            (MESSAGE, Some("bad_gzip"))
        );
        assert_eq!(
            log.counts(),
            BTreeMap::from([("bad_message", 1), ("worker", 1000)])
        );
    }

    #[test]
    fn each_is_told_once_in_order_and_those_that_left_are_not() {
        let log = ErrorLog::default();
        let add = |n| log.add(StreamErrorKind::Handler, None, format!("{n}"));
        let told = || log.next_untold().map(|error| error.message);
        add(1);
        add(2);
        assert_eq!(
            (told().unwrap(), told().unwrap(), told()),
            ("1".into(), "2".into(), None)
        );
        (0..KEPT as u64 + 5).for_each(|n| add(n + 10));
        assert_eq!(told().unwrap(), "15");
        assert!(log.has_untold());
    }
}
