//! One of our associations and a socket of the dcsctp crate on a line with delay and seeded loss; the clock jumps.
//! Nothing here knows what a test expects.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use dcsctp::api::{
    DcSctpSocket, Message, Options, PpId, SendOptions, SocketEvent, SocketTime, StreamId,
};

use crate::pair::Pair;

/// Who sends.
pub(crate) const OURS: usize = 0;
pub(crate) const THEIRS: usize = 1;
/// Messages of bytes.
const BINARY: u32 = 53;

pub(crate) struct Mixed {
    /// Its first peer is ours; its line is not used.
    pub(crate) ours: Pair,
    pub(crate) theirs: Box<dyn DcSctpSocket>,
    pub(crate) events: Vec<SocketEvent>,
    pub(crate) delay: Duration,
    /// Lost packets of a thousand, each way.
    pub(crate) loss: u64,
    pub(crate) lost: usize,
    random: u64,
    /// What is on the way to each.
    line: [VecDeque<(Instant, Vec<u8>)>; 2],
}

impl Mixed {
    pub(crate) fn new(seed: u64) -> Mixed {
        let options = Options {
            max_message_size: 256 * 1024,
            max_send_buffer_size: 64 << 20,
            per_stream_send_queue_limit: 64 << 20,
            ..Options::default()
        };
        let mut ours = Pair::new();
        // What it sends is taken from its record; its own other end hears nothing.
        ours.filter = Box::new(|_, _| false);
        Mixed {
            ours,
            theirs: dcsctp::new_socket("theirs", &options),
            events: Vec::new(),
            delay: Duration::from_millis(10),
            loss: 0,
            lost: 0,
            random: seed,
            line: Default::default(),
        }
    }

    /// Connected, opened by either side.
    pub(crate) fn established(seed: u64, opener: usize) -> Mixed {
        let mut mixed = Mixed::new(seed);
        mixed.connect(opener);
        mixed.run(Duration::from_secs(60), Mixed::connected);
        mixed
    }

    pub(crate) fn connect(&mut self, who: usize) {
        if who == OURS {
            self.ours.connect(OURS);
        } else {
            self.theirs.connect();
        }
    }

    pub(crate) fn connected(&mut self) -> bool {
        let theirs = |event: &SocketEvent| matches!(event, SocketEvent::OnConnected());
        self.ours.peers[OURS].connected() && self.events.iter().any(theirs)
    }

    /// A message from them.
    pub(crate) fn send(&mut self, id: u16, data: Vec<u8>, options: &SendOptions) {
        let message = Message::new(StreamId(id), PpId(BINARY), data);
        self.theirs
            .send(message, options)
            .expect("their queue has room");
    }

    /// The next message they got.
    pub(crate) fn received(&mut self) -> Option<(u16, Vec<u8>)> {
        let message = self.theirs.get_next_message()?;
        assert_eq!(message.ppid, PpId(BINARY));
        Some((message.stream_id.0, message.payload))
    }

    /// How much of the clock's time passed until `done`; panics beyond `limit`.
    #[track_caller]
    pub(crate) fn run(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&mut Mixed) -> bool,
    ) -> Duration {
        let begun = self.ours.now;
        while {
            self.pass();
            !done(self)
        } {
            // What was written just now leaves now.
            self.pass();
            let next = self.next().expect("something is still to happen");
            assert!(next <= begun + limit, "not done after {limit:?}");
            self.ours.now = self.ours.now.max(next);
        }
        self.pass();
        self.ours.now - begun
    }

    fn next(&mut self) -> Option<Instant> {
        let arrivals = self.line.iter().filter_map(VecDeque::front).map(|p| p.0);
        let timeout = self.theirs.poll_timeout();
        let theirs = (timeout != SocketTime::infinite_future())
            .then(|| self.ours.start + (timeout - SocketTime::zero()));
        let association = self.ours.peers[OURS].association.as_mut();
        let ours = association.and_then(sctp_proto::Association::poll_timeout);
        arrivals.chain(theirs).chain(ours).min()
    }

    fn pass(&mut self) {
        let now = self.ours.now;
        self.theirs
            .advance_time(SocketTime::zero() + (now - self.ours.start));
        while let Some(packet) = due(&mut self.line[OURS], now) {
            self.ours.deliver(OURS, packet);
        }
        while let Some(packet) = due(&mut self.line[THEIRS], now) {
            self.theirs.handle_input(&packet);
        }
        self.ours.sent.clear();
        self.ours.pass();
        for (_, packet) in std::mem::take(&mut self.ours.sent) {
            self.put(THEIRS, packet);
        }
        while let Some(event) = self.theirs.poll_event() {
            if let SocketEvent::SendPacket(packet) = event {
                self.put(OURS, packet);
            } else {
                self.events.push(event);
            }
        }
    }

    fn put(&mut self, to: usize, packet: Vec<u8>) {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if (z ^ (z >> 31)) % 1000 < self.loss {
            self.lost += 1;
        } else {
            self.line[to].push_back((self.ours.now + self.delay, packet));
        }
    }
}

fn due(line: &mut VecDeque<(Instant, Vec<u8>)>, now: Instant) -> Option<Vec<u8>> {
    line.pop_front_if(|(at, _)| *at <= now)
        .map(|(_, packet)| packet)
}
