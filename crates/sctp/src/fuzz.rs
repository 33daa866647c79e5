//! Fuzz bodies: any bytes in, a panic when something does not hold.
//! Not tests by themselves; they are run over corpora, and by coverage-guided tools.
mod association;
mod network;
mod receiver;
mod sender;

pub use association::association;
pub use network::network;
pub use receiver::receiver;
pub use sender::sender;

use crate::cookie::{Cookie, Key, PeerInfo};
use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::{Builder, Cause, Chunk, DataHeader, HEADER, Packet, ReconfigParam, snap};

/// The chunks of a packet, without the common header: parsed, and if they can be written again, written and parsed to the same.
pub fn packet(input: &[u8]) {
    let mut datagram = vec![0x13, 0x88, 0x13, 0x88, 1, 2, 3, 4, 0, 0, 0, 0];
    datagram.extend_from_slice(input);
    // A wrong checksum lets nothing through, whatever follows.
    let _ = Packet::parse(datagram.clone());
    let sum = crc_fast::crc32_iscsi(&datagram).to_le_bytes();
    datagram[8..HEADER].copy_from_slice(&sum);
    let Ok(packet) = Packet::parse(datagram) else {
        return;
    };
    assert!(packet.count > 0 && packet.count <= input.len().div_ceil(4));
    assert_eq!(packet.first_kind(), input[0]);
    let mut count = 0;
    let expected = packet.count;
    for chunk in packet.chunks() {
        count += 1;
        if let Ok(chunk) = chunk {
            look(&chunk);
            again(&chunk);
        }
    }
    assert_eq!(count, expected);
}

/// A SNAP token: read, and if it is one, written and read to the same.
pub fn snap_token(input: &[u8]) {
    if let Ok(init) = snap::parse(input) {
        assert!(init.tag != 0 && init.initial_tsn.0 != 0 && init.a_rwnd >= 1500);
        assert!(init.outbound > 0 && init.inbound > 0);
        let mut expected = init.clone();
        expected.unrecognized.clear();
        assert_eq!(snap::parse(&snap::token(&init)).ok(), Some(expected));
    }
}

/// A cookie of any bytes is refused; one that was sealed opens to the same; with one bit changed it does not.
pub fn cookie(input: &[u8]) {
    let key = Key::new([7; 32]);
    assert_eq!(key.open(input), None);
    let at = |place: usize| input.get(place).copied().map_or(0, u32::from) << (place % 24);
    let cookie = Cookie {
        made: Time(u64::from(at(0)) << 20),
        local_tag: at(1),
        local_tsn: Tsn(at(2)),
        peer: PeerInfo {
            tag: at(3),
            initial_tsn: Tsn(at(4)),
            window: at(5),
            inbound: at(6) as u16,
            forward_tsn: at(7) & 1 != 0,
            reconfig: at(8) & 1 != 0,
        },
        tie_tags: (at(9), at(10)),
    };
    let mut sealed = key.seal(&cookie);
    assert_eq!(key.open(&sealed), Some(cookie));
    let bit = at(11) as usize % (sealed.len() * 8);
    sealed[bit / 8] ^= 1 << (bit % 8);
    assert_eq!(key.open(&sealed), None);
}

/// Visits everything that is read lazily.
fn look(chunk: &Chunk) {
    match chunk {
        Chunk::Sack(sack) => {
            assert_eq!(sack.blocks().count(), sack.block_count());
            assert_eq!(sack.duplicates().count(), sack.duplicate_count());
            assert!(
                sack.offsets()
                    .all(|(first, last)| 0 < first && first <= last)
            );
        }
        Chunk::Abort { causes, .. } | Chunk::Error(causes) => {
            assert!(causes.to_string().chars().count() < 200);
            let _ = (causes.stale_cookie(), causes.iter().count());
        }
        Chunk::ForwardTsn(forward) => drop(forward.streams().count()),
        Chunk::Data(data) => assert!(!data.payload.is_empty()),
        _ => {}
    }
}

