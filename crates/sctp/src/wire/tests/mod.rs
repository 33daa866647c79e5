//! Every chunk against bytes computed by hand.
//! Not whole packets and not INIT, which have files of their own.
mod init;
mod packets;

use bytes::Bytes;

use super::*;
use crate::serial::{Rsn, Ssn, Tsn};

/// Hex text with blanks to bytes.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A packet around chunks given in hex, with a right checksum.
fn packet(chunks: &str) -> Vec<u8> {
    let mut packet = hex("1388 1388 01020304 00000000");
    packet.extend(hex(chunks));
    let sum = crc_fast::crc32_iscsi(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&sum);
    packet
}

/// The chunks of a packet around chunks given in hex.
fn read(chunks: &str) -> Vec<Result<Chunk, Malformed>> {
    Packet::parse(packet(chunks)).unwrap().chunks().collect()
}

/// The only chunk.
fn one(chunk: &str) -> Chunk {
    let mut chunks = read(chunk);
    assert_eq!(chunks.len(), 1);
    chunks.pop().unwrap().unwrap()
}

/// What one `push` writes, without the common header.
fn written(push: impl FnOnce(&mut Builder) -> bool) -> Vec<u8> {
    let mut builder = Builder::new(0x0102_0304, 1200);
    assert!(push(&mut builder));
    let packet = builder.finish();
    assert!(Packet::parse(packet.clone()).is_ok());
    packet[HEADER..].to_vec()
}

#[test]
fn data_is_read_and_written_as_the_layout_says() {
    let text = "00 0b 0013 fffffffe 0102 fffd 00000035 616263 00";
    let Chunk::Data(data) = one(text) else {
        panic!()
    };
    let expected = Data {
        tsn: Tsn(0xffff_fffe),
        stream: 0x0102,
        ssn: Ssn(0xfffd),
        ppi: 53,
        begin: true,
        end: true,
        unordered: false,
        immediate: true,
        payload: Bytes::from_static(b"abc"),
    };
    assert_eq!(data, expected);
    let header = DataHeader {
        tsn: data.tsn,
        stream: data.stream,
        ssn: data.ssn,
        ppi: data.ppi,
        begin: true,
        end: true,
        unordered: false,
        immediate: true,
    };
    assert_eq!(written(|b| b.push_data(&header, b"abc")), hex(text));
    for (flags, pick) in [
        ("01", (false, true, false, false)),
        ("02", (true, false, false, false)),
        ("04", (false, false, true, false)),
        ("08", (false, false, false, true)),
        ("f0", (false, false, false, false)),
    ] {
        let text = format!("00 {flags} 0014 00000001 0000 0000 00000033 61626364");
        let Chunk::Data(data) = one(&text) else {
            panic!()
        };
        let seen = (data.begin, data.end, data.unordered, data.immediate);
        assert_eq!(seen, pick, "flags {flags}");
    }
}

fn read_error(chunk: &str) -> Malformed {
    read(chunk).pop().unwrap().unwrap_err()
}

#[test]
fn sack_is_read_and_written_as_the_layout_says() {
    let text = "03 00 0020 fffffffe 00010000 0002 0002 0002 0003 0005 0005 00000001 fffffff0";
    let Chunk::Sack(sack) = one(text) else {
        panic!()
    };
    assert_eq!((sack.cumulative, sack.a_rwnd), (Tsn(u32::MAX - 1), 65536));
    let blocks: Vec<_> = sack.blocks().collect();
    assert_eq!(blocks, [(Tsn(0), Tsn(1)), (Tsn(3), Tsn(3))]);
    let duplicates: Vec<_> = sack.duplicates().collect();
    assert_eq!(duplicates, [Tsn(1), Tsn(0xffff_fff0)]);
    assert_eq!((sack.block_count(), sack.duplicate_count()), (2, 2));
    let out = written(|b| b.push_sack(sack.cumulative, sack.a_rwnd, sack.offsets(), &duplicates));
    assert_eq!(out, hex(text));
}

#[test]
fn sack_whose_counts_or_blocks_are_wrong_is_refused() {
    assert_eq!(
        read_error("03 00 0010 00000001 00010000 0001 0000"),
        Malformed::Length
    );
    assert_eq!(
        read_error("03 00 0010 00000001 00010000 0000 ffff"),
        Malformed::Length
    );
    assert_eq!(
        read_error("03 00 000c 00000001 00010000"),
        Malformed::Length
    );
    assert_eq!(
        read_error("03 00 0014 00000001 00010000 0001 0000 0000 0001"),
        Malformed::GapBlock
    );
    assert_eq!(
        read_error("03 00 0014 00000001 00010000 0001 0000 0005 0004"),
        Malformed::GapBlock
    );
}

