//! The figures of a peer for whoever watches it from elsewhere: no events, no sending, no closing.
//! Counting is done where things happen.

use std::sync::Arc;

use crate::connection::ConnectionReport;
use crate::data::ChannelStats;
use crate::shared::PeerShared;
use crate::stats::PeerStats;

/// Reads the figures of one peer from any thread, also after its end. Keeps no connection alive; cheap to clone.
#[derive(Clone)]
pub struct PeerFigures(Arc<PeerShared>);

impl std::fmt::Debug for PeerFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PeerFigures").field(&self.0.id).finish()
    }
}

impl PeerFigures {
    pub(crate) fn new(shared: Arc<PeerShared>) -> PeerFigures {
        PeerFigures(shared)
    }

    /// Counters so far. Does not block.
    pub fn stats(&self) -> PeerStats {
        self.0.stats()
    }

    /// How the connection came up or how far it got. Does not block; costs a copy of what it tells.
    pub fn report(&self) -> ConnectionReport {
        self.0.report()
    }

    /// The label of each living channel with its figures, then the sums of those that have closed: at most 32 labels, further
    /// ones together under the empty one. Labels may repeat, and the peer chooses those of its own. Does not block.
    pub fn channels(&self) -> Vec<(String, ChannelStats)> {
        self.0.channels().stats(&self.0.figures)
    }
}
