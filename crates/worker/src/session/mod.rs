//! One session from its answer to its end: an own thread that drives the job machine, and its pipeline.
//! Not signalling: a session begins when the answer exists.

mod control;
mod decode;
mod driver;
mod pacer;
mod pipeline;
pub(crate) mod places;
mod process;
mod queue;
mod rate;
mod send;

pub(crate) use driver::{Session, SessionParts};
pub(crate) use pipeline::Plan;
pub(crate) use send::SendRules;