#[test]
fn sack_of_900_blocks_and_of_60000_duplicates_are_read() {
    let blocks: String = (0..900)
        .map(|i| format!("{:04x}{:04x}", 2 * i + 2, 2 * i + 2))
        .collect();
    let text = format!(
        "03 00 {:04x} 00000000 00010000 0384 0000 {blocks}",
        16 + 3600
    );
    let Chunk::Sack(sack) = one(&text) else {
        panic!()
    };
    assert_eq!(sack.block_count(), 900);
    assert_eq!(sack.blocks().last(), Some((Tsn(1800), Tsn(1800))));
    // The most a chunk can hold; more do not fit a length field.
    let most = (65532 - 16) / 4;
    let duplicates = "00000007".repeat(most);
    let text = format!("03 00 fffc 00000000 00010000 0000 {most:04x} {duplicates}");
    let Chunk::Sack(sack) = one(&text) else {
        panic!()
    };
    assert_eq!(sack.duplicate_count(), most);
}

#[test]
fn small_control_chunks_are_read_and_written_as_the_layouts_say() {
    type Push = fn(&mut Builder) -> bool;
    let list: [(&str, Push); 10] = [
        ("05 00 0009 0001000501 000000", |b| {
            b.push_heartbeat_ack(&[0, 1, 0, 5, 1])
        }),
        ("04 00 000b 0001 0007 010203 00", |b| {
            b.push_heartbeat(&[1, 2, 3])
        }),
        ("07 00 0008 fffffffe", |b| {
            b.push_shutdown(Tsn(u32::MAX - 1))
        }),
        ("08 00 0004", Builder::push_shutdown_ack),
        ("0e 00 0004", |b| b.push_shutdown_complete(false)),
        ("0e 01 0004", |b| b.push_shutdown_complete(true)),
        ("0a 00 0007 010203 00", |b| b.push_cookie_echo(&[1, 2, 3])),
        ("0b 00 0004", Builder::push_cookie_ack),
        ("06 01 0004", |b| b.push_abort(true, &[])),
        ("c0 00 000c fffffffe 0003 fffd", |b| {
            b.push_forward_tsn(Tsn(u32::MAX - 1), [(3, Ssn(0xfffd))].into_iter())
        }),
    ];
    for (text, push) in list {
        assert_eq!(written(push), hex(text), "{text}");
    }
    assert!(matches!(one(list[0].0), Chunk::HeartbeatAck(v) if v[..] == [0, 1, 0, 5, 1]));
    assert!(matches!(one(list[1].0), Chunk::Heartbeat(v) if v[..] == [0, 1, 0, 7, 1, 2, 3]));
    assert!(
        matches!(one(list[2].0), Chunk::Shutdown { cumulative } if cumulative == Tsn(u32::MAX - 1))
    );
    assert!(matches!(one(list[3].0), Chunk::ShutdownAck));
    assert!(matches!(
        one(list[4].0),
        Chunk::ShutdownComplete { no_tag: false }
    ));
    assert!(matches!(
        one(list[5].0),
        Chunk::ShutdownComplete { no_tag: true }
    ));
    assert!(matches!(one(list[6].0), Chunk::CookieEcho(v) if v[..] == [1, 2, 3]));
    assert!(matches!(one(list[7].0), Chunk::CookieAck));
    assert!(matches!(one(list[8].0), Chunk::Abort { no_tag: true, .. }));
    let Chunk::ForwardTsn(forward) = one(list[9].0) else {
        panic!()
    };
    assert_eq!(forward.cumulative, Tsn(u32::MAX - 1));
    assert_eq!(forward.streams().collect::<Vec<_>>(), [(3, Ssn(0xfffd))]);
    assert_eq!(read_error("c0 00 0006 0000 0000"), Malformed::Length);
    assert_eq!(read_error("07 00 0004"), Malformed::Length);
}

#[test]
fn error_causes_are_told_in_words() {
    for (causes, words) in [
        ("0001 0008 0009 0000", "invalid stream"),
        (
            "0002 000a 00000001 0007 0000",
            "missing mandatory parameter",
        ),
        ("0003 0008 00000007", "stale cookie"),
        ("0004 0004", "out of resource"),
        ("0005 0004", "unresolvable address"),
        ("0006 0008 40000004", "unrecognized chunk type 64"),
        ("0007 0004", "invalid mandatory parameter"),
        ("0008 0008 c123 0004", "unrecognized parameters"),
        ("0009 0008 00000007", "no user data in chunk 7"),
        ("000a 0004", "cookie received while shutting down"),
        ("000b 0004", "restart with new addresses"),
        ("000c 0007 627965 00", "aborted by the application: bye"),
        ("000d 0006 6e6f 0000", "protocol violation: no"),
        ("0063 0004", "error cause 99"),
        ("0001 0003 0000", "no cause given"),
    ] {
        let value = hex(causes);
        let chunk = format!("09 00 {:04x} {causes}", 4 + value.len());
        let Chunk::Error(causes) = one(&chunk) else {
            panic!()
        };
        assert_eq!(causes.to_string(), words);
        assert_eq!(causes.stale_cookie(), words == "stale cookie");
    }
}

