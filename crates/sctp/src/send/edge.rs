//! What the association asks of the sender besides data and SACKs: for SHUTDOWN, for its own timers, for the figures.
//! No state of its own.

use std::time::Duration;

use super::{BadSack, Sender};
use crate::serial::Tsn;
use crate::time::Time;

impl Sender {
    /// Takes in the acknowledgement that SHUTDOWN carries: no blocks, and nothing about the window.
    pub(crate) fn on_cumulative(&mut self, now: Time, cumulative: Tsn) -> Result<(), BadSack> {
        let window = u32::try_from(self.peer_window).unwrap_or(u32::MAX);
        let none = std::iter::empty();
        self.take_sack(
            now.0,
            cumulative,
            window,
            none.clone(),
            none.map(|(tsn, _)| tsn),
        )
    }

    /// The retransmission timer, if it runs, is due now, without a memory of earlier ones.
    pub(crate) fn hurry(&mut self, now: Time) {
        self.recovery.hurry(now.0);
    }

    /// How long to wait for the answer to a request before it is repeated.
    pub(crate) fn rto(&self) -> Duration {
        Duration::from_nanos(self.rtt.timeout())
    }

    /// DATA chunks of the stream that were sent and neither acknowledged nor skipped.
    pub(crate) fn stream_outstanding(&self, id: u16) -> u64 {
        self.streams.get(id).map_or(0, |stream| stream.open.into())
    }
}
