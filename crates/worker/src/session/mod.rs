//! One session from its answer to its end: an own thread that drives the job machine, and its pipeline.
//! Not signalling: a session begins when the answer exists.

mod compress;
mod control;
mod count;
mod decode;
mod driver;
mod encode;
mod ending;
pub(crate) mod known;
mod message;
mod pacer;
mod parts;
mod pipeline;
pub(crate) mod places;
mod probe;
mod process;
mod pull;
mod queue;
mod rate;
mod send;
mod source;
mod stage;
mod stream;
mod track;
mod upload;
mod waits;
mod work;
mod writers;

pub(crate) use compress::CompressRule;
pub(crate) use driver::Session;
pub(crate) use parts::SessionParts;
pub(crate) use pipeline::{Plan, VideoOut, frame_pool};
pub(crate) use send::SendRules;
pub(crate) use source::{Source, SourceKind};
pub(crate) use work::WorkPlan;
