//! Acknowledgements, both ends: the worker's gate before each source frame and the client's rule for when to send.
//! It counts; it neither sends nor waits.

use std::collections::VecDeque;

use crate::FrameId;

/// Frames a worker may be ahead of the client unless `WEBRTC_DATA_CHANNEL_ACK_WINDOW` says otherwise.
pub const DEFAULT_ACK_WINDOW: u64 = 1;

/// The same for a framewire client, when nothing is said: so many results may be on the network, in its decoders and with its
/// handlers at once. With 1 each would wait for the whole way of the one before, with a path of 50 ms at 20 frames a second.
pub const OWN_ACK_WINDOW: u64 = 8;

/// Messages a client tracks individually while they wait for handlers or consumers; further ones are tracked as a group.
pub const MAX_PENDING_ACKS: usize = 1024;

/// Window from the text of `WEBRTC_DATA_CHANNEL_ACK_WINDOW`: a negative number is 0, anything unreadable is 1.
pub fn parse_ack_window(text: Option<&str>) -> u64 {
    let Some(text) = text.map(str::trim) else {
        return DEFAULT_ACK_WINDOW;
    };
    match text.parse::<i128>() {
        Ok(window) if window < 0 => 0,
        Ok(window) => u64::try_from(window).unwrap_or(u64::MAX),
        Err(_) => DEFAULT_ACK_WINDOW,
    }
}

/// The worker's gate. Open until the first acknowledgement, so that clients which never send one keep working, unless the
/// client is known to send them; always open in realtime sessions.
#[derive(Debug, Clone)]
pub struct AckWindow {
    batch: bool,
    window: u64,
    /// Without having seen an acknowledgement.
    from_the_start: bool,
    last: u64,
}

impl AckWindow {
    /// `batch`: the request said `webrtc_realtime_processing = false`. A window of 0 paces like 1: taken literally it would
    /// never let the second frame out.
    pub fn new(batch: bool, window: u64) -> Self {
        AckWindow {
            batch,
            window: window.max(1),
            from_the_start: false,
            last: 0,
        }
    }

    /// The client acknowledges every frame from the first on: nothing need run ahead until it does. The window begins at 1 and
    /// grows by one with each, so that a client which does not begin (it is paused, say) gets one frame and not a windowful.
    #[must_use]
    pub fn from_the_start(mut self, acknowledges: bool) -> Self {
        self.from_the_start = acknowledges;
        self
    }

    /// Takes an acknowledgement; `true` when it moved the window. Old or repeated ones change nothing.
    pub fn acknowledge(&mut self, ack: u64) -> bool {
        let moved = ack > self.last;
        self.last = self.last.max(ack);
        moved
    }

    /// Whether this frame may be taken from the source now.
    pub fn allows(&self, frame: FrameId) -> bool {
        let grown = if self.from_the_start {
            self.last.saturating_add(1)
        } else {
            u64::MAX
        };
        let window = self.window.min(grown);
        !self.is_pacing() || frame.0 <= self.last.saturating_add(window)
    }

    /// Whether acknowledgements pace this session.
    pub fn is_pacing(&self) -> bool {
        self.batch && (self.from_the_start || self.last > 0)
    }

    /// The highest acknowledgement so far, 0 before the first.
    pub fn last(&self) -> u64 {
        self.last
    }
}

/// The client's side: acknowledges a frame once everything up to and including it has been handled.
///
/// Each message has one or two waits: its handlers, and its frame when one went to the frame queue.
#[derive(Debug)]
pub(crate) struct AckSender {
    pending: VecDeque<Pending>,
    sent: u64,
}

#[derive(Debug)]
struct Pending {
    /// Last ticket this entry stands for.
    ticket: u64,
    /// Highest frame id to acknowledge with it; 0 = none (its metadata did not parse).
    frame: u64,
    waits: u32,
}

impl AckSender {
    pub(crate) fn new() -> Self {
        AckSender {
            pending: VecDeque::new(),
            sent: 0,
        }
    }

    /// Registers a message. Tickets must grow.
    pub(crate) fn open(&mut self, ticket: u64, frame: Option<FrameId>, waits: u32) {
        let frame = frame.map_or(0, |f| f.0);
        let grouped = self.pending.len() >= MAX_PENDING_ACKS;
        match self.pending.back_mut() {
            // A finished entry behind an unfinished one, or the group at the end, takes the new message in.
            Some(last) if last.waits == 0 || grouped => {
                last.ticket = ticket;
                last.frame = last.frame.max(frame);
                last.waits = last.waits.saturating_add(waits);
            }
            _ => self.pending.push_back(Pending {
                ticket,
                frame,
                waits,
            }),
        }
    }

