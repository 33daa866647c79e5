//! Results whose pictures travel behind the JSON: every byte of the form, and what a reader refuses.

use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::chunk::{CHUNK_SIZE, split_result};
use framewire_protocol::encoding::gzip;
use framewire_protocol::incoming::{Body, DropReason, Incoming};
use framewire_protocol::raw::{RawBody, RawBodyError, RawPictures};

/// As `docs/protocol.md` shows it, in hex; what follows the header is a message with two pictures of 4 and 5 bytes.
const GOLDEN: &str = include_str!("golden/raw_image.hex");

const JSON: &str = r#"{"serialized_output_data":{"image":{"type":"raw","format":"jpeg","offset":0,"length":4,"video_metadata":{"frame_number":1}},"crops":[{"picture":{"type":"raw","format":"jpeg","offset":4,"length":5}},{"type":"other"}],"n":1},"video_metadata":{"frame_id":1,"received_at":"2026-01-02T03:04:05","pts":null,"time_base":null,"declared_fps":null,"measured_fps":null,"width":null,"height":null},"errors":[],"processing_complete":false,"termination_reason":null}"#;

const PICTURES: [&[u8]; 2] = [&[0xff, 0xd8, 0xff, 0xd9], &[0xff, 0xd8, 0, 0xff, 0xd9]];

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn body(json: &str, pictures: &[u8]) -> Vec<u8> {
    let length = u32::try_from(json.len()).unwrap().to_le_bytes();
    [b"FW\x01\x00", &length[..], json.as_bytes(), pictures].concat()
}

fn received(body: Vec<u8>) -> Result<Body, DropReason> {
    let mut incoming = Incoming::new();
    let mut last = Ok(None);
    for chunk in split_result(FrameId(7), Bytes::from(body), CHUNK_SIZE).unwrap() {
        assert!(matches!(last, Ok(None)));
        last = incoming.binary(chunk);
    }
    last.map(|body| body.expect("the last chunk completes it"))
}

