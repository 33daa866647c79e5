//! Two cores on a virtual network, each with a camera that follows the track's target and a viewer that watches ages.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_testkit::{Datagram, Link, Node, Simulation};
use framewire_transport::__sans_io::{Local, PeerCore, Transmit};
use framewire_transport::{
    IncomingFrame, OutgoingFrame, PeerConfig, PeerEvent, VideoCodec, VideoConfig, VideoTrack,
};

use crate::frames::{encoded, number};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const FRAME: Duration = Duration::from_micros(33_333);
/// How much larger a keyframe is than the frames between.
const KEYFRAME: usize = 4;

/// Sends a frame every 33 ms at the rate the track asks for, as an encoder would.
pub(crate) struct Camera {
    pub(crate) on: bool,
    pub(crate) codec: VideoCodec,
    /// Fixed bytes a frame, instead of following the target.
    pub(crate) fixed: Option<usize>,
    next: Option<Instant>,
    number: u32,
    keyframe: bool,
    pub(crate) sent: u32,
    /// No room: the frame was not encoded.
    pub(crate) skipped: u32,
    pub(crate) refused: u32,
    pub(crate) keyframes: u32,
    pub(crate) captured: Vec<Instant>,
}

/// A frame as it was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) number: u32,
    pub(crate) at: Instant,
    pub(crate) keyframe: bool,
    pub(crate) contiguous: bool,
    pub(crate) bytes: usize,
    /// Nothing it depends on is missing.
    pub(crate) shown: bool,
}

pub(crate) struct Peer {
    pub(crate) core: PeerCore,
    pub(crate) camera: Camera,
    /// Take received frames.
    pub(crate) watch: bool,
    pub(crate) seen: Vec<Seen>,
    pub(crate) log: Vec<PeerEvent>,
    /// Take data and events.
    pub(crate) consume: bool,
    pub(crate) messages: Vec<Bytes>,
    /// Addresses of this peer that reach nobody and are reached by nobody any more.
    pub(crate) dead: Vec<SocketAddr>,
    out: Vec<Datagram>,
    now: Instant,
    showing: bool,
}

impl Peer {
    fn new(core: PeerCore, now: Instant) -> Peer {
        Peer {
            core,
            camera: Camera {
                on: false,
                codec: VideoCodec::Vp8,
                fixed: None,
                next: None,
                number: 0,
                keyframe: true,
                sent: 0,
                skipped: 0,
                refused: 0,
                keyframes: 0,
                captured: Vec::new(),
            },
            watch: true,
            seen: Vec::new(),
            log: Vec::new(),
            consume: true,
            messages: Vec::new(),
            dead: Vec::new(),
            out: Vec::new(),
            now,
            showing: false,
        }
    }

    pub(crate) fn track(&self) -> VideoTrack {
        self.core.video().expect("a video track")
    }

    pub(crate) fn is_open(&self) -> bool {
        self.core.channel("inference").is_some_and(|c| c.is_open())
    }

    fn capture(&mut self, now: Instant) {
        let camera = &mut self.camera;
        if !camera.on {
            camera.next = None;
            return;
        }
        let Some(track) = self.core.video() else {
            return;
        };
        while *camera.next.get_or_insert(now) <= now {
            let captured = camera
                .next
                .replace(camera.next.unwrap_or(now) + FRAME)
                .unwrap();
            camera.keyframe |= track.take_keyframe_request();
            if !track.has_room() {
                camera.skipped += 1;
                continue;
            }
            let usual = track.target_bitrate() as usize / 8 / 30;
            let mut size = camera.fixed.unwrap_or(usual).max(40);
            if camera.keyframe {
                size *= KEYFRAME;
            }
            let frame = OutgoingFrame {
                codec: camera.codec,
                data: encoded(camera.codec, camera.number, camera.keyframe, size),
                rtp_time: camera.number.wrapping_mul(3_000),
                captured,
            };
            match track.send(frame) {
                Ok(()) => {
                    camera.keyframes += u32::from(camera.keyframe);
                    camera.keyframe = false;
                    camera.captured.push(captured);
                    camera.number += 1;
                    camera.sent += 1;
                }
                Err(_) => {
                    camera.keyframe = true;
                    camera.refused += 1;
                }
            }
        }
    }

    fn look(&mut self, now: Instant) {
        let Some(track) = self.core.video() else {
            return;
        };
        while let Ok(Some(frame)) = track.try_recv() {
            self.saw(now, &frame);
        }
    }

    pub(crate) fn saw(&mut self, now: Instant, frame: &IncomingFrame) {
        assert!(frame.completed <= now && frame.first_packet <= frame.completed);
        let number = number(frame.codec, &frame.data);
        if let Some(last) = self.seen.last() {
            assert!(last.number < number, "out of order");
        }
        self.showing = frame.keyframe || (frame.contiguous && self.showing);
        self.seen.push(Seen {
            number,
            at: now,
            keyframe: frame.keyframe,
            contiguous: frame.contiguous,
            bytes: frame.data.len(),
            shown: self.showing,
        });
    }
}

impl Node for Peer {
    fn receive(&mut self, now: Instant, d: Datagram) {
        self.now = now;
        if self.dead.contains(&d.destination) {
            return;
        }
        let out = &mut self.out;
        let mut sink = |t: Transmit<'_>| out.push(copy(&t));
        self.core
            .receive(now, d.destination, d.source, &d.contents, &mut sink);
    }

