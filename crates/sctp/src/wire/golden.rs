//! Packets that others made, kept with their meaning in words; and ours, which others read.
//! Not made here but for ours: `scripts/golden-sctp.py` says how.
use std::fmt::Write as _;

use bytes::Bytes;

use super::*;
use crate::serial::{Rsn, Ssn, Tsn};

const AIORTC: &str = include_str!("../../tests/golden/aiortc.txt");
const DCSCTP: &str = include_str!("../../tests/golden/dcsctp.txt");
const OURS: &str = include_str!("../../tests/golden/framewire.txt");

/// Tag of the packets of ours.
const TAG: u32 = 0xDEAD_BEEF;

/// Name, packet and words of each line.
fn lines(file: &str) -> impl Iterator<Item = (&str, Vec<u8>, &str)> {
    file.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut fields = line.split(" | ");
            let mut field = || fields.next().expect("three fields");
            let (name, hex, words) = (field(), field(), field());
            (name, bytes(hex), words)
        })
}

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items
        .map(|item| item.to_string())
        .collect::<Vec<_>>()
        .join(",")
}

fn params(value: &Bytes) -> String {
    list(items(value.clone()).map(|item| {
        let (kind, item) = item.expect("a list that can be read");
        format!("{kind}:{}", hex(&item[TLV..]))
    }))
}

/// One chunk in words.
fn describe(chunk: Chunk) -> String {
    let text = match chunk {
        Chunk::Data(data) => {
            let flags: String = [
                (data.immediate, 'i'),
                (data.unordered, 'u'),
                (data.begin, 'b'),
                (data.end, 'e'),
            ]
            .into_iter()
            .filter_map(|(set, name)| set.then_some(name))
            .collect();
            format!(
                "DATA tsn={} stream={} ssn={} ppi={} flags={flags} payload={}",
                data.tsn.0,
                data.stream,
                data.ssn.0,
                data.ppi,
                hex(&data.payload)
            )
        }
        Chunk::Init(init) => format!("INIT {}", describe_init(&init)),
        Chunk::InitAck(init, cookie) => {
            format!("INIT-ACK {} cookie={}", describe_init(&init), hex(&cookie))
        }
        Chunk::Sack(sack) => format!(
            "SACK tsn={} window={} gaps={} duplicates={}",
            sack.cumulative.0,
            sack.a_rwnd,
            list(
                sack.offsets()
                    .map(|(first, last)| format!("{first}-{last}"))
            ),
            list(sack.duplicates().map(|tsn| tsn.0))
        ),
        Chunk::Heartbeat(value) => format!("HEARTBEAT {}", params(&value)),
        Chunk::HeartbeatAck(value) => format!("HEARTBEAT-ACK {}", params(&value)),
        Chunk::Abort { no_tag, causes } => {
            format!("ABORT flags={} {}", u8::from(no_tag), params(&causes.0))
        }
        Chunk::Error(causes) => format!("ERROR {}", params(&causes.0)),
        Chunk::Shutdown { cumulative } => format!("SHUTDOWN tsn={}", cumulative.0),
        Chunk::ShutdownAck => "SHUTDOWN-ACK".into(),
        Chunk::ShutdownComplete { no_tag } => {
            format!("SHUTDOWN-COMPLETE flags={}", u8::from(no_tag))
        }
        Chunk::CookieEcho(cookie) => format!("COOKIE-ECHO {}", hex(&cookie)),
        Chunk::CookieAck => "COOKIE-ACK".into(),
        Chunk::ForwardTsn(forward) => format!(
            "FORWARD-TSN tsn={} streams={}",
            forward.cumulative.0,
            list(
                forward
                    .streams()
                    .map(|(stream, ssn)| format!("{stream}:{}", ssn.0))
            )
        ),
        Chunk::Reconfig(reconfig) => {
            let params: Vec<String> = reconfig.into_params().map(describe_param).collect();
            format!("RECONFIG {}", params.join(" "))
        }
        Chunk::Unknown(unknown) => format!("UNKNOWN type={}", unknown.chunk[0]),
    };
    text.trim_end().to_owned()
}

fn describe_init(init: &Init) -> String {
    format!(
        "tag={} window={} out={} in={} tsn={} forward={} reconfig={}",
        init.tag,
        init.a_rwnd,
        init.outbound,
        init.inbound,
        init.initial_tsn.0,
        u8::from(init.forward_tsn),
        u8::from(init.reconfig)
    )
}

fn describe_param(param: ReconfigParam) -> String {
    match param {
        ReconfigParam::OutgoingReset {
            request,
            response,
            last_tsn,
            streams,
        } => format!(
            "reset={} answers={} last={} streams={}",
            request.0,
            response.0,
            last_tsn.0,
            list(streams.iter())
        ),
        ReconfigParam::IncomingReset { request, streams } => {
            format!("ask={} streams={}", request.0, list(streams.iter()))
        }
        ReconfigParam::TsnReset { request } => format!("all={}", request.0),
        ReconfigParam::Response { request, result } => {
            format!("answer={} result={}", request.0, u32::from(result))
        }
        ReconfigParam::AddOutgoing { request } => format!("add={}", request.0),
        ReconfigParam::AddIncoming { request } => format!("add-incoming={}", request.0),
    }
}

/// Reads each packet of a file and compares it with its words; says how many there are.
fn check(file: &str) -> usize {
    let mut count = 0;
    for (name, packet, words) in lines(file) {
        let packet = Packet::parse(packet).unwrap_or_else(|error| panic!("{name}: {error}"));
        let read: Vec<String> = packet
            .chunks()
            .map(|chunk| describe(chunk.unwrap_or_else(|error| panic!("{name}: {error}"))))
            .collect();
        assert_eq!(read.join("; "), words, "{name}");
        count += 1;
    }
    count
}

