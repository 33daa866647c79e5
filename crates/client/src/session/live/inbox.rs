//! Results on their way to the thread that pairs them with the frames of a track.
//! It pairs nothing; bounded, the oldest makes room.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use framewire_protocol::message::VideoMetadata;
use framewire_protocol::pairing::MAX_PENDING;
use framewire_protocol::session::TrackTicket;
use tokio::sync::Notify;

use crate::json::Json;
use crate::session::decode::Received;
use crate::session::dispatch::predictions;
use crate::session::shared::Shared;

/// A result without its picture, which is on the track.
#[derive(Debug)]
pub(crate) struct TrackResult {
    pub(crate) metadata: VideoMetadata,
    pub(crate) data: Option<Json>,
    pub(crate) arrived: Instant,
    /// Batch: its acknowledgement waits for the frame.
    pub(crate) ticket: Option<TrackTicket>,
}

#[derive(Debug, Default)]
struct State {
    results: VecDeque<TrackResult>,
    ended: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    changed: Notify,
}

impl Inbox {
    fn push(&self, result: TrackResult) {
        let mut state = self.lock();
        let oldest = if state.results.len() >= MAX_PENDING {
            state.results.pop_front()
        } else {
            None
        };
        state.results.push_back(result);
        drop(state);
        drop(oldest);
        self.changed.notify_one();
    }

    /// No more results will come.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_one();
    }

    /// A new connection begins: there are results to come again.
    pub(crate) fn renew(&self) {
        let left = std::mem::take(&mut *self.lock());
        drop(left);
    }

    /// Waits for results or the end of them. Cancel-safe; a wake-up may be early.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Everything that has arrived, and whether that was all.
    pub(crate) fn take(&self) -> (VecDeque<TrackResult>, bool) {
        let mut state = self.lock();
        (std::mem::take(&mut state.results), state.ended)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// What a result means for the video of the session: it finds its frame on the track, or it is the return of a frame
    /// that was sent.
    pub(crate) fn live_result(&self, result: &mut Received, ticket: Option<TrackTicket>) {
        let Some(metadata) = &result.metadata else {
            return;
        };
        if self.live.frames_on_track() {
            self.live.inbox().push(TrackResult {
                metadata: metadata.clone(),
                data: predictions(self, result.outputs.as_ref()),
                arrived: result.arrived,
                ticket,
            });
        } else if self.plan.media.sends {
            result.captured = self.data_only(metadata, result.arrived);
        }
    }

    /// A session without pictures: the result itself is what comes back.
    fn data_only(&self, metadata: &VideoMetadata, arrived: Instant) -> Option<Instant> {
        let named = metadata.fw.and_then(|times| times.rtp_ts);
        let sent = self.live.came_back(named, metadata.pts);
        self.ledger(|ledger| {
            let round_trip = sent.map(|sent| arrived.saturating_duration_since(sent.encoded));
            ledger.stages.worker(metadata.fw.as_ref(), round_trip);
        });
        self.check_drained();
        sent.map(|sent| sent.captured)
    }

    /// Ends a session whose source ended, once everything is back.
    pub(crate) fn check_drained(&self) {
        if self.plan.media.sends && self.live.is_drained() {
            self.drained();
        }
    }
}
