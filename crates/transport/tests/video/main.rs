//! Video on peer connections: over loopback sockets, and over a virtual network with virtual time.

mod frames;
mod loopback;
mod net;
mod networks;