#[test]
fn packets_of_aiortc_are_read_as_it_means_them() {
    assert_eq!(check(AIORTC), 33);
}

#[test]
fn packets_of_dcsctp_are_read_as_it_means_them() {
    assert!(check(DCSCTP) >= 20);
}

#[test]
fn packets_of_ours_are_written_as_they_were_when_others_read_them() {
    check(OURS);
    let kept: Vec<(&str, Vec<u8>)> = lines(OURS)
        .map(|(name, packet, _)| (name, packet))
        .collect();
    let written = ours();
    // To renew the file after a wanted change: take what this prints, and let `golden-sctp.py check` read it.
    let mut text = String::new();
    for (name, packet) in &written {
        let chunks = Packet::parse(packet.clone()).expect("our own").chunks();
        let words: Vec<String> = chunks
            .map(|chunk| describe(chunk.expect("our own")))
            .collect();
        writeln!(text, "{name} | {} | {}", hex(packet), words.join("; "))
            .expect("a string takes all");
    }
    assert!(kept == written, "the packets are now\n{text}");
}

/// One packet of each kind that is sent.
fn ours() -> Vec<(&'static str, Vec<u8>)> {
    type Push<'a> = Box<dyn FnOnce(&mut Builder) -> bool + 'a>;
    let header = DataHeader {
        tsn: Tsn(u32::MAX),
        stream: 7,
        ssn: Ssn(65_535),
        ppi: 53,
        begin: true,
        end: true,
        unordered: false,
        immediate: false,
    };
    let init = Init {
        tag: 0x0102_0304,
        a_rwnd: 8 << 20,
        outbound: 65_535,
        inbound: 65_535,
        initial_tsn: Tsn(u32::MAX - 4),
        forward_tsn: true,
        reconfig: true,
        unrecognized: vec![Bytes::from_static(&[0xC1, 0x23, 0, 5, 0x77])],
    };
    let full: Vec<u8> = (0..1132).map(|at| (at % 251) as u8).collect();
    let reset = ReconfigParam::OutgoingReset {
        request: Rsn(u32::MAX),
        response: Rsn(17),
        last_tsn: Tsn(99),
        streams: [1, 3, 65_534].into_iter().collect(),
    };
    let answer = ReconfigParam::Response {
        request: Rsn(4),
        result: ReconfigResult::Performed,
    };
    let both = [answer.clone(), reset.clone()];
    let duplicates = [Tsn(u32::MAX), Tsn(0)];
    let blocks = [(2, 3), (5, 5), (100, 65_535)];
    let part = DataHeader {
        end: false,
        ..header
    };
    let last = DataHeader {
        begin: false,
        unordered: true,
        immediate: true,
        ..header
    };
    let packets: Vec<(&'static str, Push<'_>)> = vec![
        ("data", Box::new(|b| b.push_data(&header, b"hello"))),
        ("data_full", Box::new(|b| b.push_data(&part, &full))),
        ("data_last_part", Box::new(|b| b.push_data(&last, b"abc"))),
        ("init", Box::new(|b| b.push_init(&init))),
        (
            "init_ack",
            Box::new(|b| b.push_init_ack(&init, b"a cookie")),
        ),
        (
            "sack",
            Box::new(|b| b.push_sack(Tsn(9), 1 << 20, [].into_iter(), &[])),
        ),
        (
            "sack_gaps",
            Box::new(|b| b.push_sack(Tsn(u32::MAX), 0, blocks.into_iter(), &duplicates)),
        ),
        ("heartbeat", Box::new(|b| b.push_heartbeat(b"info"))),
        (
            "heartbeat_ack",
            Box::new(|b| b.push_heartbeat_ack(&[0, 1, 0, 9, 1, 2, 3, 4, 5])),
        ),
        (
            "abort",
            Box::new(|b| b.push_abort(false, &[Cause::UserAbort("bye")])),
        ),
        ("abort_without_cause", Box::new(|b| b.push_abort(true, &[]))),
        (
            "error",
            Box::new(|b| {
                let chunk = [0xC7, 0, 0, 4];
                b.push_error(&[Cause::UnrecognizedChunk(&chunk), Cause::StaleCookie(9)])
            }),
        ),
        ("shutdown", Box::new(|b| b.push_shutdown(Tsn(5)))),
        ("shutdown_ack", Box::new(Builder::push_shutdown_ack)),
        (
            "shutdown_complete",
            Box::new(|b| b.push_shutdown_complete(true)),
        ),
        ("cookie_echo", Box::new(|b| b.push_cookie_echo(b"12345"))),
        ("cookie_ack", Box::new(Builder::push_cookie_ack)),
        (
            "forward_tsn",
            Box::new(|b| {
                let streams = [(1, Ssn(65_535)), (2, Ssn(0))];
                b.push_forward_tsn(Tsn(u32::MAX), streams.into_iter())
            }),
        ),
        (
            "reset",
            Box::new(|b| b.push_reconfig(std::slice::from_ref(&reset))),
        ),
        ("answer_and_reset", Box::new(|b| b.push_reconfig(&both))),
        (
            "bundle",
            Box::new(|b| {
                b.push_cookie_ack()
                    && b.push_sack(Tsn(9), 1 << 20, [(2, 2)].into_iter(), &[])
                    && b.push_data(&last, b"abc")
                    && b.push_data(&header, b"hello")
            }),
        ),
    ];
    packets
        .into_iter()
        .map(|(name, push)| {
            let mut builder = Builder::new(TAG, 1200);
            assert!(push(&mut builder), "{name}");
            (name, builder.finish())
        })
        .collect()
}
