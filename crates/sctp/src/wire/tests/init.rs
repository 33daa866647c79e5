//! INIT, INIT ACK, their parameters, and SNAP tokens.
//! Not the other chunks.
use super::*;

fn sample_init() -> Init {
    Init {
        tag: 0xdead_beef,
        a_rwnd: 0x0080_0000,
        outbound: 65535,
        inbound: 65534,
        initial_tsn: Tsn(0xffff_ff00),
        forward_tsn: true,
        reconfig: true,
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
fn an_offer_to_do_without_checksums_is_not_taken_up_and_not_reported() {
    let text = format!("01 00 001c {INIT_FIXED} 8001 0008 00000001");
    let Chunk::Init(init) = one(&text) else {
        panic!()
    };
    let plain = Init {
        forward_tsn: false,
        reconfig: false,
        ..sample_init()
    };
    assert_eq!(init, plain);
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