/// Writes the chunk and reads it again, if its kind is one that is sent from here.
fn again(chunk: &Chunk) {
    let mut builder = Builder::new(7, usize::from(u16::MAX));
    let params: Vec<ReconfigParam>;
    let written = match chunk {
        Chunk::Data(data) => builder.push_data(
            &DataHeader {
                tsn: data.tsn,
                stream: data.stream,
                ssn: data.ssn,
                ppi: data.ppi,
                begin: data.begin,
                end: data.end,
                unordered: data.unordered,
                immediate: data.immediate,
            },
            &data.payload,
        ),
        Chunk::Init(init) => {
            let mut init = init.clone();
            init.unrecognized.clear();
            assert!(builder.push_init(&init));
            let Some(Ok(Chunk::Init(read))) = first(builder) else {
                panic!("INIT became something else");
            };
            assert_eq!(read, init);
            return;
        }
        Chunk::InitAck(init, cookie) => {
            if !builder.push_init_ack(init, cookie) {
                return;
            }
            let Some(Ok(Chunk::InitAck(read, again))) = first(builder) else {
                panic!("INIT ACK became something else");
            };
            assert_eq!((read.tag, &again), (init.tag, cookie));
            return;
        }
        Chunk::Sack(sack) => {
            let duplicates: Vec<_> = sack.duplicates().collect();
            builder.push_sack(sack.cumulative, sack.a_rwnd, sack.offsets(), &duplicates)
        }
        Chunk::Heartbeat(value) | Chunk::HeartbeatAck(value) => {
            builder.push_heartbeat_ack(value);
            return;
        }
        Chunk::Abort { no_tag, .. } => builder.push_abort(*no_tag, &[]),
        Chunk::Shutdown { cumulative } => builder.push_shutdown(*cumulative),
        Chunk::ShutdownAck => builder.push_shutdown_ack(),
        Chunk::ShutdownComplete { no_tag } => builder.push_shutdown_complete(*no_tag),
        Chunk::Error(_) => return,
        Chunk::CookieEcho(cookie) => builder.push_cookie_echo(cookie),
        Chunk::CookieAck => builder.push_cookie_ack(),
        Chunk::Reconfig(reconfig) => {
            params = reconfig.clone().into_params().collect();
            builder.push_reconfig(&params)
        }
        Chunk::ForwardTsn(forward) => {
            let streams: Vec<_> = forward.streams().collect();
            builder.push_forward_tsn(forward.cumulative, streams.into_iter())
        }
        Chunk::Unknown(unknown) => {
            assert!(unknown.chunk.len() >= 4);
            builder.push_error(&[Cause::UnrecognizedChunk(&unknown.chunk)]);
            return;
        }
    };
    assert!(written, "what fitted one packet fits another");
    let Some(Ok(read)) = first(builder) else {
        panic!("{chunk:?} cannot be read again");
    };
    if !matches!(chunk, Chunk::Abort { .. }) {
        assert_eq!(format!("{read:?}"), format!("{chunk:?}"));
    }
}

/// The first chunk of a finished packet.
fn first(builder: Builder) -> Option<Result<Chunk, crate::wire::Malformed>> {
    Packet::parse(builder.finish()).ok()?.chunks().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes for the bodies whose plans have a fixed size: an endless row of inputs, always the same for a seed.
    pub(super) fn inputs(seed: u64, len: usize) -> impl Iterator<Item = Vec<u8>> {
        let mut state = seed;
        let mut byte = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) as u8
        };
        std::iter::repeat_with(move || (0..len).map(|_| byte()).collect())
    }

    /// SplitMix64.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn every_message_of_a_plan_is_read_once_whatever_the_network_does() {
        for seed in 0..3000 {
            let mut state = seed;
            let len = random(&mut state) as usize % 900;
            let input: Vec<u8> = (0..len).map(|_| random(&mut state) as u8).collect();
            let run = std::panic::catch_unwind(|| receiver(&input));
            assert!(run.is_ok(), "seed {seed}");
        }
    }
}
