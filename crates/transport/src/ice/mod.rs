//! What ICE needs from outside the engine: our addresses, what STUN and TURN servers give us, `*.local` names.
//! Connectivity checks themselves are the engine's.

mod check;
mod failure;
mod gather;
mod host;
mod mdns;
mod probe;
mod question;
mod report;
mod resolve;
pub(crate) mod stun;
pub(crate) mod url;

pub use check::{ServerCheck, ServerGrant, check_ice_servers};
pub use failure::ServerFailure;
pub(crate) use gather::{Asking, Relayed, deadline_in, gather};
pub(crate) use host::{HostAddress, host_addresses};
pub(crate) use mdns::resolve_names;
pub use probe::{ProbedUrl, TurnProbe, probe_turn};
pub use report::{GatherReport, Gathered, GatheredKind, ServerReport};
pub use url::{Service as ServerService, Transport as ServerTransport};
