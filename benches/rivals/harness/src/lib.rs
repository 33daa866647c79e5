//! What every Rust program of the channel bench shares: commands and events as JSON lines, and the meter.
//! It knows no engine; the commands and events are listed in `benches/rivals/README.md`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod lines;
mod meter;

pub use lines::{Command, commands, failed, say};
pub use meter::{Meter, Window, now_ns, stamp};
