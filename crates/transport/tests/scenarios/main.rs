//! Scenarios of peer connections: over a virtual network with virtual time, and over loopback sockets.

mod abandoned;
mod amounts;
mod closing;
mod connecting;
mod delivery;
#[path = "../support/events.rs"]
mod events;
mod fresh;
mod gathering;
mod hostile;
mod isolated;
mod liveness;
mod loopback;
mod moving;
mod narrow;
mod net;
mod opening;
mod pressure;
mod rebinding;
mod reporting;
mod restarting;
mod sockets;
