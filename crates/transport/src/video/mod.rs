//! Encoded video on a peer connection: what users configure, queue and receive, and how frames become packets and back.
//! It neither encodes nor decodes, and it touches no engine: `core` moves packets between here and there.

pub(crate) mod assembler;
mod config;
mod frame;
mod incoming;
mod outgoing;
pub(crate) mod packet;
mod remb;
mod stats;
mod track;

pub(crate) use assembler::{Assembler, Packet};
pub use config::{BitrateLimits, Direction, InvalidBitrates, VideoCodec, VideoConfig};
pub use frame::{IncomingFrame, OutgoingFrame};
pub(crate) use packet::{Packetizer, is_key};
pub(crate) use remb::{Arrival, Estimator, LOST_RATE};
pub use stats::VideoStats;
pub(crate) use track::TrackShared;
pub use track::{VideoSendError, VideoTrack};
