//! Which pair of addresses carries the data: the engine's choice, unless that one is silent and another answers.
//! Checks are the engine's; their answers are only watched here.

use std::net::SocketAddr;

use str0m::Candidate;

use super::PeerCore;

impl PeerCore {
    /// A relayed address of ours is gone: the engine takes another pair, if there is one.
    pub(crate) fn lose_relayed(&mut self, address: SocketAddr) {
        // Neither base nor interface of a relayed candidate says who it is.
        if let Ok(candidate) = Candidate::relayed(address, address, "udp") {
            self.rtc.direct_api().invalidate_candidate(&candidate);
        }
    }
}
