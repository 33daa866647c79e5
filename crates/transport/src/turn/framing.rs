//! Messages on a stream to a TURN server: STUN messages, and channel data padded to four bytes (RFC 8656, 12.5).
//! Only lengths are looked at. The TURN crate neither writes nor skips the padding, so it is given whole messages.

/// What a stream may hold of a message that is not complete: the largest one and a read.
const MAX_BUFFERED: usize = 96 * 1024;
/// Room for the largest message.
pub(crate) const MESSAGE_ROOM: usize = STUN_HEADER + 65_535;
const STUN_HEADER: usize = 20;
const CHANNEL_HEADER: usize = 4;

/// The stream is not TURN.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotTurn;

#[derive(Debug, Default)]
pub(crate) struct Framer {
    bytes: Vec<u8>,
    start: usize,
}

impl Framer {
    /// Adds what was read. A caller takes all complete messages out before it reads again.
    pub(crate) fn push(&mut self, read: &[u8]) -> Result<(), NotTurn> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        if self.bytes.len() + read.len() > MAX_BUFFERED {
            return Err(NotTurn);
        }
        self.bytes.extend_from_slice(read);
        Ok(())
    }

    /// Whether there is a part of a message.
    pub(crate) fn holds_part(&self) -> bool {
        self.bytes.len() > self.start
    }

    /// Copies the next complete message to the front of `message`, without padding, and says how long it is; `None`
    /// when there is none yet.
    pub(crate) fn next(&mut self, message: &mut [u8]) -> Result<Option<usize>, NotTurn> {
        let rest = &self.bytes[self.start..];
        let &[kind, _, high, low, ..] = rest else {
            return Ok(None);
        };
        let body = usize::from(u16::from_be_bytes([high, low]));
        let (len, taken) = match kind >> 6 {
            0 => (STUN_HEADER + body, STUN_HEADER + body),
            1 => (
                CHANNEL_HEADER + body,
                (CHANNEL_HEADER + body).next_multiple_of(4),
            ),
            _ => return Err(NotTurn),
        };
        if rest.len() < taken {
            return Ok(None);
        }
        message
            .get_mut(..len)
            .ok_or(NotTurn)?
            .copy_from_slice(&rest[..len]);
        self.start += taken;
        Ok(Some(len))
    }
}

/// Zeros that must follow a message of this kind and length on a stream.
pub(crate) fn padding(message: &[u8]) -> usize {
    match message.first() {
        Some(kind) if kind >> 6 == 1 => message.len().next_multiple_of(4) - message.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(len: u8) -> Vec<u8> {
        let mut bytes = vec![0x40, 1, 0, len];
        bytes.extend((0..len).map(|n| n | 0x80));
        bytes
    }

    fn stun(len: u8) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, len];
        bytes.resize(STUN_HEADER + usize::from(len), 7);
        bytes
    }

    #[test]
    fn messages_come_out_whole_however_the_stream_is_cut() {
        let sent = [
            channel(1),
            stun(0),
            channel(4),
            channel(0),
            stun(8),
            channel(7),
        ];
        let mut stream = Vec::new();
        for message in &sent {
            stream.extend_from_slice(message);
            stream.resize(stream.len() + padding(message), 0);
        }
        for cut in 1..=stream.len() {
            let (mut framer, mut got, mut room) = (Framer::default(), Vec::new(), [0; 64]);
            for part in stream.chunks(cut) {
                framer.push(part).unwrap();
                while let Some(len) = framer.next(&mut room).unwrap() {
                    got.push(room[..len].to_vec());
                }
            }
            assert_eq!(got, sent, "cut every {cut} bytes");
        }
    }

    #[test]
    fn another_protocol_is_noticed_and_nothing_grows_for_ever() {
        let mut framer = Framer::default();
        framer.push(b"\xffHTTP/1.1 400").unwrap();
        assert_eq!(framer.next(&mut []), Err(NotTurn));
        let mut framer = Framer::default();
        framer.push(&[0, 1, 0xff, 0xff]).unwrap();
        assert_eq!(framer.next(&mut []), Ok(None));
        let mut pushes = 0;
        while framer.push(&[0; 16 * 1024]).is_ok() {
            pushes += 1;
        }
        assert_eq!(pushes, 5, "the largest message fits, no more");
    }
}
