//! What ICE needs from outside the engine: our addresses, what STUN and TURN servers give us, `*.local` names.
//! Connectivity checks themselves are the engine's.

mod gather;
mod host;
mod mdns;
mod probe;
mod report;
mod resolve;
pub(crate) mod stun;
pub(crate) mod url;

pub(crate) use gather::{Asking, Relayed, deadline_in, gather};
pub(crate) use host::{HostAddress, host_addresses};
pub(crate) use mdns::resolve_names;
pub use probe::{ProbedUrl, TurnProbe, probe_turn};
pub use report::{GatherReport, Gathered, GatheredKind, ServerReport};
