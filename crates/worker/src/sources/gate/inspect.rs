//! What an RTSP server sends, read just enough to stop a redirect before anybody follows it and to notice a goodbye.
//! Not a client: nothing is understood beyond where messages begin and end, and nothing is changed.
//!
//! The reader behind the gate is lenient, and a sender could use that to have one message read as two. So whatever the
//! two might read differently is refused here.

/// Longest head of a message. Real ones have some hundred bytes.
const MAX_HEAD: usize = 16 << 10;

/// Longest body. Descriptions have a few thousand bytes.
const MAX_BODY: usize = 1 << 20;

/// Most of an RTCP packet that is looked at.
const MAX_CONTROL: usize = 2048;

/// Shorter interleaved frames hold no packet, and readers stumble over them.
const SHORTEST_FRAME: usize = 8;

/// RTCP's packet type of a goodbye.
const BYE: u8 = 203;

/// Methods a server may call.
const METHODS: [&str; 6] = [
    "ANNOUNCE",
    "GET_PARAMETER",
    "OPTIONS",
    "PLAY_NOTIFY",
    "SET_PARAMETER",
    "TEARDOWN",
];

/// Why the connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server sends us elsewhere.
    Redirect,
    /// It does not speak RTSP as it should.
    Malformed(&'static str),
}

enum State {
    /// A message or a frame begins.
    Start,
    /// Collecting the lines of a message.
    Head(Vec<u8>),
    /// Bytes of a body still to come.
    Body(usize),
    /// Collecting `$`, channel and length.
    FrameHead(Vec<u8>),
    /// Bytes of a frame still to come; control packets are collected, short frames are not passed on.
    Frame {
        left: usize,
        control: Option<Vec<u8>>,
        pass: bool,
    },
}

/// Reads along with what the server sends.
pub(super) struct Inspector {
    state: State,
    goodbye: bool,
}

impl Inspector {
    pub(super) fn new() -> Inspector {
        Inspector {
            state: State::Start,
            goodbye: false,
        }
    }

    /// Whether the server said that the stream is over.
    pub(super) fn saw_goodbye(&self) -> bool {
        self.goodbye
    }

    /// Takes what the server sent and appends to `out` what may be passed on: heads of messages only when they are
    /// complete and harmless. Holds at most 16 KiB.
    pub(super) fn pass(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        while let Some(&first) = bytes.first() {
            match &mut self.state {
                State::Start => match first {
                    b'$' => self.state = State::FrameHead(Vec::with_capacity(4)),
                    b'A'..=b'Z' => self.state = State::Head(Vec::new()),
                    // Some servers leave empty lines between messages.
                    b'\r' | b'\n' => {
                        out.push(first);
                        bytes = &bytes[1..];
                    }
                    _ => return Err(Refusal::Malformed("what it sends is not RTSP")),
                },
                State::Head(head) => {
                    head.push(first);
                    bytes = &bytes[1..];
                    if head.len() > MAX_HEAD {
                        return Err(Refusal::Malformed("the head of a message is over 16 KiB"));
                    }
                    if first == b'\n' && ends_head(head) {
                        let body = body_length(head)?;
                        out.extend_from_slice(head);
                        self.state = after(body);
                    }
                }
                State::Body(left) => {
                    let count = (*left).min(bytes.len());
                    out.extend_from_slice(&bytes[..count]);
                    bytes = &bytes[count..];
                    *left -= count;
                    if *left == 0 {
                        self.state = State::Start;
                    }
                }
                State::FrameHead(head) => {
                    head.push(first);
                    bytes = &bytes[1..];
                    if let [_, channel, high, low] = **head {
                        let left = usize::from(u16::from_be_bytes([high, low]));
                        let pass = left >= SHORTEST_FRAME;
                        if pass {
                            out.extend_from_slice(head);
                        }
                        self.state = State::Frame {
                            left,
                            control: (channel % 2 == 1).then(Vec::new),
                            pass,
                        };
                        self.end_frame();
                    }
                }
                State::Frame {
                    left,
                    control,
                    pass,
                } => {
                    let count = (*left).min(bytes.len());
                    if *pass {
                        out.extend_from_slice(&bytes[..count]);
                    }
                    if let Some(control) = control {
                        let room = (MAX_CONTROL - control.len()).min(count);
                        control.extend_from_slice(&bytes[..room]);
                    }
                    bytes = &bytes[count..];
                    *left -= count;
                    self.end_frame();
                }
            }
        }
        Ok(())
    }

