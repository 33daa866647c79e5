//! Receivers as other implementations behave: how many gap blocks, how large a window, when they acknowledge, what they drop.
//! Not the crate's receiver, and a codec of its own: a mistake in the crate's cannot hide here.

use std::collections::{BTreeMap, VecDeque};

use super::net::{MS, Node};

/// What a receiver does.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    /// Bytes.
    pub window: u64,
    /// Gap blocks per SACK.
    pub blocks: usize,
    /// Acknowledges every packet, also without a gap.
    pub every_packet: bool,
    /// Delay of other SACKs, ns.
    pub delay: u64,
    /// TSNs above the cumulative one that it keeps track of.
    pub span: u32,
    /// From this share of the window on it drops everything, hole fillers too.
    pub drop_share: Option<f64>,
    /// Drops what does not fit; otherwise it takes data beyond its window.
    pub strict: bool,
    /// Time a packet takes, per packet and per held packet, ns; and packets that may wait.
    pub cost: Option<(u64, u64, usize)>,
    /// Forgets everything above the cumulative TSN after so many packets.
    pub reneges_every: Option<u64>,
}

impl Habits {
    /// The crate's own receiver, roughly.
    pub(crate) fn own(window: u64) -> Habits {
        Habits {
            window,
            blocks: 265,
            every_packet: false,
            delay: 20 * MS,
            span: 65_535,
            drop_share: None,
            strict: true,
            cost: None,
            reneges_every: None,
        }
    }

    pub(crate) fn aiortc() -> Habits {
        Habits {
            blocks: 10_000,
            every_packet: true,
            strict: false,
            ..Habits::own(1 << 20)
        }
    }

    /// With the time it takes in a Python process, and the default socket buffer.
    pub(crate) fn slow_aiortc() -> Habits {
        Habits {
            cost: Some((60_000, 220, 90)),
            ..Habits::aiortc()
        }
    }

    pub(crate) fn dcsctp() -> Habits {
        Habits {
            blocks: 20,
            delay: 200 * MS,
            span: 100_000,
            drop_share: Some(0.9),
            ..Habits::own(5 << 20)
        }
    }

    pub(crate) fn usrsctp() -> Habits {
        Habits {
            delay: 200 * MS,
            span: 4096,
            ..Habits::own(128 << 10)
        }
    }
}

/// A chunk of data that waits for the ones before it.
#[derive(Debug, Clone, Copy)]
struct Held {
    len: u32,
    end: bool,
}

#[derive(Debug)]
pub(crate) struct Peer {
    habits: Habits,
    tag: u32,
    cumulative: u32,
    held: BTreeMap<u32, Held>,
    held_bytes: u64,
    /// Bytes of the message that is not complete.
    partial: u64,
    delivered: u64,
    duplicates: Vec<u32>,
    unanswered: u32,
    answer: bool,
    answer_at: Option<u64>,
    first: bool,
    waiting: VecDeque<Vec<u8>>,
    served_at: Option<u64>,
    pub packets: u64,
    pub dropped: u64,
    pub twice: u64,
    pub worst_excess: u64,
}

impl Peer {
    pub(crate) fn new(habits: Habits, tag: u32, first_tsn: u32) -> Peer {
        Peer {
            habits,
            tag,
            cumulative: first_tsn.wrapping_sub(1),
            held: BTreeMap::new(),
            held_bytes: 0,
            partial: 0,
            delivered: 0,
            duplicates: Vec::new(),
            unanswered: 0,
            answer: false,
            answer_at: None,
            first: true,
            waiting: VecDeque::new(),
            served_at: None,
            packets: 0,
            dropped: 0,
            twice: 0,
            worst_excess: 0,
        }
    }

    fn free(&self) -> u64 {
        let window = self.habits.window as f64 * self.habits.drop_share.unwrap_or(1.0);
        (window as u64).saturating_sub(self.held_bytes + self.partial)
    }

    fn process(&mut self, now: u64, packet: &[u8]) {
        self.packets += 1;
        let mut immediate = false;
        let mut odd = false;
        let mut any = false;
        let mut at = 12;
        while at + 4 <= packet.len() {
            let len = usize::from(u16::from_be_bytes([packet[at + 2], packet[at + 3]]));
            let chunk = &packet[at..at + len];
            match chunk[0] {
                0 => {
                    any = true;
                    immediate |= chunk[1] & 8 != 0;
                    odd |= self.data(chunk);
                }
                192 => {
                    any = true;
                    self.skip(u32_at(chunk, 4));
                    odd = true;
                }
                _ => {}
            }
            at += (len + 3) & !3;
        }
        if !any {
            return;
        }
        if self
            .habits
            .reneges_every
            .is_some_and(|every| self.packets.is_multiple_of(every))
        {
            self.held.clear();
            self.held_bytes = 0;
        }
        self.unanswered += 1;
        let gap = !self.held.is_empty();
        let now_due = self.habits.every_packet || odd || gap || immediate || self.first;
        self.first = false;
        if now_due || self.unanswered >= 2 {
            self.answer = true;
        } else if self.answer_at.is_none() {
            self.answer_at = Some(now + self.habits.delay);
        }
    }

