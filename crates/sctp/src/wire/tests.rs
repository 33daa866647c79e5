//! Every chunk against bytes computed by hand, and what may not be read.
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

fn sample_init() -> Init {
    Init {
        tag: 0xdead_beef,
        a_rwnd: 0x0080_0000,
        outbound: 65535,
        inbound: 65534,
        initial_tsn: Tsn(0xffff_ff00),
        forward_tsn: true,
        reconfig: true,
        zero_checksum: None,
        unrecognized: Vec::new(),
    }
}

const INIT_FIXED: &str = "deadbeef 00800000 ffff fffe ffffff00";

#[test]
fn init_is_read_and_written_as_the_layout_says() {
    let text = format!("01 00 001e {INIT_FIXED} c000 0004 8008 0006 82c0 0000");
    let Chunk::Init(init) = one(&text) else {
        panic!()
    };
    assert_eq!(init, sample_init());
    assert_eq!(written(|b| b.push_init(&init)), hex(&text));
    let plain = Init {
        forward_tsn: false,
        reconfig: false,
        ..sample_init()
    };
    assert_eq!(
        written(|b| b.push_init(&plain)),
        hex(&format!("01 00 0014 {INIT_FIXED}"))
    );
}

#[test]
fn init_ack_carries_the_cookie_and_reports_parameters() {
    let text = format!(
        "02 00 0031 {INIT_FIXED} 0007 0007 010203 00 c000 0004 8008 0006 82c0 0000 0008 0009 c123 0005 77 000000"
    );
    let mut init = sample_init();
    init.unrecognized.push(Bytes::from(hex("c123 0005 77")));
    assert_eq!(written(|b| b.push_init_ack(&init, &[1, 2, 3])), hex(&text));
    let Chunk::InitAck(read, cookie) = one(&text) else {
        panic!()
    };
    assert_eq!(cookie[..], [1, 2, 3]);
    assert_eq!(read, sample_init());
    assert_eq!(
        read_error(&format!("02 00 0014 {INIT_FIXED}")),
        Malformed::NoCookie
    );
}

fn read_error(chunk: &str) -> Malformed {
    read(chunk).pop().unwrap().unwrap_err()
}

#[test]
fn init_with_values_that_make_no_association_is_refused() {
    let with = |fixed: &str| read_error(&format!("01 00 0014 {fixed}"));
    assert_eq!(
        with("00000000 00800000 ffff ffff 00000001"),
        Malformed::ZeroTag
    );
    assert_eq!(
        with("00000001 00800000 0000 ffff 00000001"),
        Malformed::ZeroStreams
    );
    assert_eq!(
        with("00000001 00800000 ffff 0000 00000001"),
        Malformed::ZeroStreams
    );
    assert_eq!(
        read_error("01 00 0010 00000001 00800000 ffff ffff"),
        Malformed::Length
    );
}

#[test]
fn unknown_parameters_are_treated_as_their_upper_bits_say() {
    // Type, whether what follows is still read, whether it is reported.
    for (kind, goes_on, reported) in [
        ("0123", false, false),
        ("4123", false, true),
        ("8123", true, false),
        ("c123", true, true),
    ] {
        let text = format!("01 00 0020 {INIT_FIXED} {kind} 0005 77 000000 c000 0004");
        let Chunk::Init(init) = one(&text) else {
            panic!()
        };
        assert_eq!(init.forward_tsn, goes_on, "{kind}");
        let expected: Vec<Bytes> = match reported {
            true => vec![Bytes::from(hex(&format!("{kind} 0005 77")))],
            false => Vec::new(),
        };
        assert_eq!(init.unrecognized, expected, "{kind}");
    }
}

#[test]
fn known_parameters_without_effect_are_neither_reported_nor_an_end() {
    for kind in [
        "0005", "0006", "0009", "000b", "000c", "8000", "8002", "8003", "8004",
    ] {
        let text = format!("01 00 0020 {INIT_FIXED} {kind} 0008 00000000 c000 0004");
        let Chunk::Init(init) = one(&text) else {
            panic!()
        };
        assert!(init.forward_tsn && init.unrecognized.is_empty(), "{kind}");
    }
}

#[test]
fn a_flood_of_unknown_parameters_keeps_only_a_few() {
    let many = "c123 0004 ".repeat(1000);
    let text = format!("01 00 {:04x} {INIT_FIXED} {many}", 20 + 4000);
    let Chunk::Init(init) = one(&text) else {
        panic!()
    };
    assert_eq!(init.unrecognized.len(), 16);
}

