//! What a SACK says, taken in: chunks acknowledged, rate and round trip measured, losses found, timers set.
//! Not its bytes; and reneging is ignored: what was acknowledged once stays so.
use super::congestion::{Progress, Sample};
use super::ring::{ABANDONED, ACKED, DOUBTED, FLYING, LOST, PARKED};
use super::{Sender, Time};
use crate::serial::Tsn;
use crate::wire::SackView;

/// Most blocks of a peer that shows no more than a fixed few.
const FEW_BLOCKS: usize = 20;
/// From here on the blocks of a packet-sized SACK may be cut off; a peer that once showed [`MANY_BLOCKS`] cuts nothing off.
const FULL_BLOCKS: usize = 250;
const MANY_BLOCKS: usize = 300;
/// Duplicates of a SACK that are looked at.
const DUPLICATES: usize = 32;

/// A SACK that contradicts what was sent. It was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadSack;

/// What earlier SACKs said.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Blocks of the latest SACK, rising.
    blocks: Vec<(Tsn, Tsn)>,
    scratch: Vec<(Tsn, Tsn)>,
    /// Most blocks in one SACK.
    most: usize,
    /// The latest SACK says nothing about TSNs above this one: it could not name more.
    pub(super) hidden_above: Option<Tsn>,
    /// Highest TSN acknowledged in any way.
    highest: Option<Tsn>,
}

impl Reports {
    /// Whether the latest SACK could not have named this TSN.
    #[inline]
    pub(super) fn hides(&self, tsn: Tsn) -> bool {
        self.hidden_above.is_some_and(|last| tsn.after(last))
    }
}

/// Sums over one SACK.
#[derive(Debug, Default)]
struct News {
    bytes: u64,
    chunks: u32,
    /// Chunks that had been marked lost for nothing.
    spurious: u32,
    /// Number of the latest transmission acknowledged.
    latest: Option<u64>,
    reordered: bool,
}

impl Sender {
    /// Takes in a SACK. Costs its blocks and what it newly acknowledges. An error means that it was ignored and counted.
    pub(crate) fn on_sack(&mut self, now: Time, sack: &SackView) -> Result<(), BadSack> {
        self.take_sack(
            now.0,
            sack.cumulative,
            sack.a_rwnd,
            sack.blocks(),
            sack.duplicates(),
        )
    }

    /// The same from its parts.
    pub(super) fn take_sack(
        &mut self,
        now: u64,
        cumulative: Tsn,
        peer_window: u32,
        blocks: impl ExactSizeIterator<Item = (Tsn, Tsn)>,
        duplicates: impl Iterator<Item = Tsn>,
    ) -> Result<(), BadSack> {
        let passed = self.ring.first().prev();
        let stale = passed.after(cumulative);
        let ahead = cumulative.since(passed) as usize;
        // A number half the space away is neither ahead of anything nor behind it: only the distance tells.
        if !stale && ahead > self.ring.len() {
            self.counters.bad_sacks += 1;
            return Err(BadSack);
        }
        self.heard = true;
        let before = self.in_flight;
        let mut news = News::default();
        let advanced = !stale && ahead > 0;
        while advanced && self.ring.first() != cumulative.next() {
            let tsn = self.ring.first();
            self.acknowledge(tsn, now, &mut news);
            self.leave(tsn);
            self.ring.pop();
        }
        let count = blocks.len();
        let (last, odd) = self.take_blocks(cumulative, blocks, stale, now, &mut news);
        if odd {
            self.counters.bad_sacks += 1;
        }
        if !stale {
            self.peer_window = u64::from(peer_window);
            self.note_truncation(count, last);
        }
        news.spurious += self
            .recovery
            .take_duplicates(now, duplicates.take(DUPLICATES));
        self.counters.spurious += u64::from(news.spurious);
        if news.chunks > 0 {
            self.delivered_at = now;
            self.recovery.backoff = 0;
            if news.reordered && self.reports.hidden_above.is_none() {
                self.recovery.reordering = true;
            }
        }
        self.recovery.allowance = None;
        let (sample, rtt) = self.measure(now, &news);
        let mut lost_chunks = self.detect_losses(now);
        if !stale {
            let newest = self.ring.next().prev();
            lost_chunks += self.judge_parked(self.reports.hidden_above.unwrap_or(newest));
        }
        self.note_limits(now);
        let progress = self.progress(now, &news, before, sample, rtt, lost_chunks);
        self.control.on_progress(&progress, &mut self.rtt);
        self.refresh();
        self.partial_after_sack(now);
        self.arm_after_sack(now, advanced, news.chunks > 0);
        Ok(())
    }

