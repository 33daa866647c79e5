//! Sans-IO SCTP for WebRTC data channels: the transport that runs inside DTLS below str0m.
//! It is not a general SCTP: one path, one association per [`Endpoint`], DATA chunks only; no sockets, no clock, no threads.
//!
//! The crate carries the name, version and interface of the one str0m asks for, so that the workspace can put it in its place.
//! Time is told: every call that may need it takes the caller's `Instant`, and nothing here reads a clock.
#![forbid(unsafe_code)]

mod association;
mod config;
mod cookie;
mod endpoint;
mod error;
mod fuzz;
mod model;
mod receive;
mod send;
mod serial;
mod time;
pub mod tuning;
mod types;
mod wire;

pub use association::{Association, AssociationEvent, Stream};
pub use config::{ClientConfig, EndpointConfig, ServerConfig, TransportConfig};
pub use endpoint::{DatagramEvent, Endpoint, generate_snap_token};
pub use error::{AssociationError, ConnectError, Error};
pub use types::{
    AssociationHandle, Chunks, EcnCodepoint, EndpointEvent, Event, Packet, Packets, Payload,
    PayloadProtocolIdentifier, ReliabilityType, StreamEvent, Transmit,
};

/// Pieces of the crate for its simulations and speed gates. No promise is made about them.
#[doc(hidden)]
pub mod __model {
    pub use crate::model::{Flow, FlowConfig, FlowFigures, Sack, sack};
    pub use crate::receive::gates as receive;
}

/// Fuzz bodies. No promise is made about them.
#[doc(hidden)]
pub mod __fuzz {
    pub use crate::fuzz::{association, cookie, network, packet, receiver, sender, snap_token};
}
