//! WebRTC peer connections with data channels and encoded video over sockets framewire owns: ICE, DTLS, SCTP, RTP, liveness.
//! It is not signalling (callers carry the SDP texts) and knows nothing of what the messages mean.
//!
//! One [`Endpoint`] is one UDP socket and one driver thread; any number of [`Peer`]s share it.
//! The driver never waits for a user: a send goes into a bounded queue, an event comes out of one.
//!
//! ```no_run
//! use framewire_transport::{Endpoint, EndpointConfig, PeerConfig, PeerEvent};
//! use std::time::{Duration, Instant};
//!
//! # fn exchange(_offer: &str) -> String { String::new() }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::bind(EndpointConfig::default())?;
//! let offer = endpoint.offer(PeerConfig::default().with_channel("inference"))?;
//! let answer = exchange(offer.sdp()); // over HTTP, for example
//! let peer = offer.accept_answer(&answer)?;
//! let deadline = Instant::now() + Duration::from_secs(30);
//! loop {
//!     match peer.events().recv_deadline(deadline)? {
//!         PeerEvent::ChannelOpen(channel) => channel.send_text("hello".into())?,
//!         PeerEvent::Message { data, .. } => println!("{} bytes", data.len()),
//!         PeerEvent::Closed(reason) => break println!("{reason}"),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]

#[doc(hidden)]
#[path = "fuzz/mod.rs"]
pub mod __fuzz;
mod channel;
mod channels;
mod config;
mod connection;
mod core;
mod data;
mod driver;
mod endpoint;
mod error;
mod events;
mod figures;
mod ice;
mod peer;
mod restart;
mod sdp;
mod send_queue;
mod shared;
mod stats;
mod turn;
mod video;

pub use channel::{ChannelId, DataChannel};
pub use config::{
    ChannelOptions, EndpointConfig, IceServer, MAX_CHANNELS, MAX_LABEL, MAX_QUEUED_BYTES,
    MAX_SEND_MESSAGE, PeerConfig,
};
pub use connection::{
    CandidateKind, CandidateReport, ChosenPair, ConnectionReport, PairOutcome, PairReport, Progress,
};
pub use data::{ChannelStats, Congestion, DataConfig, DataStats};
pub use endpoint::{Endpoint, Offer};
pub use error::{
    AnswerError, BindError, ChannelError, CloseReason, ConnectStep, OfferError, OpenError,
    RecvError, RestartError, SdpError, SendError,
};
pub use events::{Events, PeerEvent};
pub use figures::PeerFigures;
pub use ice::{
    GatherReport, Gathered, GatheredKind, ProbedUrl, ServerCheck, ServerFailure, ServerGrant,
    ServerReport, ServerService, ServerTransport, TurnProbe, check_ice_servers, probe_turn,
};
pub use peer::{Peer, PeerId, PeerState};
pub use restart::{IceHandle, IceRestart};
pub use stats::{EndpointStats, PeerStats};
pub use video::{
    BitrateLimits, Direction, IncomingFrame, InvalidBitrates, OutgoingFrame, VideoCodec,
    VideoConfig, VideoSendError, VideoStats, VideoTrack,
};

/// The sans-IO core, for tests that drive it with a virtual clock. No stability promise.
#[doc(hidden)]
pub mod __sans_io {
    pub use crate::core::{Local, OurHalf, PeerCore, Received, Sink, Transmit};
}
