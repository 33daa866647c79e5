//! The worked examples of the wire format, byte for byte.

use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::chunk::{CHUNK_SIZE, ChunkReassembler, split_result};
use framewire_protocol::incoming::Incoming;
use framewire_protocol::upload::create_video_upload_chunk;

fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    pairs.collect()
}

fn split(frame: u64, body: &'static [u8], chunk_size: usize) -> Vec<Bytes> {
    split_result(FrameId(frame), Bytes::from_static(body), chunk_size)
        .unwrap()
        .collect()
}

#[test]
fn one_chunk() {
    let message = bytes("01000000 00000000 01000000 7b2261223a317d");
    assert_eq!(split(1, b"{\"a\":1}", CHUNK_SIZE)[0], message);
    let body = Incoming::new().binary(message).unwrap().unwrap();
    assert_eq!(
        (body.json().as_ref(), body.header_frame()),
        (b"{\"a\":1}".as_ref(), Some(1))
    );
}

#[test]
fn two_chunks_cut_five_and_two() {
    let first = bytes("07000000 00000000 02000000 7b2261223a");
    let second = bytes("07000000 01000000 02000000 317d");
    assert_eq!(split(7, b"{\"a\":1}", 5), [first.clone(), second.clone()]);
    let mut reassembler = ChunkReassembler::new();
    assert_eq!(reassembler.add_chunk(first), Ok(None));
    assert_eq!(
        reassembler.add_chunk(second),
        Ok(Some((Bytes::from_static(b"{\"a\":1}"), 7)))
    );
}

#[test]
fn integers_are_little_endian() {
    let mut reassembler = ChunkReassembler::new();
    assert_eq!(
        reassembler.add_chunk(bytes("04030201 05000000 0b0a0000")),
        Ok(None)
    );
    let error = reassembler
        .add_chunk(bytes("04030201 0b0a0000 0b0a0000"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("frame {} has a chunk {} of {}", 0x0102_0304, 0x0a0b, 0x0a0b)
    );
}

#[test]
fn gzip_is_known_by_its_magic() {
    let message =
        "02000000 00000000 01000000 1f8b0800000000000003ab564a54b232ac0500afac1b5607000000";
    let body = Incoming::new().binary(bytes(message)).unwrap().unwrap();
    assert_eq!(body.json().as_ref(), b"{\"a\":1}");
}

#[test]
fn upload_headers() {
    let data = [0, 0, 0, 0x18, 0x66, 0x74, 0x79, 0x70];
    let first = create_video_upload_chunk(0, 3, &data).unwrap();
    assert_eq!(first, bytes("00000000 03000000 0000001866747970"));
    assert_eq!(
        create_video_upload_chunk(1, 3, b"").unwrap(),
        bytes("01000000 03000000")
    );
}

#[test]
fn the_largest_messages_have_the_promised_sizes() {
    let body = Bytes::from(vec![0; CHUNK_SIZE]);
    assert_eq!(
        split_result(FrameId(1), body.clone(), CHUNK_SIZE)
            .unwrap()
            .next()
            .unwrap()
            .len(),
        49_164
    );
    assert_eq!(
        create_video_upload_chunk(0, 1, &body).unwrap().len(),
        49_160
    );
}
