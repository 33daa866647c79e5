//! Fuzz bodies: any bytes in, invariants checked, never a panic of the code under test.
//! Compiled in ordinary builds; the corpora and the wrapper live in the `fuzz` folder of the workspace.

mod frames;
mod texts;

pub use frames::{assembler, rtp_payload};
pub use texts::{ice_url, sdp};

use crate::turn::framing::{Framer, NotTurn, padding};

/// A stream from a TURN server, behind a byte that says into what pieces it is cut: the pieces make no difference, and
/// messages and padding add up to what was read.
pub fn turn_stream(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let (messages, end) = framed(stream, stream.len().max(1));
    let (in_pieces, end_in_pieces) = framed(stream, usize::from(size).max(1));
    assert!(in_pieces == messages && end_in_pieces == end);
    let mut rest = stream;
    for message in &messages {
        assert!(rest.starts_with(message), "a message is what was read");
        rest = rest
            .get(message.len() + padding(message)..)
            .expect("the padding of a message came with it");
    }
    match (rest, end) {
        ([kind, ..], Err(NotTurn)) => assert!(kind >> 6 > 1, "refused without need"),
        ([kind, _, high, low, ..], Ok(())) => {
            let body = usize::from(u16::from_be_bytes([*high, *low]));
            let needed = match kind >> 6 {
                0 => 20 + body,
                _ => (4 + body).next_multiple_of(4),
            };
            assert!(rest.len() < needed, "a complete message was left");
        }
        (_, end) => assert_eq!(end, Ok(())),
    }
}

type Framed = (Vec<Vec<u8>>, Result<(), NotTurn>);

fn framed(stream: &[u8], size: usize) -> Framed {
    let (mut framer, mut messages) = (Framer::default(), Vec::new());
    let mut room = vec![0; stream.len()];
    for piece in stream.chunks(size) {
        if let Err(error) = framer.push(piece) {
            return (messages, Err(error));
        }
        loop {
            match framer.next(&mut room) {
                Ok(Some(len)) => messages.push(room[..len].to_vec()),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
    }
    (messages, Ok(()))
}
