//! Fuzz bodies of received video: RTP payloads alone, and packets on their way back into frames.
//! Packets are either arbitrary, or those of known frames, late, twice or never.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::video::packet::{MAX_PAYLOAD, Packetizer, Place, is_key, join, place};
use crate::video::{Assembler, IncomingFrame, Packet, VideoCodec};

/// Longest wait for a missing packet.
const LONGEST_WAIT: Duration = Duration::from_millis(400);
const MS: Duration = Duration::from_millis(1);

fn codec(bit: u8) -> VideoCodec {
    if bit & 1 == 0 {
        VideoCodec::Vp8
    } else {
        VideoCodec::H264
    }
}

/// A byte for the codec, then payloads, each behind one byte of length. The same bytes are a frame to be cut, too.
pub fn rtp_payload(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else {
        return;
    };
    let codec = codec(first);
    let (mut payloads, mut rest, mut total) = (Vec::new(), data, 0);
    while let Some((&len, tail)) = rest.split_first() {
        let (payload, tail) = tail.split_at(usize::from(len).min(tail.len()));
        let (_, _) = (place(codec, payload), is_key(codec, payload));
        total += payload.len();
        payloads.push(payload);
        rest = tail;
    }
    if let Some(joined) = join(codec, payloads.iter().copied()) {
        assert!(!joined.data.is_empty());
        assert!(joined.data.len() <= 2 * total + 4 * payloads.len());
        match codec {
            VideoCodec::Vp8 => assert_eq!(place(codec, payloads[0]), Place::Head),
            VideoCodec::H264 => assert!(joined.data.starts_with(&[0, 0, 0, 1])),
        }
    }
    cut_and_join(codec, data);
}

fn cut_and_join(codec: VideoCodec, frame: &[u8]) {
    let mut packetizer = Packetizer::new(u16::MAX);
    let mut cut = |frame: &[u8]| {
        let payloads = packetizer.cut(codec, &Bytes::copy_from_slice(frame));
        assert!(
            payloads
                .iter()
                .all(|p| !p.is_empty() && p.len() <= MAX_PAYLOAD)
        );
        payloads
    };
    let payloads = cut(frame);
    let joined = join(codec, payloads.iter().map(Vec::as_slice));
    match (codec, joined) {
        (VideoCodec::Vp8, joined) => assert_eq!(joined.map_or(vec![], |j| j.data), frame),
        // Units of kinds that only exist inside RTP do not come back.
        (VideoCodec::H264, None) => {}
        (VideoCodec::H264, Some(once)) => {
            if let Some(twice) = join(codec, cut(&once.data).iter().map(Vec::as_slice)) {
                assert!(once.data.len() >= twice.data.len());
            }
        }
    }
}

/// A byte that says what kind of packets, then what happens to them.
pub fn assembler(data: &[u8]) {
    match data.split_first() {
        Some((&how, rest)) if how & 2 == 0 => arbitrary(codec(how), rest),
        Some((&how, rest)) => known(codec(how), rest),
        None => {}
    }
}

/// Takes out every frame there is, and checks what must hold afterwards.
fn drain(assembler: &mut Assembler, now: Instant, at_most: usize) -> Vec<IncomingFrame> {
    let mut frames = Vec::new();
    while let Some(frame) = assembler.poll(now) {
        assert!(!frame.data.is_empty());
        assert!(frame.first_packet <= frame.completed && frame.completed <= now);
        frames.push(frame);
        assert!(frames.len() <= at_most, "more frames than packets");
    }
    if let Some(deadline) = assembler.deadline() {
        assert!(deadline > now && deadline <= now + LONGEST_WAIT);
        assert!(assembler.doubtful_at().is_some_and(|at| at <= deadline));
    }
    let _ = assembler.wants_keyframe(now);
    frames
}

/// Packets whose number, time, marker and payload come from the bytes.
fn arbitrary(codec: VideoCodec, mut data: &[u8]) {
    let (mut assembler, mut now) = (Assembler::new(), Instant::now());
    let (mut seq, mut time) = (1_000_u64, 0_u32);
    let (mut packets, mut bytes_in, mut bytes_out, mut frames) = (0, 0, 0, 0);
    while let [flags, step, len, rest @ ..] = data {
        let (payload, rest) = rest.split_at(usize::from(len % 64).min(rest.len()));
        data = rest;
        if *flags == 0xff {
            assembler.restart();
        } else if *flags >= 0xf0 {
            assembler.set_rtt(MS * u32::from(*step));
        }
        now += MS * u32::from(flags >> 4 & 3) * 20;
        seq = match flags >> 2 & 3 {
            0 => seq + 1,
            1 => seq,
            2 => seq + u64::from(*step),
            _ => seq.saturating_sub(u64::from(*step)),
        };
        time = time.wrapping_add(u32::from(flags >> 1 & 1) * 3_000);
        assembler.packet(Packet {
            seq,
            rtp_time: time,
            marker: flags & 1 == 1,
            codec,
            payload: payload.into(),
            received: now,
        });
        packets += 1;
        bytes_in += payload.len();
        for frame in drain(&mut assembler, now, packets) {
            bytes_out += frame.data.len();
            frames += 1;
        }
        assert!(assembler.held() <= packets);
    }
    let _ = drain(&mut assembler, now + LONGEST_WAIT, packets);
    assert_eq!(
        assembler.deadline(),
        None,
        "nothing is waited for any longer"
    );
    assert!(bytes_out <= 2 * bytes_in + 4 * packets);
    let losses = assembler.take_losses();
    assert!(frames as u64 + losses.late + losses.malformed + losses.overflowed <= packets as u64);
}

