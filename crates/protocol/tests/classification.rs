//! What becomes of each kind of message on the `inference` channel.

use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::chunk::{CHUNK_SIZE, MAX_INCOMPLETE_FRAMES, split_result};
use framewire_protocol::encoding::{MAX_BODY_BYTES, gzip};
use framewire_protocol::incoming::{DropReason, Incoming};

const BODY: &[u8] = b"{\"errors\": [\"a\"], \"padding\": \"0123456789\"}";

fn chunk(frame: u32, index: u32, total: u32, payload: &[u8]) -> Bytes {
    let mut message: Vec<u8> = [frame, index, total]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    message.extend_from_slice(payload);
    message.into()
}

fn binary(message: impl Into<Bytes>) -> Result<Bytes, DropReason> {
    Incoming::new()
        .binary(message.into())
        .map(|body| body.expect("complete").json().clone())
}

#[test]
fn text_and_short_binary_are_json_as_they_stand() {
    let body = Incoming::new()
        .text(Bytes::from_static(BODY))
        .unwrap()
        .unwrap();
    assert_eq!(
        (body.message().unwrap().errors, body.header_frame()),
        (vec!["a".to_owned()], None)
    );
    assert_eq!(binary(&b"{\"a\": 1}"[..]).unwrap(), &b"{\"a\": 1}"[..]);
    assert_eq!(binary(&b"{}"[..]).unwrap(), &b"{}"[..]);
}

#[test]
fn unchunked_binary_json_is_taken_as_it_stands() {
    assert_eq!(binary(BODY).unwrap(), BODY);
    assert_eq!(binary(&b"{\"a\": [1, 2, 3}"[..]), Err(DropReason::BadChunk));
}

#[test]
fn everything_that_closes_the_original_is_a_counted_drop() {
    let corrupt = |at: usize| {
        let mut stream = gzip(BODY);
        stream[at] ^= 0x40;
        chunk(1, 0, 1, &stream)
    };
    let table = [
        (chunk(1, 0, 1, b"[1, 2]"), DropReason::NotAnObject),
        (chunk(1, 0, 1, b"\"text\""), DropReason::NotAnObject),
        (chunk(1, 0, 1, b"5"), DropReason::NotAnObject),
        (chunk(1, 0, 1, b""), DropReason::NotAnObject),
        (
            chunk(1, 0, 1, b"{\"a\": \"\xff\xfe\"}"),
            DropReason::NotUtf8,
        ),
        (chunk(1, 0, 1, b"\x1f\x8b"), DropReason::BadGzip),
        (chunk(1, 0, 1, &gzip(BODY)[..20]), DropReason::BadGzip),
        (corrupt(12), DropReason::BadGzip),
        (chunk(1, 0, 1, &gzip(b"[]")), DropReason::NotAnObject),
        (chunk(1, 5, 2, b"{}"), DropReason::BadChunk),
        (chunk(1, 0, 0, b"{}"), DropReason::BadChunk),
        (chunk(1, 0, 5000, b"{}"), DropReason::BadChunk),
        (Bytes::from_static(b"[1]"), DropReason::NotAnObject),
        (Bytes::from_static(b"\xff\xff"), DropReason::NotUtf8),
        (Bytes::new(), DropReason::NotAnObject),
        (
            chunk(1, 0, 1, format!("{{\"a\":{}", "[".repeat(200)).as_bytes()),
            DropReason::TooDeep,
        ),
    ];
    for (message, reason) in table {
        assert_eq!(binary(message.clone()), Err(reason), "{message:?}");
    }
}

#[test]
fn invalid_json_in_an_object_is_dropped_when_it_is_read() {
    let body = Incoming::new()
        .text(Bytes::from_static(b"{\"a\": }"))
        .unwrap()
        .unwrap();
    assert_eq!(body.message().unwrap_err(), DropReason::NotAnObject);
}

#[test]
fn a_gzip_body_of_many_chunks_is_joined_then_unpacked() {
    let text: String = (0..40_000).map(|n| format!("{:x}", n * 7919)).collect();
    let json = format!("{{\"text\": \"{text}\"}}");
    let mut incoming = Incoming::new();
    let mut body = None;
    let stream = Bytes::from(gzip(json.as_bytes()));
    let messages = split_result(FrameId(3), stream, CHUNK_SIZE).unwrap();
    assert!(messages.len() > 1);
    for message in messages {
        assert!(body.is_none());
        body = incoming.binary(message).unwrap();
    }
    assert_eq!(body.unwrap().json(), json.as_bytes());
    assert_eq!(incoming.held_bytes(), 0);
}

#[test]
fn a_gzip_bomb_is_refused_before_it_is_unpacked() {
    let bomb = gzip(&vec![b' '; MAX_BODY_BYTES + 1]);
    assert!(bomb.len() < 2 * 1024 * 1024);
    assert_eq!(binary(chunk(1, 0, 1, &bomb)), Err(DropReason::TooLarge));
}

#[test]
fn evictions_are_reported_once() {
    let mut incoming = Incoming::new();
    for frame in 0..MAX_INCOMPLETE_FRAMES as u32 + 3 {
        assert_eq!(incoming.binary(chunk(frame, 0, 2, b"{")), Ok(None));
    }
    assert_eq!((incoming.take_evicted(), incoming.take_evicted()), (3, 0));
}

#[test]
fn a_bad_message_does_not_disturb_a_frame_being_collected() {
    let mut incoming = Incoming::new();
    assert_eq!(incoming.binary(chunk(1, 0, 2, b"{\"a\"")), Ok(None));
    assert_eq!(
        incoming.binary(chunk(2, 9, 2, b"x")),
        Err(DropReason::BadChunk)
    );
    assert_eq!(
        incoming.text(Bytes::from_static(b"nonsense")),
        Err(DropReason::NotAnObject)
    );
    let body = incoming.binary(chunk(1, 1, 2, b": 1}")).unwrap().unwrap();
    assert_eq!(body.json().as_ref(), b"{\"a\": 1}");
}