#[test]
fn the_golden_bytes_are_what_is_written_and_what_is_read() {
    let mut pictures = RawPictures::default();
    let mut json = br#"{"serialized_output_data":{"image":"#.to_vec();
    pictures.add(&mut json, PICTURES[0]);
    json.extend_from_slice(br#","video_metadata":{"frame_number":1}},"crops":[{"picture":"#);
    pictures.add(&mut json, PICTURES[1]);
    let rest = JSON.split_once(r#""length":5"#).unwrap().1;
    json.extend_from_slice(rest.as_bytes());
    assert_eq!(std::str::from_utf8(&json).unwrap(), JSON);
    let golden = unhex(GOLDEN);
    assert_eq!(pictures.body(&json).unwrap(), golden);
    assert_eq!(body(JSON, &PICTURES.concat()), golden);

    let body = received(golden.clone()).unwrap();
    assert_eq!(body.json(), JSON);
    assert_eq!(body.header_frame(), Some(7));
    assert_eq!(body.weight(), golden.len() - 8);
    let message = body.message().unwrap();
    let image = body.piece(message.output("image").unwrap());
    assert_eq!(image.picture().unwrap(), PICTURES[0]);
    assert_eq!(
        image.with_base64(),
        r#"{"type":"base64","value":"/9j/2Q==","video_metadata":{"frame_number":1}}"#
    );
    let crops = body.piece(message.output("crops").unwrap());
    assert!(crops.has_pictures() && crops.picture().is_none());
    assert_eq!(
        crops.with_base64(),
        r#"[{"picture":{"type":"base64","value":"/9gA/9k="}},{"type":"other"}]"#
    );
    let number = body.piece(message.output("n").unwrap());
    assert!(!number.has_pictures());
    assert_eq!(
        (number.text(), number.with_base64()),
        (&"1".into(), "1".into())
    );
}

#[test]
fn ranges_that_reach_outside_or_overlap_are_a_counted_drop() {
    let two = |a: (u64, u64), b: (u64, u64)| {
        let picture = |(offset, length)| {
            format!(r#"{{"type":"raw","format":"jpeg","offset":{offset},"length":{length}}}"#)
        };
        let json = format!(
            r#"{{"serialized_output_data":{{"a":{},"b":{}}}}}"#,
            picture(a),
            picture(b)
        );
        RawBody::parse(&body(&json, &[0; 10]).into()).map(|body| body.picture_count())
    };
    for (a, b) in [
        ((0, 5), (5, 5)),
        ((5, 5), (0, 5)),
        ((0, 0), (0, 0)),
        ((9, 1), (0, 9)),
        ((10, 0), (0, 3)),
    ] {
        assert_eq!(two(a, b), Ok(2), "{a:?} {b:?}");
    }
    for (a, b) in [
        ((0, 5), (4, 5)),
        ((0, 5), (0, 5)),
        ((2, 1), (0, 10)),
        ((3, 0), (0, 10)),
    ] {
        assert_eq!(two(a, b), Err(RawBodyError::Overlap), "{a:?} {b:?}");
    }
    for (a, b) in [
        ((0, 11), (0, 0)),
        ((0, 5), (11, 0)),
        ((u64::MAX, 1), (0, 1)),
        ((1, u64::MAX), (0, 1)),
        ((10, 1), (0, 1)),
    ] {
        assert_eq!(two(a, b), Err(RawBodyError::Outside), "{a:?} {b:?}");
    }
}

#[test]
fn whatever_is_not_this_form_is_dropped_with_its_reason() {
    let good = body(JSON, &PICTURES.concat());
    let changed = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        bad
    };
    for (bad, reason) in [
        (changed(2, 2), DropReason::BadPictures),
        (changed(3, 1), DropReason::BadPictures),
        (changed(7, 1), DropReason::BadPictures),
        (good[..good.len() - 1].to_vec(), DropReason::BadPictures),
        (good[..100].to_vec(), DropReason::BadPictures),
        (good[..7].to_vec(), DropReason::BadPictures),
        (good[..2].to_vec(), DropReason::BadPictures),
        (body("[]", b""), DropReason::NotAnObject),
        (body("", b""), DropReason::NotAnObject),
        (
            body("{\"\u{fc}\":", b"")
                .into_iter()
                .filter(|byte| *byte != 0xbc)
                .collect(),
            DropReason::BadPictures,
        ),
        (body(&"[".repeat(1000), b""), DropReason::TooDeep),
        // Compressed it would be another form, which nobody sends.
        (gzip(&good), DropReason::NotUtf8),
    ] {
        assert_eq!(received(bad.clone()), Err(reason), "{bad:?}");
    }
    let mut not_utf8 = body("{\"x\":\"?\"}", b"");
    not_utf8[14] = 0xff;
    assert_eq!(received(not_utf8), Err(DropReason::NotUtf8));
    for message in [good.clone(), b"FW\x01\x00\x02\x00\x00\x00{}".to_vec()] {
        let error = Incoming::new().binary(message.into());
        assert!(error.is_err(), "only chunked");
    }
    // After any of them the next one is read.
    assert!(received(body("{}", b"unused")).is_ok());
}

#[test]
fn a_message_that_would_be_misread_is_not_written_this_way() {
    let mut pictures = RawPictures::default();
    let mut json = b"{\"a\":".to_vec();
    let first = pictures.add(&mut json, b"abc");
    json.extend_from_slice(b"},\"b\":");
    let mark = (pictures.mark(), json.len());
    assert_eq!(pictures.add_again(&mut json, first), 3..6);
    json.extend_from_slice(b"}}");
    let body = RawBody::parse(&pictures.body(&json).unwrap().into()).unwrap();
    assert_eq!((body.picture_count(), body.weight()), (2, json.len() + 6));

    // A picture whose output failed half-way leaves nothing behind.
    json.truncate(mark.1);
    json.extend_from_slice(b"1}");
    assert_eq!(pictures.body(&json), Err(RawBodyError::Ambiguous));
    pictures.cut(mark.0);
    assert!(pictures.body(&json).unwrap().ends_with(b"abc"));

    for stranger in [
        r#"{"type":"raw","format":"jpeg","offset":3,"length":0}"#,
        r#"{"type":"raw","format":"jpeg","offset":0,"length":3}"#,
        r#"{"type":"raw"}"#,
    ] {
        let odd = [&json[..json.len() - 2], stranger.as_bytes(), b"}"].concat();
        assert_eq!(
            pictures.body(&odd),
            Err(RawBodyError::Ambiguous),
            "{stranger}"
        );
    }
    pictures.clear();
    assert!(pictures.is_empty());
}
