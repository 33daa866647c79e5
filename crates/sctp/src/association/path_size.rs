//! The size of packets the path has shown to carry: smaller ones first, full ones once a full packet was answered (RFC 8899).
//! Not what IP does with packets that are too large; data that has its number keeps its size.
//!
//! A packet that is too large for a path usually vanishes without a word, and DATA that was sent cannot be cut again. So
//! nothing is cut in full size before the path has carried a full packet: a heartbeat, padded with a chunk that peers skip.

use std::time::Duration;

use super::{Association, State};
use crate::time::Time;
use crate::wire::{Builder, DATA_HEADER, HEADER};

/// First wait for an answer, at least; doubled once.
const FIRST_WAIT: Duration = Duration::from_millis(300);
/// Unanswered probes after which the path counts as too narrow.
const TRIES: u32 = 3;
/// Then it is asked again this often.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// But so soon where small packets are lost as well: there chance may have had the probes.
const ASK_SOON: Duration = Duration::from_secs(2);
/// The least that is ever taken for a small packet.
const SMALLEST: usize = 256;
/// Timeouts in a row after which data is cut smaller again: full packets may have stopped passing.
const TIMEOUTS: u32 = 2;
/// What the heartbeat of a probe begins with; any other is only a keep-alive.
const PROBE: [u8; 4] = *b"size";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PathSize {
    /// Only packets of the smaller size are known to pass.
    narrow: bool,
    /// Probes sent since the search began.
    tries: u32,
    /// A probe goes out as soon as the peer is heard.
    wanted: bool,
    /// A probe is on its way.
    asked: bool,
    /// When its answer is overdue, or the next one due.
    pub(super) due: Option<Time>,
    /// After several probes: when the next one goes out at the latest.
    again: Option<Time>,
    /// Packets lost before the last probe.
    losses: u64,
    /// Which search a probe belongs to.
    search: u32,
    /// Probes that were not answered.
    pub(super) lost: u64,
}

impl Association {
    /// Bytes of a packet the path may be asked to carry now.
    pub(super) fn packet_size(&self) -> usize {
        match self.narrow_size() {
            Some(narrow) if self.path_size.narrow => narrow,
            _ => self.full_size(),
        }
    }

    /// Bytes of a full packet.
    pub(super) fn full_size(&self) -> usize {
        HEADER + DATA_HEADER + self.setup.payload
    }

    /// Bytes of a packet before a full one was answered; none when full ones are sent from the start.
    fn narrow_size(&self) -> Option<usize> {
        let narrow = (self.setup.tuning.first_packet? as usize).max(SMALLEST) & !3;
        (narrow < self.full_size()).then_some(narrow)
    }

    /// The path is new, or may carry less than before: full packets have to prove themselves.
    pub(super) fn search_size(&mut self) {
        if self.narrow_size().is_none() {
            return;
        }
        let size = &mut self.path_size;
        size.search = size.search.wrapping_add(1);
        (size.narrow, size.wanted) = (true, true);
        (size.tries, size.asked, size.due, size.again) = (0, false, None, None);
        self.cut();
    }

    /// Data that gets its number from now on is cut for packets of this size.
    fn cut(&mut self) {
        let payload = self.packet_size() - HEADER - DATA_HEADER;
        if let Some(transfer) = &mut self.transfer {
            transfer.sender.set_payload(payload);
        }
    }

    /// So many timeouts in a row: perhaps it is the size.
    pub(super) fn doubt_size(&mut self) {
        let timeouts = self.transfer.as_ref().map_or(0, |t| t.sender.timeouts());
        if timeouts >= TIMEOUTS && !self.path_size.narrow {
            self.search_size();
        }
    }

    /// The peer was heard: a probe may be answered.
    #[inline]
    pub(super) fn consider_probe(&mut self, now: Time) {
        if self.path_size.wanted && self.state == State::Established {
            self.probe_size(now);
        }
    }

    fn probe_size(&mut self, now: Time) {
        let (Some(peer), Some(transfer)) = (self.peer, &self.transfer) else {
            return;
        };
        let trip = Duration::from_nanos(transfer.sender.snapshot().srtt);
        let losses = self.losses();
        let mut packet = Builder::new(peer.tag, self.full_size());
        let [a, b, c, d] = PROBE;
        let [e, f, g, h] = self.path_size.search.to_be_bytes();
        packet.push_heartbeat(&[a, b, c, d, e, f, g, h]);
        packet.push_padding();
        self.control.send(packet.finish());
        let size = &mut self.path_size;
        (size.wanted, size.asked, size.again) = (false, true, None);
        size.losses = losses;
        size.tries = size.tries.saturating_add(1);
        size.due = Some(now + FIRST_WAIT.max(2 * trip) * size.tries.min(2));
        self.deadline_stale = true;
    }

    /// The time for an answer, or a part of the pause after several probes, is over.
    pub(super) fn size_due(&mut self, now: Time) {
        let losses = self.losses();
        let size = &mut self.path_size;
        size.due = None;
        if std::mem::take(&mut size.asked) {
            size.lost += 1;
            if size.tries >= TRIES {
                size.again = Some(now + ASK_AGAIN);
                size.due = Some(now + ASK_SOON);
                return;
            }
        }
        if let Some(again) = size.again
            && now < again
            && losses <= size.losses
        {
            size.due = Some(again.min(now + ASK_SOON));
            return;
        }
        size.wanted = true;
        self.consider_probe(now);
    }

    /// Packets of data lost so far. While the search goes on they were small.
    fn losses(&self) -> u64 {
        let counters = self.transfer.as_ref().map(|t| t.sender.snapshot().counters);
        counters.map_or(0, |c| c.lost.saturating_sub(c.spurious))
    }

    /// The peer answered a heartbeat: the value as it came back.
    pub(super) fn on_heartbeat_ack(&mut self, value: &[u8]) {
        let probe = value
            .get(4..12)
            .and_then(|info| info.strip_prefix(&PROBE))
            .is_some_and(|search| search == self.path_size.search.to_be_bytes());
        if probe && self.path_size.narrow {
            let size = &mut self.path_size;
            (size.narrow, size.wanted, size.asked) = (false, false, false);
            (size.due, size.again) = (None, None);
            self.deadline_stale = true;
            self.cut();
        }
    }
}