#[test]
fn error_causes_are_written_as_the_layouts_say() {
    for (cause, text) in [
        (Cause::StaleCookie(7), "09 00 000c 0003 0008 00000007"),
        (
            Cause::UnrecognizedChunk(&[0x40, 0, 0, 5, 9]),
            "09 00 000d 0006 0009 4000000509 000000",
        ),
        (Cause::UserAbort("bye"), "09 00 000b 000c 0007 627965 00"),
        (
            Cause::ProtocolViolation("no"),
            "09 00 000a 000d 0006 6e6f 0000",
        ),
    ] {
        assert_eq!(written(|b| b.push_error(&[cause])), hex(text));
    }
    // Two causes: the padding between them counts, the last one's does not.
    let out = written(|b| b.push_abort(false, &[Cause::UserAbort("a"), Cause::UserAbort("b")]));
    assert_eq!(
        out,
        hex("06 00 0011 000c 0005 61 000000 000c 0005 62 000000")
    );
}

#[test]
fn words_of_a_peer_are_cut_and_cleaned() {
    let long = "a\u{7}b\n".repeat(400);
    let mut builder = Builder::new(1, 4000);
    assert!(builder.push_abort(false, &[Cause::UserAbort(&long)]));
    let chunk = Packet::parse(builder.finish())
        .unwrap()
        .chunks()
        .next()
        .unwrap()
        .unwrap();
    let Chunk::Abort { causes, .. } = chunk else {
        panic!()
    };
    let words = causes.to_string();
    assert!(words.chars().count() < 160, "{words}");
    assert!(!words.chars().any(char::is_control));
    let Chunk::Abort { causes, .. } = one("06 00 0004") else {
        panic!()
    };
    assert_eq!(causes.to_string(), "no cause given");
}

#[test]
fn reconfig_is_read_and_written_as_the_layouts_say() {
    let cases: [(Vec<ReconfigParam>, &str); 6] = [
        (
            vec![ReconfigParam::OutgoingReset {
                request: Rsn(0xffff_ffff),
                response: Rsn(2),
                last_tsn: Tsn(3),
                streams: [4, 0xfffe, 5].into_iter().collect(),
            }],
            "82 00 001a 000d 0016 ffffffff 00000002 00000003 0004 fffe 0005 0000",
        ),
        (
            vec![ReconfigParam::IncomingReset {
                request: Rsn(1),
                streams: StreamIds::default(),
            }],
            "82 00 000c 000e 0008 00000001",
        ),
        (
            vec![ReconfigParam::TsnReset { request: Rsn(1) }],
            "82 00 000c 000f 0008 00000001",
        ),
        (
            vec![ReconfigParam::Response {
                request: Rsn(9),
                result: ReconfigResult::InProgress,
            }],
            "82 00 0010 0010 000c 00000009 00000006",
        ),
        (
            vec![ReconfigParam::AddOutgoing { request: Rsn(1) }],
            "82 00 0010 0011 000c 00000001 0000 0000",
        ),
        (
            vec![
                ReconfigParam::OutgoingReset {
                    request: Rsn(1),
                    response: Rsn(2),
                    last_tsn: Tsn(3),
                    streams: [4].into_iter().collect(),
                },
                ReconfigParam::Response {
                    request: Rsn(7),
                    result: ReconfigResult::Other(99),
                },
            ],
            "82 00 0024 000d 0012 00000001 00000002 00000003 0004 0000 0010 000c 00000007 00000063",
        ),
    ];
    for (params, text) in cases {
        assert_eq!(written(|b| b.push_reconfig(&params)), hex(text), "{text}");
        let Chunk::Reconfig(reconfig) = one(text) else {
            panic!()
        };
        assert_eq!(reconfig.into_params().collect::<Vec<_>>(), params);
    }
    // A response may carry two further numbers.
    let Chunk::Reconfig(long) = one("82 00 0018 0010 0014 00000009 00000001 00000001 00000002")
    else {
        panic!()
    };
    let expected = ReconfigParam::Response {
        request: Rsn(9),
        result: ReconfigResult::Performed,
    };
    assert_eq!(long.into_params().collect::<Vec<_>>(), [expected]);
    for bad in [
        "82 00 0004",
        "82 00 0010 000d 000c 00000001 00000002",
        "82 00 000d 000e 0009 00000001 01 000000",
        "82 00 000c 0063 0008 00000001",
        "82 00 000c 0010 0008 00000001",
        "82 00 000c 000d 0014 00000001",
    ] {
        assert_eq!(read_error(bad), Malformed::Length, "{bad}");
    }
}

#[test]
fn every_result_of_a_reset_keeps_its_number() {
    for value in 0..10 {
        assert_eq!(u32::from(ReconfigResult::from(value)), value);
    }
}
