//! Sans-IO wire protocol of framewire: framings, messages, signalling bodies, state machines.
//! It owns no socket, no clock, no thread and no file; it is told what happened and when, and says what to do.
//!
//! | Module | What |
//! |---|---|
//! | [`chunk`], [`upload`] | the two binary framings, both directions |
//! | [`incoming`] | from a message of the `inference` channel to a JSON body, or a counted reason |
//! | [`raw`] | results whose pictures travel behind the JSON, both directions |
//! | [`message`] | results and control messages, read borrowed, written in both forms |
//! | [`encoding`] | bounded gunzip, gzip, base64 |
//! | [`net`], [`task`] | kinds of addresses, kinds of models |
//! | [`output`], [`stream`], [`ack`], [`queue`] | output modes, pacing, bounded hand-over |
//! | [`ledger`], [`pairing`] | the worker's times of a frame; results matched with the video frames of a track |
//! | [`probe`] | texts that measure a connection |
//! | [`signalling`] | HTTP bodies, errors, ICE server lists |
//! | [`recovery`] | when a client connects anew after its link broke |
//! | [`session`], [`job`] | the state machines of client and worker, each with a complete driving loop in its documentation |
//!
//! Driving is the same everywhere: `handle(now, input)`, then `poll()` until it is empty, then sleep until `poll_timeout()` or
//! the next input. The machines never read a clock; the same inputs give the same outputs.
#![forbid(unsafe_code)]

#[doc(hidden)]
#[path = "fuzz/mod.rs"]
pub mod __fuzz;
mod frame_id;

pub mod ack;
pub mod chunk;
pub mod encoding;
pub mod incoming;
pub mod job;
pub mod ledger;
pub mod message;
pub mod net;
pub mod output;
pub mod pairing;
pub mod probe;
pub mod queue;
pub mod raw;
pub mod recovery;
pub mod session;
pub mod signalling;
pub mod stream;
pub mod task;
pub mod upload;

pub use chunk::CHUNK_SIZE;
pub use frame_id::FrameId;
pub use task::TaskType;
