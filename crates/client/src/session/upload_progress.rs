//! How far an upload is, told to the user: the first chunk, the last one, and in between not more often than is of use.
//! It counts nothing itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::source::ProgressCallback;

/// Least time between two reports: on a fast line there are ten thousand chunks a second, and the upload waits for each call.
const REPORT_EVERY: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Default)]
pub(crate) struct Progress {
    callback: Option<ProgressCallback>,
    last: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(callback: Option<ProgressCallback>) -> Self {
        Progress {
            callback,
            last: None,
        }
    }

    /// So many of `total` chunks are done. One that panics is not called again.
    pub(crate) fn at(&mut self, now: Instant, done: u32, total: u32) {
        let soon = self.last.is_some_and(|last| now < last + REPORT_EVERY);
        let Some(callback) = self.callback.as_mut().filter(|_| !soon || done == total) else {
            return;
        };
        self.last = Some(now);
        let call = catch_unwind(AssertUnwindSafe(|| callback(done.into(), total.into())));
        if call.is_err() {
            tracing::warn!("the upload progress callback panicked; it is not called again");
            self.callback = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn the_first_and_the_last_chunk_are_told_and_between_them_not_too_many() {
        let (told, seen) = channel();
        let mut progress = Progress::new(Some(Box::new(move |done, _| told.send(done).unwrap())));
        let start = Instant::now();
        for done in 1..=1000 {
            progress.at(start + Duration::from_millis(done.into()), done, 1000);
        }
        let seen: Vec<u64> = seen.try_iter().collect();
        let expected: Vec<u64> = (1..1000).step_by(10).chain([1000]).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_panicking_callback_is_called_once() {
        let (told, seen) = channel();
        let mut progress = Progress::new(Some(Box::new(move |done, _| {
            told.send(done).unwrap();
            panic!("mine");
        })));
        let now = Instant::now();
        progress.at(now, 1, 2);
        progress.at(now, 2, 2);
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), [1]);
    }
}
