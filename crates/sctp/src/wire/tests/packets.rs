//! Packets as a whole: framing, checksum, what does not fit, and where the data lie.
//! Not what single chunks say.
use super::*;

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