#[test]
fn zero_checksum_is_read_and_written() {
    let text = format!("01 00 001c {INIT_FIXED} 8001 0008 00000001");
    let Chunk::Init(init) = one(&text) else {
        panic!()
    };
    assert_eq!(init.zero_checksum, Some(1));
    let only = Init {
        forward_tsn: false,
        reconfig: false,
        zero_checksum: Some(1),
        ..sample_init()
    };
    assert_eq!(written(|b| b.push_init(&only)), hex(&text));
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

#[test]
fn unknown_chunks_say_what_to_do_with_them() {
    for (kind, stop, report) in [
        (0x0f, true, false),
        (0x40, true, true),
        (0x81, false, false),
        (0xc2, false, true),
    ] {
        let Chunk::Unknown(unknown) = one(&format!("{kind:02x} 07 0005 aa 000000")) else {
            panic!()
        };
        assert_eq!(unknown.rule, Unrecognized { stop, report });
        assert_eq!(unknown.chunk[..], [kind, 7, 0, 5, 0xaa]);
    }
}

#[test]
fn chunks_of_a_packet_come_in_order_and_share_the_datagram() {
    let data = "00 03 0011 00000001 0000 0000 00000035 61 000000";
    let chunks = read(&format!(
        "0b 00 0004 {data} 03 00 0010 00000001 00010000 0000 0000"
    ));
    assert!(matches!(
        &chunks[..],
        [Ok(Chunk::CookieAck), Ok(Chunk::Data(_)), Ok(Chunk::Sack(_))]
    ));
    let parsed = Packet::parse(packet(&format!("0b 00 0004 {data}"))).unwrap();
    let first = (parsed.first_kind(), parsed.first_flags());
    assert_eq!((parsed.count, first, parsed.tag), (2, (11, 0), 0x0102_0304));
}

#[test]
fn a_packet_for_another_port_is_refused() {
    let mut datagram = packet("0b 00 0004");
    datagram[3] ^= 1;
    datagram[8..12].fill(0);
    let sum = crc_fast::crc32_iscsi(&datagram).to_le_bytes();
    datagram[8..12].copy_from_slice(&sum);
    assert_eq!(Packet::parse(datagram).unwrap_err(), Malformed::Port);
}

/// The data of the only DATA chunk, and whether they lie in the datagram itself.
fn data_and_place(packet: Vec<u8>) -> (Bytes, bool) {
    let range = packet.as_ptr_range();
    let mut chunks = Packet::parse(packet).unwrap().chunks();
    let data = chunks.find_map(|chunk| match chunk {
        Ok(Chunk::Data(data)) => Some(data.payload),
        _ => None,
    });
    let data = data.unwrap();
    let inside = range.contains(&data.as_ptr());
    (data, inside)
}

#[test]
fn data_are_slices_of_the_datagram_unless_they_would_keep_much_else_of_it() {
    let full = format!(
        "00 03 047c 00000001 0000 0000 00000035 {}",
        "5a".repeat(1132)
    );
    let sack = "03 00 0010 00000001 00010000 0000 0000";
    let gaps = format!(
        "03 00 0060 00000001 00010000 0014 0000 {}",
        "00020002".repeat(20)
    );
    let tiny = "00 03 0011 00000001 0000 0000 00000035 61 000000";
    for (chunks, slice) in [
        (full.clone(), true),
        (format!("{sack} {full}"), true),
        (format!("{full} {sack}"), true),
        (format!("{gaps} {full}"), false),
        (tiny.to_owned(), true),
        (format!("{tiny} {}", "81 00 0004".repeat(20)), false),
    ] {
        let (data, inside) = data_and_place(packet(&chunks));
        assert_eq!(inside, slice, "{chunks}");
        assert!(data[..] == *b"a" || data[..] == [0x5a; 1132]);
    }
}

#[test]
fn framing_that_does_not_fit_drops_the_whole_packet() {
    let error = |chunks: &str| Packet::parse(packet(chunks)).unwrap_err();
    assert_eq!(error(""), Malformed::Short);
    assert_eq!(error("0b 00 00"), Malformed::Short);
    assert_eq!(error("0b 00 0003"), Malformed::Length);
    assert_eq!(error("0b 00 0000"), Malformed::Length);
    assert_eq!(error("0b 00 0008"), Malformed::Length);
    assert_eq!(error("0b 00 0004 0b 00"), Malformed::Length);
    assert_eq!(error("0b 00 0004 0b 00 0005"), Malformed::Length);
    assert_eq!(
        error("00 03 0010 00000001 0000 0000 00000035"),
        Malformed::NoUserData
    );
    assert_eq!(
        error("00 03 000c 00000001 0000 0000 00000035"),
        Malformed::Length
    );
    // Padding that is missing at the end is forgiven.
    let Chunk::CookieEcho(cookie) = one("0a 00 0005 77") else {
        panic!()
    };
    assert_eq!(cookie[..], [0x77]);
}

#[test]
fn checksum_follows_the_published_vectors() {
    let vectors: [(Vec<u8>, u32); 5] = [
        (vec![0; 32], 0x8a91_36aa),
        (vec![0xff; 32], 0x62a8_ab43),
        ((0..32).collect(), 0x46dd_794e),
        ((0..32).rev().collect(), 0x113f_db5c),
        (b"123456789".to_vec(), 0xe306_9283),
    ];
    for (bytes, sum) in vectors {
        assert_eq!(packet::checksum(&bytes), sum);
    }
}

#[test]
fn a_packet_with_any_flipped_bit_is_refused() {
    let good = packet("00 03 0014 00000001 0000 0000 00000035 61626364");
    assert!(Packet::parse(good.clone()).is_ok());
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Packet::parse(bad).unwrap_err(), Malformed::Checksum);
    }
}

