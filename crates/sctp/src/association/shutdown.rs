//! The agreed end: SHUTDOWN, SHUTDOWN ACK, SHUTDOWN COMPLETE (RFC 9260 section 9.2), from either side or both at once.
//! Not the sudden end, ABORT.

use std::time::Duration;

use super::{Association, State};
use crate::error::AssociationError;
use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::{Builder, Cause};

/// How often an unanswered SHUTDOWN or SHUTDOWN ACK is sent before the association is taken for lost.
const MAX_TRIES: u32 = 8;
/// Longest wait between two of them.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

impl Association {
    pub(super) fn begin_shutdown(&mut self) {
        match self.state {
            State::Listen | State::CookieWait | State::CookieEchoed => {
                self.lose(AssociationError::Closed);
            }
            State::Established => {
                self.state = State::ShutdownPending;
                self.advance_shutdown();
            }
            _ => {}
        }
    }

    /// Goes on once everything written was acknowledged.
    pub(super) fn advance_shutdown(&mut self) {
        let drained = self
            .transfer
            .as_ref()
            .is_none_or(|transfer| transfer.sender.is_all_drained());
        if !drained {
            return;
        }
        match self.state {
            State::ShutdownPending => self.send_shutdown(),
            State::ShutdownReceived => self.send_shutdown_ack(),
            _ => {}
        }
    }

    fn send_shutdown(&mut self) {
        self.state = State::ShutdownSent;
        self.timers.shutdown.stop();
        self.control.shutdown = true;
        self.control.wanted = true;
    }

    fn send_shutdown_ack(&mut self) {
        self.state = State::ShutdownAckSent;
        self.timers.shutdown.stop();
        self.control.shutdown = false;
        self.control.shutdown_ack = true;
        self.control.wanted = true;
    }

    /// Writes what is wanted of the three; `false` if something did not fit.
    pub(super) fn write_shutdown(&mut self, builder: &mut Builder) -> bool {
        let mut sent = false;
        if self.control.shutdown {
            sent = builder.push_shutdown(self.received_up_to());
            self.control.shutdown = !sent;
        }
        if self.control.shutdown_ack {
            sent = builder.push_shutdown_ack();
            self.control.shutdown_ack = !sent;
        }
        if sent && self.timers.shutdown.at.is_none() {
            let now = self.line.latest();
            let first = self.rto();
            self.timers.shutdown.arm(now, first, LONGEST_WAIT);
        }
        !self.control.shutdown && !self.control.shutdown_ack
    }

    /// No answer came: says it again, but not for ever.
    pub(super) fn repeat_shutdown(&mut self) {
        if self.timers.shutdown.rounds >= MAX_TRIES {
            let cause = Cause::UserAbort("no answer to the shutdown");
            self.abort(&cause, AssociationError::ShutdownTimeout);
            return;
        }
        match self.state {
            State::ShutdownSent => self.control.shutdown = true,
            State::ShutdownAckSent => self.control.shutdown_ack = true,
            _ => return,
        }
        self.control.wanted = true;
    }

    pub(super) fn on_shutdown(&mut self, now: Time, cumulative: Tsn) {
        if let Some(transfer) = &mut self.transfer
            && transfer.sender.on_cumulative(now, cumulative).is_err()
        {
            // Counted by the sender.
            return;
        }
        match self.state {
            State::Established | State::ShutdownPending => {
                self.state = State::ShutdownReceived;
                self.advance_shutdown();
            }
            // Both began: each answers the other.
            State::ShutdownSent => self.send_shutdown_ack(),
            State::ShutdownAckSent => {
                self.control.shutdown_ack = true;
                self.control.wanted = true;
            }
            _ => {}
        }
    }

    pub(super) fn on_shutdown_ack(&mut self) {
        if !matches!(self.state, State::ShutdownSent | State::ShutdownAckSent) {
            return;
        }
        if let Some(peer) = self.peer {
            let mut packet = Builder::new(peer.tag, self.packet_size());
            packet.push_shutdown_complete(false);
            self.control.send(packet.finish());
        }
        self.lose(AssociationError::Closed);
    }

    pub(super) fn on_shutdown_complete(&mut self) {
        if self.state == State::ShutdownAckSent {
            self.lose(AssociationError::Closed);
        }
    }

    /// How long to wait for an answer of the peer.
    pub(super) fn rto(&self) -> Duration {
        self.transfer
            .as_ref()
            .map_or(Duration::from_secs(1), |transfer| transfer.sender.rto())
    }
}