/// A frame whose bytes tell its number; every eighth is a keyframe.
fn frame(codec: VideoCodec, index: usize, size: usize) -> Vec<u8> {
    let key = index.is_multiple_of(8);
    let body = (0..size + 2).map(|n| ((n + index) % 250) as u8 + 3);
    let mut frame = Vec::new();
    match (codec, key) {
        (VideoCodec::Vp8, _) => frame.push(u8::from(!key)),
        (VideoCodec::H264, true) => frame.extend_from_slice(&[
            0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4, 5, 0, 0, 0, 1, 0x65, 0x88,
        ]),
        (VideoCodec::H264, false) => frame.extend_from_slice(&[0, 0, 0, 1, 0x41, 0x9a]),
    }
    frame.extend(body);
    frame
}

/// Packets of known frames. A byte for their number, that many sizes, then a byte for each event. Whatever comes out is
/// one of them, in order, and `contiguous` is true.
fn known(codec: VideoCodec, data: &[u8]) {
    let Some((&count, data)) = data.split_first() else {
        return;
    };
    let (sizes, events) = data.split_at(usize::from(count % 32).min(data.len()));
    let mut packetizer = Packetizer::new(0);
    let (mut sent, mut packets) = (Vec::new(), Vec::new());
    for (index, size) in sizes.iter().enumerate() {
        let frame = Bytes::from(frame(codec, index, usize::from(*size) * 20));
        let payloads = packetizer.cut(codec, &frame);
        let last = payloads.len() - 1;
        for (n, payload) in payloads.into_iter().enumerate() {
            packets.push((index, n == last, payload));
        }
        sent.push(frame);
    }
    let mut run = Run::new(codec, sent);
    let (mut next, mut kept_back) = (0, Vec::new());
    for event in events {
        let value = usize::from(event >> 2);
        match event & 3 {
            0 if next < packets.len() => {
                run.arrives(next, &packets[next]);
                // Some arrive twice.
                if value == 63 {
                    run.arrives(next, &packets[next]);
                }
                next += 1;
            }
            1 if next < packets.len() => {
                kept_back.push(next);
                next += 1;
            }
            2 if !kept_back.is_empty() => {
                let at = kept_back.remove(value % kept_back.len());
                run.arrives(at, &packets[at]);
            }
            3 => {
                run.now += MS * (event >> 2).into();
                run.drain();
            }
            _ => {}
        }
    }
    let complete = !events.iter().any(|event| event & 3 == 1);
    for (at, packet) in packets.iter().enumerate().skip(next) {
        run.arrives(at, packet);
    }
    if complete {
        assert_eq!(run.got, run.sent.len(), "all frames come if all packets do");
    }
}

fn time_of(index: usize) -> u32 {
    (u32::MAX - 9_000).wrapping_add(index as u32 * 3_000)
}

/// An assembler, what it should give, and what it gave.
struct Run {
    codec: VideoCodec,
    assembler: Assembler,
    sent: Vec<Bytes>,
    now: Instant,
    last: Option<usize>,
    got: usize,
}

impl Run {
    fn new(codec: VideoCodec, sent: Vec<Bytes>) -> Run {
        Run {
            codec,
            assembler: Assembler::new(),
            sent,
            now: Instant::now(),
            last: None,
            got: 0,
        }
    }

    fn arrives(&mut self, at: usize, (index, marker, payload): &(usize, bool, Vec<u8>)) {
        self.assembler.packet(Packet {
            seq: 70 + at as u64,
            rtp_time: time_of(*index),
            marker: *marker,
            codec: self.codec,
            payload: payload.as_slice().into(),
            received: self.now,
        });
        self.drain();
    }

    fn drain(&mut self) {
        for frame in drain(&mut self.assembler, self.now, self.sent.len()) {
            let index = (self.last.map_or(0, |last| last + 1)..self.sent.len())
                .find(|index| time_of(*index) == frame.rtp_time)
                .expect("frames come in order, each at most once");
            let sent = &self.sent[index];
            let whole = frame.data == *sent;
            // Without its parameter sets a picture is still decoded, with those of before.
            let without = self.codec == VideoCodec::H264 && sent.ends_with(&frame.data);
            assert!(whole || (without && !frame.contiguous));
            assert!(!frame.keyframe || index.is_multiple_of(8));
            assert_eq!(frame.codec, self.codec);
            if frame.contiguous {
                assert_eq!(self.last.map(|last| last + 1), Some(index));
            }
            self.last = Some(index);
            self.got += 1;
        }
    }
}
