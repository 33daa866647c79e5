//! Video on peer connections: over loopback sockets, and over a virtual network with virtual time.

mod faults;
mod frames;
mod loopback;
mod moving;
mod negotiation;
mod net;
mod networks;
mod remb;
mod restarting;
