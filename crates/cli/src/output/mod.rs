//! What `run` writes: data lines, video, summary, table, progress.
//! Not here: where the values come from.

pub(crate) mod atomic;
pub(crate) mod data;
pub(crate) mod progress;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod video;