    /// One wait of that message is over. Returns the acknowledgement to send, if it grew.
    pub(crate) fn done(&mut self, ticket: u64) -> Option<FrameId> {
        let at = self.pending.partition_point(|entry| entry.ticket < ticket);
        let entry = self.pending.get_mut(at)?;
        entry.waits = entry.waits.saturating_sub(1);
        let mut reached = self.sent;
        while let Some(front) = self.pending.front().filter(|front| front.waits == 0) {
            reached = reached.max(front.frame);
            self.pending.pop_front();
        }
        if reached == self.sent {
            return None;
        }
        self.sent = reached;
        Some(FrameId(reached))
    }

    pub(crate) fn last(&self) -> Option<FrameId> {
        (self.sent > 0).then_some(FrameId(self.sent))
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_texts() {
        assert_eq!(parse_ack_window(None), 1);
        assert_eq!(parse_ack_window(Some(" 4 ")), 4);
        assert_eq!(parse_ack_window(Some("-3")), 0);
        assert_eq!(parse_ack_window(Some("many")), 1);
        assert_eq!(parse_ack_window(Some("")), 1);
        assert_eq!(parse_ack_window(Some("99999999999999999999")), u64::MAX);
    }

    #[test]
    fn the_gate_closes_only_after_the_first_ack_of_a_batch_session() {
        let mut gate = AckWindow::new(true, 4);
        assert!(gate.allows(FrameId(1_000)));
        assert!(!gate.acknowledge(0));
        assert!(!gate.is_pacing());
        assert!(gate.acknowledge(1));
        assert!(gate.allows(FrameId(5)));
        assert!(!gate.allows(FrameId(6)));
        assert!(!gate.acknowledge(1));
        assert!(gate.acknowledge(2));
        assert!(gate.allows(FrameId(6)));
        assert_eq!(gate.last(), 2);
        let mut lockstep = AckWindow::new(true, 0);
        lockstep.acknowledge(1);
        assert!(lockstep.allows(FrameId(2)) && !lockstep.allows(FrameId(3)));
        let mut known = AckWindow::new(true, 2).from_the_start(true);
        for (ack, frame) in [(0, 1), (1, 3), (2, 4), (9, 11)] {
            known.acknowledge(ack);
            assert!(known.allows(FrameId(frame)) && !known.allows(FrameId(frame + 1)));
        }
        let mut realtime = AckWindow::new(false, 0).from_the_start(true);
        realtime.acknowledge(1);
        assert!(realtime.allows(FrameId(1_000)));
    }

    #[test]
    fn an_ack_waits_for_everything_before_it() {
        let mut acks = AckSender::new();
        acks.open(1, Some(FrameId(1)), 2);
        acks.open(2, Some(FrameId(2)), 1);
        assert_eq!(acks.done(1), None);
        assert_eq!(acks.done(2), None);
        assert_eq!(acks.done(1), Some(FrameId(2)));
        assert_eq!(acks.last(), Some(FrameId(2)));
        acks.open(3, Some(FrameId(1)), 1);
        assert_eq!(acks.done(3), None, "acknowledgements never go back");
        acks.open(4, None, 1);
        assert_eq!(acks.done(4), None, "no metadata, nothing to acknowledge");
        assert_eq!(acks.held(), 0);
    }

    #[test]
    fn a_stuck_consumer_cannot_make_it_grow() {
        let mut acks = AckSender::new();
        for n in 1..=3 * MAX_PENDING_ACKS as u64 {
            acks.open(n, Some(FrameId(n)), 1);
        }
        assert_eq!(acks.held(), MAX_PENDING_ACKS);
        let mut last = None;
        for n in 1..=3 * MAX_PENDING_ACKS as u64 {
            last = acks.done(n).or(last);
        }
        assert_eq!(last, Some(FrameId(3 * MAX_PENDING_ACKS as u64)));
        assert_eq!(acks.held(), 0);
    }

    #[test]
    fn finished_messages_behind_a_stuck_one_collapse() {
        let mut acks = AckSender::new();
        acks.open(1, Some(FrameId(1)), 1);
        for n in 2..100 {
            acks.open(n, Some(FrameId(n)), 1);
            assert_eq!(acks.done(n), None);
        }
        assert_eq!(acks.held(), 2);
        assert_eq!(acks.done(1), Some(FrameId(99)));
    }
}
