//! The figures of a peer for whoever watches it from elsewhere: no events, no sending, no closing.
//! Counting is done where things happen.

use std::sync::Arc;

use crate::channel::DataChannel;
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

    /// The label of each channel there ever was, with its figures. Labels may repeat, and the peer chooses those of its own.
    pub fn channels(&self) -> Vec<(String, ChannelStats)> {
        let channels = self.0.channels().clone();
        let figures = channels.into_iter().map(|channel| {
            let label = channel.label.clone();
            (label, DataChannel::new(channel, self.0.clone()).stats())
        });
        figures.collect()
    }
}
