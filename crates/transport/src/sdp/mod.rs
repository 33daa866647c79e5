//! Session descriptions: what is checked and cleaned before the engine sees one, and what is changed after it made one.
//! Not a general SDP library: it looks only at lines that decide whether a connection can come up.

mod candidate;
mod remote;
mod renew;
mod rewrite;
mod video;

pub(crate) use candidate::{MdnsCandidate, is_reachable};
pub(crate) use remote::{RemoteDescription, Role};
pub(crate) use renew::{outline, renew};
pub(crate) use rewrite::complete;
pub(crate) use video::{move_candidates, narrow};