    /// Visits the TSNs in the blocks that the SACK before did not name. Says the end of the last block, and whether blocks were out of order.
    fn take_blocks(
        &mut self,
        cumulative: Tsn,
        blocks: impl Iterator<Item = (Tsn, Tsn)>,
        stale: bool,
        now: u64,
        news: &mut News,
    ) -> (Tsn, bool) {
        let mut known = std::mem::take(&mut self.reports.blocks);
        let mut fresh = std::mem::take(&mut self.reports.scratch);
        fresh.clear();
        let newest = self.ring.next().prev();
        let (mut at, mut end, mut odd) = (0, cumulative, false);
        for (first, last) in blocks {
            // Only rising blocks are visited, so that a SACK costs no more than the span and its blocks.
            if !first.after(end) || first.after(last) || last.after(newest) {
                odd = true;
                continue;
            }
            end = last;
            fresh.push((first, last));
            while known.get(at).is_some_and(|block| first.after(block.1)) {
                at += 1;
            }
            if known.get(at) == Some(&(first, last)) {
                continue;
            }
            let mut tsn = first;
            if self.ring.first().after(tsn) {
                tsn = self.ring.first();
            }
            while !tsn.after(last) {
                while known.get(at).is_some_and(|block| tsn.after(block.1)) {
                    at += 1;
                }
                let stop = match known.get(at) {
                    Some(block) if !block.0.after(tsn) => {
                        tsn = block.1.next();
                        continue;
                    }
                    Some(block) if !block.0.after(last) => block.0,
                    _ => last.next(),
                };
                while tsn != stop {
                    self.acknowledge(tsn, now, news);
                    tsn = tsn.next();
                }
            }
        }
        if stale {
            (self.reports.blocks, self.reports.scratch) = (known, fresh);
        } else {
            known.clear();
            (self.reports.blocks, self.reports.scratch) = (fresh, known);
        }
        (end, odd)
    }

    /// One TSN arrived.
    fn acknowledge(&mut self, tsn: Tsn, now: u64, news: &mut News) {
        let entry = self.ring.at_mut(tsn);
        if entry.has(ACKED) {
            return;
        }
        let was = *entry;
        entry.state = (was.state | ACKED) & !(FLYING | LOST | PARKED);
        let size = was.size();
        if was.has(FLYING) {
            self.in_flight -= size;
        }
        if was.has(ABANDONED) {
            if was.has(FLYING) {
                news.chunks += 1;
                self.deliver(&was, now, news);
            }
            return;
        }
        if was.has(LOST) {
            self.lost.remove(tsn);
            news.spurious += 1;
        }
        if was.has(DOUBTED) {
            self.recovery.remember_doubted(tsn);
        }
        self.outstanding -= u64::from(was.len);
        self.counters.bytes_acked += u64::from(was.len);
        self.close_fragment(&was);
        news.bytes += size;
        news.chunks += 1;
        let highest = self.reports.highest.get_or_insert(tsn);
        if tsn.after(*highest) {
            *highest = tsn;
        } else if was.sent == 1 && !was.has(DOUBTED) && *highest != tsn {
            news.reordered = true;
        }
        self.deliver(&was, now, news);
    }

    /// Counts towards the rate, and finds the transmission that the sample is taken from.
    fn deliver(&mut self, was: &super::ring::Entry, now: u64, news: &mut News) {
        let size = was.size();
        let Some(sending) = self.log.get_mut(was.sending) else {
            self.delivered += size;
            return;
        };
        sending.done = true;
        let sent_at = sending.at;
        let rtt = now.saturating_sub(sent_at);
        // Reported late, because blocks were cut off or SACKs lost: it would inflate the rate.
        let late = self.rtt.smoothed + self.rtt.smoothed / 2 + 20_000_000;
        if !self.rtt.is_known() || rtt < late {
            self.delivered += size;
        }
        if was.sent > 1 && rtt < self.rtt.min_or(0) {
            // An older copy of it arrived: this says nothing about the latest.
            return;
        }
        self.recovery.note_arrival(sent_at, rtt);
        if news.latest.is_none_or(|latest| was.sending > latest) {
            news.latest = Some(was.sending);
        }
    }

    /// Rate and round trip by the latest sent chunk that this SACK acknowledged.
    fn measure(&mut self, now: u64, news: &News) -> (Option<Sample>, Option<u64>) {
        let Some(sending) = news.latest.and_then(|number| self.log.get_mut(number)) else {
            return (None, None);
        };
        let sending = *sending;
        let rtt = now.saturating_sub(sending.at);
        self.rtt.sample(now, rtt);
        let sent_in = sending.at.saturating_sub(sending.first_sent);
        let arrived_in = now.saturating_sub(sending.delivered_at);
        let interval = sent_in.max(arrived_in);
        self.first_sent = sending.at;
        if interval == 0 {
            return (None, Some(rtt));
        }
        let bytes = self.delivered.saturating_sub(sending.delivered);
        let sample = Sample {
            rate: bytes as f64 * 1e9 / interval as f64,
            interval,
            delivered_before: sending.delivered,
            limited: sending.limited,
        };
        (Some(sample), Some(rtt))
    }

    /// A peer with few blocks to give says nothing about what lies above the last one.
    fn note_truncation(&mut self, count: usize, last: Tsn) {
        let reports = &mut self.reports;
        reports.most = reports.most.max(count);
        let few = count == FEW_BLOCKS && reports.most == FEW_BLOCKS;
        let full = count >= FULL_BLOCKS && reports.most <= MANY_BLOCKS;
        reports.hidden_above = (few || full).then_some(last);
    }

    /// What the law of congestion control needs to know.
    pub(super) fn progress_of_loss(&self, now: u64, before: u64, lost_chunks: u32) -> Progress {
        self.progress(now, &News::default(), before, None, None, lost_chunks)
    }

    fn progress(
        &self,
        now: u64,
        news: &News,
        before: u64,
        sample: Option<Sample>,
        rtt: Option<u64>,
        lost_chunks: u32,
    ) -> Progress {
        Progress {
            now,
            acked: news.bytes,
            acked_chunks: news.chunks,
            lost_chunks,
            spurious_chunks: news.spurious,
            delivered: self.delivered,
            in_flight: self.in_flight,
            in_flight_before: before,
            sample,
            rtt,
            limited: self.is_limited(now),
            truncated: self.reports.hidden_above.is_some(),
            first: self.ring.first(),
            next: self.ring.next(),
        }
    }
}
