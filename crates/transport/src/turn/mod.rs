//! Relayed addresses on TURN servers: allocating them, keeping them, and sending and receiving through them.
//! The messages and their timers are the TURN crate's; when a relayed path is used is decided by ICE.

pub(crate) mod framing;
mod link;
mod relay;
mod tls;

pub(crate) use framing::MESSAGE_ROOM;
pub(crate) use link::{Link, LinkError};
pub(crate) use relay::{Allocated, Order, Relay, Sent};
pub(crate) use tls::prepare as prepare_tls;
