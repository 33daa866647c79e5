//! How a connection ends: flushing first when we close it, delivering what had arrived, telling the peer and the user.
//! Why it ends is decided by whoever calls `end`; the first reason counts.

use std::time::{Duration, Instant};

use super::{PeerCore, Sink, Transmit};
use crate::error::CloseReason;
use crate::peer::PeerState;
use crate::send_queue::Life;
use crate::shared::CloseRequest;

/// A caller may ask for any time to flush.
const LONGEST_FLUSH: Duration = Duration::from_secs(24 * 60 * 60);

/// A close we were asked for, while queued messages may still arrive.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) deadline: Instant,
    reason: CloseReason,
}

impl PeerCore {
    /// A user asked for the end: flush first, as long as that is possible and allowed.
    pub(super) fn flush(&mut self, now: Instant, request: CloseRequest) {
        if self.closing.is_none() {
            self.shared.set_state(PeerState::Closing);
            for slot in &self.channels {
                slot.shared.queue.set_life(Life::Closing);
            }
        }
        let wanted = now + request.flush.min(LONGEST_FLUSH);
        let closing = self.closing.get_or_insert(Closing {
            deadline: wanted,
            reason: request.reason,
        });
        closing.deadline = closing.deadline.min(wanted);
        let (deadline, reason) = (closing.deadline, closing.reason.clone());
        if now >= deadline || !self.connected || self.is_flushed() {
            self.end(reason);
        }
    }

    /// The connection is to end for this reason; the first reason counts.
    pub(super) fn end(&mut self, reason: CloseReason) {
        self.ending.get_or_insert(reason);
    }

    pub(super) fn failed(&mut self, error: &str0m::RtcError) {
        self.end(match error {
            // After the descriptions were accepted, the engine says this only of certificates.
            str0m::RtcError::RemoteSdp(what) => CloseReason::Fingerprint(what.clone()),
            other => CloseReason::Failed(other.to_string()),
        });
    }

    /// Carries out an end that was decided: what the peer had sent is delivered and the peer is told. The user is told by `finish`.
    pub(super) fn settle(&mut self, sink: &mut Sink<'_>) {
        if self.over || self.ending.is_none() {
            return;
        }
        self.read_rest();
        self.tell_time(self.engine_now, sink);
        self.drain(sink);
        if self.rtc.is_alive() {
            // Fails when the association never came up: then there is nothing to close.
            let _ = self.rtc.close();
            // The last words are not repeated by anyone, so they are sent twice.
            self.drain(&mut |transmit| {
                let again = Transmit {
                    contents: transmit.contents,
                    ..transmit
                };
                sink(transmit);
                sink(again);
            });
        }
        self.over = true;
        self.flush_events();
    }

    /// Tells the user of the end. Only once it is over and its last datagrams were handed over: a program may end at this.
    pub fn finish(&mut self) {
        if self.over
            && let Some(reason) = self.ending.take()
        {
            self.shared.finish(reason);
        }
    }
}
