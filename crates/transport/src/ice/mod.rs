//! What ICE needs from outside the engine: our addresses, what STUN servers say about them, `*.local` names.
//! Connectivity checks themselves are the engine's.

mod host;
mod mdns;
pub(crate) mod stun;

pub(crate) use host::host_addresses;
pub(crate) use mdns::resolve_names;