    fn end_frame(&mut self) {
        if let State::Frame {
            left: 0, control, ..
        } = &self.state
        {
            self.goodbye |= control.as_deref().is_some_and(says_goodbye);
            self.state = State::Start;
        }
    }
}

fn after(body: usize) -> State {
    if body == 0 {
        State::Start
    } else {
        State::Body(body)
    }
}

/// Whether the head, which ends with a line feed, ends with an empty line. Carriage returns count for nothing, as for
/// the reader.
fn ends_head(head: &[u8]) -> bool {
    let mut visible = head.iter().rev().filter(|&&byte| byte != b'\r');
    visible.next() == Some(&b'\n') && visible.next() == Some(&b'\n')
}

/// The length of the body behind a complete head.
fn body_length(head: &[u8]) -> Result<usize, Refusal> {
    let malformed = |what| Err(Refusal::Malformed(what));
    let Ok(text) = std::str::from_utf8(head) else {
        return malformed("the head of a message is not text");
    };
    let text = text.replace('\r', "");
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    let mut words = first.split([' ', '\t']).filter(|word| !word.is_empty());
    match (words.next(), words.next()) {
        (Some("REDIRECT"), _) => return Err(Refusal::Redirect),
        (Some(version), Some(status)) if version.starts_with("RTSP/") => {
            let three_digits = status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit());
            if !three_digits {
                return malformed("an answer has no status");
            }
            if status.starts_with('3') {
                return Err(Refusal::Redirect);
            }
        }
        (Some(method), Some(_)) if METHODS.contains(&method) => {}
        _ => return malformed("what it sends is not RTSP"),
    }
    let mut length = None;
    for line in lines.filter(|line| !line.is_empty()) {
        if line.starts_with('$') {
            return malformed("a header begins with a frame");
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if !name.trim().eq_ignore_ascii_case("content-length") {
            continue;
        }
        let value = value.trim();
        let digits =
            !value.is_empty() && value.len() < 9 && value.bytes().all(|b| b.is_ascii_digit());
        let parsed = value
            .parse::<usize>()
            .ok()
            .filter(|_| digits && name == name.trim());
        match parsed {
            Some(parsed) if length.is_none() && parsed <= MAX_BODY => length = Some(parsed),
            Some(parsed) if parsed > MAX_BODY => return malformed("a body is over 1 MiB"),
            _ => return malformed("a body's length is unclear"),
        }
    }
    Ok(length.unwrap_or(0))
}

