//! Becoming established: the four-way handshake, collisions, restarts, and the way without a handshake (SNAP).
//! RFC 9260 sections 5.1 and 5.2. Not the cookie's format.

use rand::RngExt as _;

use super::{Association, Setup, State, Transfer};
use crate::cookie::{self, Cookie, PeerInfo};
use crate::error::AssociationError;
use crate::receive::Receiver;
use crate::send::{Sender, SenderConfig};
use crate::serial::Tsn;
use crate::time::{Time, nanos};
use crate::wire::{Builder, Cause, Init};
use bytes::Bytes;

/// Below this no packet would fit; also what RFC 9260 demands of INIT at least.
const MIN_PEER_WINDOW: u32 = 1500;
/// A peer whose first window is at least this large keeps track of more than 4000 packets ahead.
const BIG_WINDOW: u32 = 4 << 20;
/// Streams offered in each direction.
const STREAMS: u16 = u16::MAX;

/// What is only needed until the association is established.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    /// The peer's cookie, to be echoed.
    cookie: Option<Bytes>,
    /// The peer's own INIT, if it came while we waited for the answer to ours.
    rival: Option<Init>,
    /// When the first INIT, INIT ACK or COOKIE ECHO went out, and how many did: only a single one gives a round trip.
    asked_at: Option<Time>,
    asked: u32,
    /// The round trip of a question and its answer.
    rtt: Option<u64>,
    /// A stale cookie was answered by one new INIT already.
    renewed: bool,
}

impl Handshake {
    fn ask(&mut self, now: Time) {
        self.asked = self.asked.saturating_add(1);
        self.asked_at = (self.asked == 1).then_some(now);
    }

    /// The smaller of two round trips counts: the first may have waited for DTLS below.
    fn answered(&mut self, now: Time) {
        if let Some(at) = self.asked_at.take() {
            let rtt = nanos(now.since(at));
            self.rtt = Some(self.rtt.map_or(rtt, |first| first.min(rtt)));
        }
        self.asked = 0;
    }
}

/// What this side says of itself, with a fresh tag and first TSN, neither of them 0.
pub(crate) fn greeting(random: &mut impl rand::Rng, window: u32) -> Init {
    Init {
        tag: random.random_range(1..=u32::MAX),
        a_rwnd: window,
        outbound: STREAMS,
        inbound: STREAMS,
        initial_tsn: Tsn(random.random_range(1..=u32::MAX)),
        forward_tsn: true,
        reconfig: true,
        unrecognized: Vec::new(),
    }
}

impl From<&Init> for PeerInfo {
    fn from(init: &Init) -> Self {
        PeerInfo {
            tag: init.tag,
            initial_tsn: init.initial_tsn,
            window: init.a_rwnd,
            inbound: init.inbound,
            forward_tsn: init.forward_tsn,
            reconfig: init.reconfig,
        }
    }
}

impl Association {
    /// An association that begins with our INIT.
    pub(crate) fn connect(mut setup: Setup) -> Self {
        let local = greeting(&mut setup.random, setup.receive_window);
        let mut made = Self::new(State::CookieWait, setup, local);
        made.want_init();
        made
    }

    /// An association that waits for the peer's INIT, which is handed to it next.
    pub(crate) fn listen(mut setup: Setup) -> Self {
        let local = greeting(&mut setup.random, setup.receive_window);
        Self::new(State::Listen, setup, local)
    }

    /// An association whose two greetings were exchanged in signalling: established at once.
    pub(crate) fn connect_with_tokens(setup: Setup, local: Init, remote: &Init) -> Self {
        let mut made = Self::new(State::Listen, setup, local);
        made.establish(remote.into(), None);
        made
    }

    fn want_init(&mut self) {
        self.control.init = true;
        self.control.wanted = true;
    }