#[test]
fn a_push_that_does_not_fit_writes_nothing() {
    let mut builder = Builder::new(1, 12 + 16 + 8);
    assert_eq!(builder.remaining(), 24);
    let header = DataHeader {
        tsn: Tsn(1),
        stream: 0,
        ssn: Ssn(0),
        ppi: 53,
        begin: true,
        end: true,
        unordered: false,
        immediate: false,
    };
    assert!(!builder.push_data(&header, &[0; 9]));
    assert!(!builder.push_heartbeat(&[0; 17]));
    assert!(!builder.push_sack(Tsn(1), 0, [(2, 2), (4, 4), (6, 6)].into_iter(), &[]));
    assert!(!builder.push_heartbeat_ack(&[0; 70_000]));
    assert!(builder.is_empty());
    assert!(builder.push_data(&header, &[0; 8]));
    assert_eq!(builder.remaining(), 0);
    assert!(!builder.push_cookie_ack());
    assert_eq!(builder.finish().len(), 36);
}

#[test]
fn a_chunk_longer_than_a_length_field_can_say_is_not_written() {
    let mut builder = Builder::new(1, 1 << 20);
    assert!(!builder.push_cookie_echo(&[0; 70_000]));
    assert!(!builder.push_error(&[Cause::UnrecognizedChunk(&[0; 65_535])]));
    assert!(builder.is_empty());
}

#[test]
fn snap_token_is_an_init_chunk_without_a_packet() {
    let text = format!("01 00 001e {INIT_FIXED} c000 0004 8008 0006 82c0");
    assert_eq!(snap::token(&sample_init()), hex(&text));
    assert_eq!(snap::parse(&hex(&text)).unwrap(), sample_init());
    // Padding at the end is neither needed nor wrong.
    assert_eq!(
        snap::parse(&hex(&format!("{text} 0000"))).unwrap(),
        sample_init()
    );
}

#[test]
fn snap_token_with_values_that_make_no_association_is_refused() {
    use snap::BadToken;
    let error = |text: &str| snap::parse(&hex(text)).unwrap_err();
    let fixed = |fixed: &str| error(&format!("01 00 0014 {fixed}"));
    assert_eq!(
        fixed("00000000 00800000 ffff ffff 00000001"),
        BadToken::Malformed(Malformed::ZeroTag)
    );
    assert_eq!(
        fixed("00000001 00800000 0000 ffff 00000001"),
        BadToken::Malformed(Malformed::ZeroStreams)
    );
    assert_eq!(
        fixed("00000001 00800000 ffff ffff 00000000"),
        BadToken::ZeroTsn
    );
    assert_eq!(
        fixed("00000001 000005db ffff ffff 00000001"),
        BadToken::SmallWindow
    );
    assert!(snap::parse(&hex("01 00 0014 00000001 000005dc ffff ffff 00000001")).is_ok());
    assert_eq!(
        error("02 00 0014 00000001 000005dc ffff ffff 00000001"),
        BadToken::NotInit
    );
    assert_eq!(error(""), BadToken::Malformed(Malformed::Length));
    assert_eq!(error("01 00 0014"), BadToken::Malformed(Malformed::Length));
    assert_eq!(
        error("01 00 0014 00000001 000005dc ffff ffff 00000001 01 00 0004"),
        BadToken::Malformed(Malformed::Length)
    );
    assert_eq!(snap::parse(&[1; 2049]).unwrap_err(), BadToken::Long);
}
