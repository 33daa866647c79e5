//! Exit statuses and the failure type that carries one.
//! Not here: the texts of library errors; they come with their sources.

use std::fmt;

/// The command did what was asked.
pub(crate) const OK: u8 = 0;
/// The stream ended with an error, or a promise was not held.
pub(crate) const STREAM_FAILED: u8 = 1;
/// Input that cannot be used; nothing was connected.
pub(crate) const UNUSABLE_INPUT: u8 = 2;
/// No session could be established.
pub(crate) const NOT_CONNECTED: u8 = 3;
/// Ended by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM.
pub(crate) const TERMINATED: u8 = 143;

/// An error with the exit status it leads to. `Display` prints the whole chain on one line.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u8,
    error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(status: u8, error: impl Into<anyhow::Error>) -> Self {
        Self {
            status,
            error: error.into(),
        }
    }

    pub(crate) fn unusable(error: impl Into<anyhow::Error>) -> Self {
        Self::new(UNUSABLE_INPUT, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// Prints the one-sentence last line of a command.
pub(crate) fn last_line(text: impl fmt::Display) {
    crate::logging::last_line(text);
}
