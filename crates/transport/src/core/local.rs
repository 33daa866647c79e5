//! Our addresses, as one peer connection is told them.
//! Gathering them is done before.

use std::net::SocketAddr;

use crate::connection::{CandidateKind, CandidateReport};
use crate::ice::stun::Reflexive;

/// Our side's addresses.
#[derive(Debug, Clone, Default)]
pub struct Local {
    /// Addresses of the socket.
    pub(crate) hosts: Vec<SocketAddr>,
    /// The same seen from outside.
    pub(crate) reflexive: Vec<Reflexive>,
    /// Ours on TURN servers, with the address each server is reached from.
    pub(crate) relayed: Vec<(SocketAddr, SocketAddr)>,
    /// All of them, for reports.
    pub(crate) reports: Vec<CandidateReport>,
}

impl Local {
    /// Only these addresses.
    pub fn new(hosts: Vec<SocketAddr>) -> Local {
        let host = |address: &SocketAddr| CandidateReport::of(CandidateKind::Host, *address);
        Local {
            reports: hosts.iter().map(host).collect(),
            hosts,
            ..Local::default()
        }
    }
}
