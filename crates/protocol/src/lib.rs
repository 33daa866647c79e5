//! Sans-IO wire protocol of framewire: framings, messages, signalling bodies, state machines.
//! It owns no socket, no clock, no thread and no file; it is told what happened and when, and says what to do.
#![forbid(unsafe_code)]

#[doc(hidden)]
#[path = "fuzz.rs"]
pub mod __fuzz;
mod frame_id;

pub mod ack;
pub mod chunk;
pub mod encoding;
pub mod incoming;
pub mod job;
pub mod message;
pub mod output;
pub mod queue;
pub mod session;
pub mod signalling;
pub mod upload;

pub use chunk::CHUNK_SIZE;
pub use frame_id::FrameId;