    fn turn(&mut self, now: Instant, out: &mut dyn FnMut(Datagram)) {
        self.now = now;
        self.capture(now);
        let sent = &mut self.out;
        self.core.turn(now, &mut |t| sent.push(copy(&t)));
        let dead = &self.dead;
        sent.drain(..)
            .filter(|d| !dead.contains(&d.source))
            .for_each(out);
        self.core.finish();
        if self.watch {
            self.look(now);
        }
        while self.consume {
            match self.core.events().try_recv() {
                Ok(Some(PeerEvent::Message { data, .. })) => self.messages.push(data),
                Ok(Some(event)) => self.log.push(event),
                _ => break,
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let core = (!self.core.is_over()).then(|| self.core.deadline().max(self.now));
        let camera = self.camera.next.filter(|_| self.camera.on);
        [core, camera].into_iter().flatten().min()
    }
}

fn copy(t: &Transmit<'_>) -> Datagram {
    Datagram {
        source: t.source,
        destination: t.destination,
        contents: Bytes::copy_from_slice(t.contents),
    }
}

/// A whole ICE restart, at once: from now on the left side has this address.
pub(crate) fn restart(net: &mut Net, left: SocketAddr) {
    let now = net.now();
    let right = Local::new(vec![SocketAddr::from(([10, 0, 0, 2], 1111))]);
    let left = Local::new(vec![left]);
    let (half, offer) = net.left.core.restart_offer(&left).expect("it is up");
    let out = &mut net.right.out;
    let mut sink = |t: Transmit<'_>| out.push(copy(&t));
    let core = &mut net.right.core;
    let answer = core.restart_answer(now, &right, &offer, &mut sink);
    let out = &mut net.left.out;
    let mut sink = |t: Transmit<'_>| out.push(copy(&t));
    let core = &mut net.left.core;
    core.restart_apply(now, half, &answer.expect("answer"), &mut sink)
        .expect("apply");
}

pub(crate) type Net = Simulation<Peer, Peer>;

pub(crate) fn config(video: VideoConfig) -> PeerConfig {
    PeerConfig::default().with_video(video)
}

/// Connected over `link`, cameras off. The left side offers.
pub(crate) fn connected(seed: u64, link: Link, left: PeerConfig, right: PeerConfig) -> Net {
    tampered(seed, link, left, right, str::to_owned)
}

/// The same, with both descriptions changed on their way.
pub(crate) fn tampered(
    seed: u64,
    link: Link,
    left: PeerConfig,
    right: PeerConfig,
    tamper: impl Fn(&str) -> String,
) -> Net {
    let start = Instant::now();
    let local = |n| Local::new(vec![SocketAddr::from(([10, 0, 0, n], 1111))]);
    let left = left.with_channel("inference");
    let (l, r) = PeerCore::pair_through(
        start,
        (&left, &local(1)),
        (&right, &local(2)),
        &tamper,
        &tamper,
    )
    .expect("descriptions");
    let clean = Link::default().with_delay(link.delay);
    let (l, r) = (Peer::new(l, start), Peer::new(r, start));
    let mut net = Simulation::starting_at(start, seed, clean, l, r);
    net.run_until("the channel is open on both sides", 30 * SECOND, |l, r| {
        l.is_open() && r.is_open()
    });
    net.set_link(link);
    net
}

/// Both sides with the default video.
pub(crate) fn usual(seed: u64, link: Link) -> Net {
    let video = || config(VideoConfig::default());
    connected(seed, link, video(), video())
}

/// How a viewer fared between two moments.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) frames: usize,
    /// Of the frames sent in that time.
    pub(crate) share: f64,
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
    pub(crate) oldest: Duration,
    /// Longest time without a new picture.
    pub(crate) freeze: Duration,
    /// Bits a second.
    pub(crate) rate: u64,
}

/// What `viewer` saw of `camera` from `from` to `to`: only frames that could be shown count.
pub(crate) fn watched(viewer: &Peer, camera: &Camera, from: Instant, to: Instant) -> Watched {
    let captured: HashMap<u32, Instant> = (0..).zip(camera.captured.iter().copied()).collect();
    let within = |at: Instant| from <= at && at < to;
    let shown: Vec<&Seen> = viewer
        .seen
        .iter()
        .filter(|s| s.shown && within(s.at))
        .collect();
    let mut ages: Vec<Duration> = shown.iter().map(|s| s.at - captured[&s.number]).collect();
    ages.sort();
    let at = |share: f64| {
        let index = (ages.len() as f64 * share) as usize;
        ages.get(index.min(ages.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    let mut freeze = Duration::ZERO;
    let mut last = from;
    for time in shown.iter().map(|s| s.at).chain([to]) {
        freeze = freeze.max(time - last);
        last = time;
    }
    let sent = camera.captured.iter().filter(|at| within(**at)).count();
    let bytes: usize = viewer
        .seen
        .iter()
        .filter(|s| within(s.at))
        .map(|s| s.bytes)
        .sum();
    Watched {
        frames: shown.len(),
        share: shown.len() as f64 / sent.max(1) as f64,
        p50: at(0.5),
        p95: at(0.95),
        oldest: ages.last().copied().unwrap_or_default(),
        freeze,
        rate: (bytes as f64 * 8.0 / (to - from).as_secs_f64()) as u64,
    }
}