/// Whether a compound RTCP packet holds a goodbye.
fn says_goodbye(mut packet: &[u8]) -> bool {
    while let [first, kind, high, low, ..] = *packet {
        if first >> 6 != 2 {
            return false;
        }
        if kind == BYE {
            return true;
        }
        let words = usize::from(u16::from_be_bytes([high, low])) + 1;
        packet = packet.get(words * 4..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(bytes: &[u8], size: usize) -> (Vec<u8>, Result<(), Refusal>, bool) {
        let (mut inspector, mut out) = (Inspector::new(), Vec::new());
        for chunk in bytes.chunks(size) {
            if let Err(refusal) = inspector.pass(chunk, &mut out) {
                return (out, Err(refusal), inspector.saw_goodbye());
            }
        }
        (out, Ok(()), inspector.saw_goodbye())
    }

    fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
        let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[b'$', channel, high, low], payload].concat()
    }

    #[test]
    fn an_ordinary_conversation_passes_unchanged_however_it_is_cut() {
        let mut bytes = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n".to_vec();
        bytes.extend_from_slice(
            b"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\"\r\n\r\n",
        );
        bytes.extend_from_slice(
            b"RTSP/1.0 200 OK\r\nContent-Length: 20\r\n\r\nRTSP/1.0 302 Found\r\n",
        );
        bytes.extend_from_slice(&frame(0, &[0x80; 1400]));
        bytes.extend_from_slice(b"\r\nOPTIONS rtsp://x RTSP/1.0\nCSeq: 4\n\n");
        bytes.extend_from_slice(&frame(0, b"RTSP/1.0 302 Found\r\n\r\n"));
        for size in [1, 3, 50, 1 << 16] {
            let (out, result, goodbye) = passed(&bytes, size);
            assert_eq!((result, goodbye), (Ok(()), false));
            assert!(out == bytes, "cut into {size}");
        }
    }

    #[test]
    fn every_way_to_redirect_is_stopped_before_a_byte_of_it_passes() {
        for head in [
            "RTSP/1.0 301 Moved\r\nLocation: rtsp://10.0.0.1/\r\n\r\n",
            "RTSP/1.0 302 Found\n\n",
            "RTSP/2.0 305 Use Proxy\r\n\r\n",
            "RTSP/1.0  302 Found\r\n\r\n",
            "RTSP/1.0\t302 Found\r\n\r\n",
            "R\rTSP/1.0 302 Found\n\r\r\n",
            "REDIRECT rtsp://x RTSP/1.0\r\nLocation: rtsp://y\r\n\r\n",
        ] {
            for size in [1, 100] {
                let (out, result, _) = passed(head.as_bytes(), size);
                assert_eq!((out.len(), result), (0, Err(Refusal::Redirect)), "{head:?}");
            }
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bytes in [
            "RTSP/1.0 0302 Found\r\n\r\n",
            "RTSP/1.0 +302 Found\r\n\r\n",
            "RTSP/1.0\r\n\r\n",
            " RTSP/1.0 302 Found\r\n\r\n",
            "RTSP/1.0 200 OK\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n",
            "RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n",
            "RTSP/1.0 200 OK\r\nContent-Length : 5\r\n\r\n",
            "RTSP/1.0 200 OK\r\nContent-Length: 5x\r\n\r\n",
            "RTSP/1.0 200 OK\r\nContent-Length: 1048577\r\n\r\n",
            "RTSP/1.0 200 OK\r\n$ab\r\n\r\n",
            "HTTP/1.1 302 Found\r\n\r\n",
            "\u{1}\u{2}\u{3}",
        ] {
            let (out, result, _) = passed(bytes.as_bytes(), 7);
            assert!(matches!(result, Err(Refusal::Malformed(_))), "{bytes:?}");
            assert!(out.is_empty());
        }
        let endless = b"RTSP/1.0 200 OK\r\nX: y\r\n".repeat(2000);
        let (out, result, _) = passed(&endless, 1000);
        assert!(matches!(result, Err(Refusal::Malformed(_))) && out.is_empty());
    }

    #[test]
    fn a_goodbye_is_noticed_in_a_compound_packet_and_nowhere_else() {
        let report = [0x80, 201, 0, 1, 0, 0, 0, 1];
        let bye = [0x81, 203, 0, 1, 0, 0, 0, 1];
        assert!(passed(&frame(1, &[report, bye].concat()), 5).2);
        assert!(passed(&frame(3, &bye), 1).2);
        assert!(!passed(&frame(0, &bye), 5).2);
        assert!(!passed(&frame(1, &report), 5).2);
        assert!(!passed(&frame(1, &[0x80, 201, 0xff, 0xff, 0, 0, 0, 1, 2]), 5).2);
    }

    #[test]
    fn frames_too_short_for_a_packet_are_left_out() {
        let whole = frame(0, b"a whole packet");
        let bytes = [frame(0, b"RTSP/1."), whole.clone(), frame(1, b"")].concat();
        assert_eq!(passed(&bytes, 3), (whole, Ok(()), false));
    }
}