    /// The packet with our INIT; starts its timer.
    pub(super) fn init_packet(&mut self, now: Time) -> Vec<u8> {
        self.handshake.ask(now);
        self.timers.handshake.arm_handshake(now);
        let mut packet = Builder::new(0, self.packet_size());
        packet.push_init(&self.local);
        packet.finish()
    }

    /// The cookie to echo; starts its timer.
    pub(super) fn cookie_to_echo(&mut self, now: Time) -> Option<Bytes> {
        self.handshake.ask(now);
        self.timers.handshake.arm_handshake(now);
        self.handshake.cookie.clone()
    }

    /// No answer came: says it again.
    pub(super) fn repeat_handshake(&mut self, now: Time) {
        let spent = self.timers.handshake.rounds as usize;
        if self
            .setup
            .max_init_retransmits
            .is_some_and(|most| spent > most)
        {
            self.lose(AssociationError::Refused("no answer to the handshake"));
            return;
        }
        match self.state {
            // A peer whose INIT came has state that our INIT might make it forget: answer its INIT again instead.
            State::CookieWait => match self.handshake.rival.clone() {
                Some(init) => {
                    self.send_init_ack(now, &init);
                    self.timers.handshake.arm_handshake(now);
                }
                None => self.want_init(),
            },
            State::CookieEchoed => {
                self.control.cookie_echo = true;
                self.control.wanted = true;
            }
            _ => {}
        }
    }

    /// The peer's INIT.
    pub(super) fn on_init(&mut self, now: Time, init: Init) {
        match self.state {
            State::Closed => {}
            // Our SHUTDOWN ACK was lost, and with it the peer's idea of this association.
            State::ShutdownAckSent => {
                self.control.shutdown_ack = true;
                self.control.wanted = true;
            }
            _ if init.a_rwnd < MIN_PEER_WINDOW => self.figures.dropped += 1,
            _ => {
                self.send_init_ack(now, &init);
                if self.state == State::CookieWait {
                    self.control.init = false;
                    self.handshake.rival = Some(init);
                }
            }
        }
    }

    /// Answers an INIT. Before anything is agreed with our one greeting; later with a fresh one, which only a restart can use.
    fn send_init_ack(&mut self, now: Time, init: &Init) {
        let agreed = self.transfer.is_some();
        let (mut answer, tie_tags) = if agreed {
            let fresh = greeting(&mut self.setup.random, self.setup.receive_window);
            (fresh, (self.local.tag, self.peer.map_or(0, |p| p.tag)))
        } else {
            if self.state == State::Listen {
                self.handshake.ask(now);
            }
            (self.local.clone(), (0, 0))
        };
        // Listed first to last, cut where the packet is full.
        let mut room = self.packet_size().saturating_sub(200);
        for item in &init.unrecognized {
            room = room.saturating_sub(item.len() + 8);
            if room > 0 {
                answer.unrecognized.push(item.clone());
            }
        }
        let cookie = self.setup.key.seal(&Cookie {
            made: now,
            local_tag: answer.tag,
            local_tsn: answer.initial_tsn,
            peer: init.into(),
            tie_tags,
        });
        let mut packet = Builder::new(init.tag, self.packet_size());
        if !packet.push_init_ack(&answer, &cookie) || !self.control.send(packet.finish()) {
            self.figures.dropped += 1;
        }
    }

    /// The answer to our INIT.
    pub(super) fn on_init_ack(&mut self, now: Time, init: &Init, cookie: Bytes) {
        if self.state != State::CookieWait || init.a_rwnd < MIN_PEER_WINDOW {
            self.figures.dropped += 1;
            return;
        }
        self.handshake.answered(now);
        self.timers.handshake.stop();
        self.peer = Some(init.into());
        self.handshake.cookie = Some(cookie);
        self.state = State::CookieEchoed;
        self.control.init = false;
        self.control.cookie_echo = true;
        self.control.wanted = true;
    }