    /// True if the chunk calls for an answer at once.
    fn data(&mut self, chunk: &[u8]) -> bool {
        let tsn = u32_at(chunk, 4);
        let len = (chunk.len() - 16) as u64;
        let ahead = tsn.wrapping_sub(self.cumulative);
        if ahead == 0 || ahead > 1 << 31 || self.held.contains_key(&ahead_key(tsn)) {
            self.twice += 1;
            self.duplicates.push(tsn);
            return true;
        }
        let free = self.free();
        if self.habits.drop_share.is_some() && free == 0 {
            self.dropped += 1;
            return true;
        }
        if ahead > self.habits.span || (self.habits.strict && ahead > 1 && free < len) {
            self.dropped += 1;
            return true;
        }
        self.worst_excess = self.worst_excess.max(len.saturating_sub(free));
        let held = Held {
            len: len as u32,
            end: chunk[1] & 1 != 0,
        };
        self.held.insert(ahead_key(tsn), held);
        self.held_bytes += len;
        let filled = ahead == 1 && self.held.len() > 1;
        self.advance();
        filled
    }

    fn advance(&mut self) {
        while let Some(held) = self
            .held
            .remove(&ahead_key(self.cumulative.wrapping_add(1)))
        {
            self.cumulative = self.cumulative.wrapping_add(1);
            self.held_bytes -= u64::from(held.len);
            self.partial += u64::from(held.len);
            if held.end {
                self.delivered += std::mem::take(&mut self.partial);
            }
        }
    }

    fn skip(&mut self, to: u32) {
        while to.wrapping_sub(self.cumulative) < 1 << 31 && to != self.cumulative {
            self.cumulative = self.cumulative.wrapping_add(1);
            if let Some(held) = self.held.remove(&ahead_key(self.cumulative)) {
                self.held_bytes -= u64::from(held.len);
            }
            self.partial = 0;
        }
        self.advance();
    }

    fn sack(&mut self) -> Vec<u8> {
        self.unanswered = 0;
        self.answer = false;
        self.answer_at = None;
        let mut blocks: Vec<(u32, u32)> = Vec::new();
        for tsn in self.held.keys() {
            let ahead = unkey(*tsn).wrapping_sub(self.cumulative);
            let full = blocks.len() == self.habits.blocks;
            match blocks.last_mut() {
                Some(last) if last.1 + 1 == ahead => last.1 = ahead,
                _ if full => break,
                _ => blocks.push((ahead, ahead)),
            }
        }
        self.duplicates.truncate(20);
        let len = 16 + 4 * (blocks.len() + self.duplicates.len());
        let mut packet = Vec::with_capacity(12 + len);
        packet.extend_from_slice(&[0x13, 0x88, 0x13, 0x88]);
        packet.extend_from_slice(&self.tag.to_be_bytes());
        packet.extend_from_slice(&[0; 4]);
        packet.extend_from_slice(&[3, 0]);
        packet.extend_from_slice(&(len as u16).to_be_bytes());
        packet.extend_from_slice(&self.cumulative.to_be_bytes());
        packet.extend_from_slice(&(self.free() as u32).to_be_bytes());
        packet.extend_from_slice(&(blocks.len() as u16).to_be_bytes());
        packet.extend_from_slice(&(self.duplicates.len() as u16).to_be_bytes());
        for (first, last) in blocks {
            packet.extend_from_slice(&(first as u16).to_be_bytes());
            packet.extend_from_slice(&(last as u16).to_be_bytes());
        }
        for tsn in self.duplicates.drain(..) {
            packet.extend_from_slice(&tsn.to_be_bytes());
        }
        seal(&mut packet);
        packet
    }

    fn serve_next(&mut self, now: u64) {
        if let Some((each, per_held, _)) = self.habits.cost {
            let busy = each + per_held * self.held.len() as u64;
            self.served_at = (!self.waiting.is_empty()).then_some(now + busy);
        }
    }
}

impl Node for Peer {
    fn receive(&mut self, now: u64, packet: Vec<u8>) {
        match self.habits.cost {
            None => self.process(now, &packet),
            Some((_, _, room)) if self.waiting.len() >= room => self.dropped += 1,
            Some(_) => {
                self.waiting.push_back(packet);
                if self.served_at.is_none() {
                    self.serve_next(now);
                }
            }
        }
    }

    fn poll(&mut self, _now: u64) -> Option<Vec<u8>> {
        self.answer.then(|| self.sack())
    }

    fn timeout(&mut self, now: u64) {
        if self.answer_at.is_some_and(|at| at <= now) {
            self.answer = true;
            self.answer_at = None;
        }
        if self.served_at.is_some_and(|at| at <= now) {
            if let Some(packet) = self.waiting.pop_front() {
                self.process(now, &packet);
            }
            self.serve_next(now);
        }
    }

    fn deadline(&mut self) -> Option<u64> {
        match (self.answer_at, self.served_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn delivered(&self) -> u64 {
        self.delivered
    }
}

/// Order of TSNs near the wrap: numbers above half come first. Simulations that wrap start just below it.
fn ahead_key(tsn: u32) -> u32 {
    tsn.wrapping_add(1 << 31)
}

fn unkey(key: u32) -> u32 {
    key.wrapping_sub(1 << 31)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Puts the checksum into a packet, by the definition: bit by bit over a table of 256.
fn seal(packet: &mut [u8]) {
    static TABLE: std::sync::LazyLock<[u32; 256]> = std::sync::LazyLock::new(|| {
        std::array::from_fn(|n| {
            (0..8).fold(n as u32, |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 }
            })
        })
    });
    let crc = packet.iter().fold(u32::MAX, |crc, byte| {
        (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)]
    });
    packet[8..12].copy_from_slice(&(!crc).to_le_bytes());
}
