//! Recounts everything the sender keeps sums of. For tests and fuzz bodies: linear in what is outstanding.
//! Not used while packets flow.
use super::ring::{ABANDONED, ACKED, FLYING, LOST, PARKED};
use super::{Sender, Time};

impl Sender {
    /// The first contradiction in the sender's books, if there is one.
    #[doc(hidden)]
    pub(crate) fn contradiction(&self) -> Option<String> {
        let (mut flying, mut outstanding, mut lost, mut open) = (0, 0, 0, 0);
        let mut tsn = self.ring.first();
        while tsn != self.ring.next() {
            let entry = self.ring.at(tsn);
            flying += if entry.has(FLYING) { entry.size() } else { 0 };
            lost += usize::from(entry.has(LOST));
            if entry.has(FLYING) && entry.has(LOST | ACKED) {
                return Some(format!("{tsn:?} is in flight and also {:#x}", entry.state));
            }
            if entry.has(PARKED) && entry.has(LOST | FLYING | ACKED | ABANDONED) {
                return Some(format!("{tsn:?} is parked and also {:#x}", entry.state));
            }
            if entry.has(LOST) && entry.has(ACKED | ABANDONED) {
                return Some(format!("{tsn:?} is lost and also {:#x}", entry.state));
            }
            if !entry.has(ACKED | ABANDONED) {
                outstanding += u64::from(entry.len);
                if !entry.has(FLYING | LOST | PARKED) {
                    return Some(format!("{tsn:?} is nowhere"));
                }
                if self.messages.get(entry.message).is_none() {
                    return Some(format!("{tsn:?} has no message"));
                }
            }
            open += u64::from(!entry.has(ACKED) || entry.has(ABANDONED));
            tsn = tsn.next();
        }
        let unsent: usize = self
            .messages
            .iter()
            .map(super::messages::Message::rest)
            .sum();
        let queued: usize = self.streams.iter().map(|stream| stream.unsent).sum();
        let waiting: u64 = self
            .streams
            .iter()
            .map(|stream| u64::from(stream.open))
            .sum();
        let pairs = [
            ("bytes in flight", flying, self.in_flight),
            ("bytes outstanding", outstanding, self.outstanding),
            ("chunks lost", lost as u64, self.lost.len() as u64),
            ("bytes unsent", unsent as u64, self.streams.unsent() as u64),
            ("bytes queued", queued as u64, self.streams.unsent() as u64),
            ("chunks streams wait for", open, waiting),
        ];
        for (what, counted, kept) in pairs {
            if counted != kept {
                return Some(format!("{what}: counted {counted}, kept {kept}"));
            }
        }
        let timers = self.recovery.deadline();
        if !self.ring.is_empty() && timers.is_none() {
            return Some("something is outstanding and no timer runs".into());
        }
        None
    }

    /// Whether a deadline has passed although the timers were just run.
    #[doc(hidden)]
    pub(crate) fn is_late(&self, now: Time) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Whether the next packet may go beyond the window: a probe, or what a timeout allows.
    #[doc(hidden)]
    pub(crate) fn may_exceed_window(&self) -> bool {
        self.recovery.probe || self.recovery.allowance.is_some()
    }
}