    /// A cookie of ours has come back in a packet that carried `tag`. RFC 9260 section 5.2.4.
    pub(super) fn on_cookie_echo(&mut self, now: Time, tag: u32, bytes: &[u8]) {
        let Some(cookie) = self.setup.key.open(bytes) else {
            self.figures.dropped += 1;
            return;
        };
        if cookie.local_tag != tag || self.state == State::Closed {
            self.figures.dropped += 1;
            return;
        }
        let same_local = cookie.local_tag == self.local.tag;
        let same_peer = self.peer.is_some_and(|p| p.tag == cookie.peer.tag);
        let age = now.since(cookie.made);
        if age > cookie::LIFE && !(same_local && same_peer) {
            let late = u32::try_from((age - cookie::LIFE).as_micros()).unwrap_or(u32::MAX);
            let mut packet = Builder::new(cookie.peer.tag, self.packet_size());
            packet.push_error(&[Cause::StaleCookie(late)]);
            self.control.send(packet.finish());
            return;
        }
        let ties = (self.local.tag, self.peer.map_or(0, |p| p.tag));
        match (same_local, same_peer, self.transfer.is_some()) {
            // The cookie ends the handshake, also when both sides began one.
            (true, _, false) => {
                if self.state == State::Listen {
                    self.handshake.answered(now);
                }
                self.establish(cookie.peer, Some(now));
                self.want_cookie_ack();
            }
            // It came twice: our answer was lost.
            (true, true, true) => self.want_cookie_ack(),
            // The peer begins anew, over an association that it has forgotten.
            (false, false, true) if cookie.tie_tags == ties => {
                self.lose(AssociationError::Restarted);
            }
            (true, false, true) => self.lose(AssociationError::Restarted),
            _ => self.figures.dropped += 1,
        }
    }

    fn want_cookie_ack(&mut self) {
        self.control.cookie_ack = true;
        self.control.wanted = true;
    }

    /// The peer has our cookie.
    pub(super) fn on_cookie_ack(&mut self, now: Time) {
        if let (State::CookieEchoed, Some(peer)) = (self.state, self.peer) {
            self.handshake.answered(now);
            self.establish(peer, Some(now));
            self.consider_probe(now);
        }
    }

    /// An error report of the peer. Only one of them matters: our echo of its cookie came too late.
    pub(super) fn on_stale_cookie(&mut self) {
        if self.state != State::CookieEchoed || self.handshake.renewed {
            return;
        }
        self.handshake = Handshake {
            renewed: true,
            asked: 1,
            ..Handshake::default()
        };
        self.timers.handshake.stop();
        self.control.cookie_echo = false;
        self.peer = None;
        self.state = State::CookieWait;
        self.want_init();
    }

    /// Both sides know each other: data can flow.
    fn establish(&mut self, peer: PeerInfo, now: Option<Time>) {
        let rtt = self.handshake.rtt;
        self.handshake = Handshake::default();
        self.timers.handshake.stop();
        self.control.init = false;
        self.control.cookie_echo = false;
        let tuning = &self.setup.tuning;
        self.transfer = Some(Transfer {
            sender: Sender::new(SenderConfig {
                initial_tsn: self.local.initial_tsn,
                peer_window: peer.window,
                payload: self.setup.payload,
                forward_tsn: peer.forward_tsn,
                big_window_peer: peer.window > BIG_WINDOW,
                congestion: tuning.congestion,
                max_rate: tuning.max_rate,
                initial_rtt: rtt,
            }),
            receiver: Receiver::new(
                peer.initial_tsn,
                self.setup.receive_window,
                self.setup.max_receive_message,
                tuning.sack_delay,
            ),
        });
        if let (Some(now), Some(transfer)) = (now, &mut self.transfer) {
            transfer.sender.heard_peer();
            self.active_at = now;
            self.timers.heartbeat = Some(now + super::timers::IDLE);
        }
        self.resets.peer_begins(peer.initial_tsn);
        self.peer = Some(peer);
        self.state = State::Established;
        self.streams.connected();
        self.search_size();
        self.deadline_stale = true;
        self.figures.stale = true;
    }
}
