//! How far a download is, told to the user.
//! It counts nothing itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::source::DownloadCallback;

/// Bytes between two reports.
const REPORT_EVERY: u64 = 256 << 10;

/// Tells the user how far a download is, not more often than is of use.
pub(super) struct Progress {
    callback: Option<DownloadCallback>,
    told: u64,
}

impl Progress {
    pub(super) fn new(callback: Option<DownloadCallback>) -> Self {
        Progress { callback, told: 0 }
    }

    pub(super) fn at(&mut self, received: u64, announced: Option<u64>) {
        if received - self.told >= REPORT_EVERY {
            self.tell(received, announced);
        }
    }

    /// All of it is there.
    pub(super) fn done(&mut self, received: u64, announced: Option<u64>) {
        if self.told < received {
            self.tell(received, announced);
        }
    }

    fn tell(&mut self, received: u64, announced: Option<u64>) {
        self.told = received;
        let Some(callback) = &mut self.callback else {
            return;
        };
        let call = AssertUnwindSafe(|| callback(received, announced));
        if catch_unwind(call).is_err() {
            tracing::warn!("the download progress callback panicked; it is not called again");
            self.callback = None;
        }
    }
}
