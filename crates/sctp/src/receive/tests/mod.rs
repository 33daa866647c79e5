//! The receiver told by hand: messages in order and out of it.
//! Not its bounds, and not what is given up or broken, which have files of their own.
mod bounds;
mod given_up;

use bytes::Bytes;

use super::*;
use crate::serial::Ssn;
use crate::wire::{Chunk, Packet, SackView};

const WINDOW: u32 = 1 << 20;
const DELAY: Duration = Duration::from_millis(20);
const NOW: Time = Time(0);

fn receiver(initial: u32) -> Receiver {
    Receiver::new(Tsn(initial), WINDOW, 256 * 1024, DELAY)
}

/// A part of an ordered message; `flags` of "b" for first and "e" for last, "u" for unordered, "i" for immediate.
fn part(tsn: u32, stream: u16, ssn: u16, flags: &str, payload: &[u8]) -> Data {
    Data {
        tsn: Tsn(tsn),
        stream,
        ssn: Ssn(ssn),
        ppi: 53,
        begin: flags.contains('b'),
        end: flags.contains('e'),
        unordered: flags.contains('u'),
        immediate: flags.contains('i'),
        payload: Bytes::copy_from_slice(payload),
    }
}

impl Receiver {
    fn put(&mut self, data: Data) {
        self.on_data(data).unwrap();
        self.check();
    }

    fn text(&mut self, stream: u16) -> Option<String> {
        let message = self.read(stream)?;
        self.check();
        let all = message.parts.as_slice().concat();
        assert_eq!(all.len(), message.len);
        Some(String::from_utf8(all).unwrap())
    }

    /// What the next SACK says.
    fn sack(&mut self) -> SackView {
        let mut builder = Builder::new(1, 1200);
        assert!(self.write_sack(&mut builder, usize::MAX));
        let chunk = Packet::parse(builder.finish()).unwrap().chunks().next();
        let Some(Ok(Chunk::Sack(sack))) = chunk else {
            panic!()
        };
        sack
    }

    fn forward(&mut self, cumulative: u32, streams: &[(u16, u16)]) {
        let mut builder = Builder::new(1, 1200);
        let pairs = streams.iter().map(|&(stream, ssn)| (stream, Ssn(ssn)));
        assert!(builder.push_forward_tsn(Tsn(cumulative), pairs));
        let chunk = Packet::parse(builder.finish()).unwrap().chunks().next();
        let Some(Ok(Chunk::ForwardTsn(forward))) = chunk else {
            panic!()
        };
        self.on_forward_tsn(&forward, |_| true).unwrap();
        self.check();
    }
}

#[test]
fn messages_in_order_are_read_as_they_came() {
    let mut receiver = receiver(10);
    receiver.put(part(10, 1, 0, "be", b"one"));
    receiver.put(part(11, 1, 1, "b", b"t"));
    receiver.put(part(12, 1, 1, "", b"w"));
    receiver.put(part(13, 1, 1, "e", b"o"));
    receiver.put(part(14, 2, 0, "be", b"other"));
    assert_eq!(receiver.cumulative(), Tsn(14));
    assert_eq!(receiver.pop_readable(), Some(1));
    assert_eq!(receiver.pop_readable(), Some(2));
    assert_eq!(receiver.pop_readable(), None);
    assert_eq!(receiver.text(1).unwrap(), "one");
    assert!(receiver.has_unread(1));
    assert_eq!(receiver.text(1).unwrap(), "two");
    assert_eq!(receiver.text(1), None);
    assert_eq!(receiver.text(2).unwrap(), "other");
    assert_eq!(receiver.held(), 0);
    receiver.put(part(15, 1, 2, "be", b"three"));
    assert_eq!(receiver.pop_readable(), Some(1));
}

#[test]
fn a_gap_holds_back_its_own_stream_and_no_other() {
    let mut receiver = receiver(1);
    receiver.put(part(1, 1, 0, "be", b"a"));
    receiver.put(part(3, 1, 2, "be", b"c"));
    receiver.put(part(4, 2, 0, "b", b"x"));
    receiver.put(part(5, 2, 0, "e", b"y"));
    receiver.put(part(6, 1, 9, "ube", b"free"));
    assert_eq!(receiver.cumulative(), Tsn(1));
    assert_eq!(receiver.text(2).unwrap(), "xy");
    assert_eq!(receiver.text(1).unwrap(), "a");
    assert_eq!(receiver.text(1).unwrap(), "free");
    assert_eq!(receiver.text(1), None);
    receiver.put(part(2, 1, 1, "be", b"b"));
    assert_eq!(receiver.cumulative(), Tsn(6));
    assert_eq!(receiver.text(1).unwrap(), "b");
    assert_eq!(receiver.text(1).unwrap(), "c");
}

#[test]
fn parts_that_arrive_backwards_make_their_messages() {
    for initial in [1, u32::MAX - 4, 60, 63] {
        let mut receiver = receiver(initial);
        let tsn = |offset: u32| initial.wrapping_add(offset);
        let flags = ["b", "", "e", "be", "ub", "ue", "b", "e"];
        let ssn = [0, 0, 0, 1, 0, 0, 2, 2];
        for at in (0..8).rev() {
            let letter = [b'a' + u8::try_from(at).unwrap()];
            receiver.put(part(
                tsn(at),
                7,
                ssn[at as usize],
                flags[at as usize],
                &letter,
            ));
        }
        assert_eq!(receiver.cumulative(), Tsn(tsn(7)));
        let texts: Vec<_> = std::iter::from_fn(|| receiver.text(7)).collect();
        assert_eq!(texts, ["ef", "abc", "d", "gh"]);
        assert_eq!(receiver.counters.dropped(), 0);
    }
}

#[test]
fn a_message_longer_than_a_word_of_the_ring_is_found_wherever_its_last_part_fills_in() {
    for missing in [1, 2, 63, 64, 65, 129, 199, 200] {
        let mut receiver = receiver(0);
        for tsn in (1..=200).filter(|&tsn| tsn != missing) {
            let flags = match tsn {
                1 => "b",
                200 => "e",
                _ => "",
            };
            receiver.put(part(tsn, 0, 0, flags, b"x"));
        }
        assert!(!receiver.has_unread(0));
        let flags = match missing {
            1 => "b",
            200 => "e",
            _ => "",
        };
        receiver.put(part(missing, 0, 0, flags, b"x"));
        assert_eq!(receiver.text(0).unwrap().len(), 200, "missing {missing}");
        assert_eq!(receiver.cumulative(), Tsn(u32::MAX));
        receiver.put(part(0, 1, 0, "be", b"x"));
        assert_eq!(receiver.cumulative(), Tsn(200));
        assert_eq!(receiver.held.pages(), 0);
    }
}

#[test]
fn blocks_and_duplicates_are_reported_and_forgotten() {
    for initial in [1, u32::MAX - 2, u32::MAX - 69_999] {
        let tsn = |offset: u32| initial.wrapping_add(offset);
        let mut receiver = receiver(initial);
        for offset in [0, 2, 3, 4, 70, 5, 1000, 2] {
            let text = format!("{offset}");
            receiver.put(part(tsn(offset), 0, 0, "ube", text.as_bytes()));
        }
        receiver.put(part(tsn(0), 0, 0, "ube", b"0"));
        receiver.on_datagram(NOW);
        assert!(receiver.sack_due(NOW));
        let sack = receiver.sack();
        assert_eq!(sack.cumulative, Tsn(tsn(0)));
        let blocks: Vec<_> = sack.offsets().collect();
        assert_eq!(blocks, [(2, 5), (70, 70), (1000, 1000)]);
        let duplicates: Vec<_> = sack.duplicates().collect();
        assert_eq!(duplicates, [Tsn(tsn(2)), Tsn(tsn(0))]);
        assert!(!receiver.sack_due(NOW));
        assert_eq!(receiver.sack().duplicate_count(), 0);
        receiver.put(part(tsn(1), 0, 0, "ube", b"1"));
        let sack = receiver.sack();
        assert_eq!(sack.cumulative, Tsn(tsn(5)));
        assert_eq!(sack.offsets().collect::<Vec<_>>(), [(65, 65), (995, 995)]);
        assert_eq!(receiver.counters.duplicates, 2);
    }
}

#[test]
fn a_transfer_of_70000_chunks_crosses_every_wrap() {
    let mut receiver = Receiver::new(Tsn(u32::MAX - 34_999), WINDOW, 1000, DELAY);
    let mut ssn = Ssn(65_530);
    // The stream is brought to its last numbers by skipping.
    receiver.forward(u32::MAX - 34_000, &[(3, 32_000)]);
    receiver.forward(u32::MAX - 33_999, &[(3, 60_000), (3, 65_529)]);
    let mut tsn = Tsn(u32::MAX - 33_998);
    for _ in 0..35_000 {
        // Each pair comes in the wrong order.
        for (ahead, name) in [(1, "second"), (0, "first")] {
            let (tsn, ssn) = (tsn + ahead, ssn + ahead as u16);
            receiver
                .on_data(part(tsn.0, 3, ssn.0, "be", name.as_bytes()))
                .unwrap();
        }
        tsn = tsn + 2;
        ssn = ssn + 2;
        assert_eq!(receiver.cumulative(), tsn.prev());
        assert_eq!(receiver.text(3).unwrap(), "first");
        assert_eq!(receiver.text(3).unwrap(), "second");
    }
    assert_eq!(receiver.counters.dropped(), 0);
}

#[test]
fn a_stream_is_named_once_until_it_was_read_empty() {
    let mut receiver = receiver(1);
    for tsn in 1..=10_000 {
        receiver.put(part(tsn, 3, 0, "ube", b"x"));
        assert_eq!(receiver.text(3).unwrap(), "x");
    }
    assert_eq!(receiver.pop_readable(), None);
    receiver.put(part(10_001, 3, 0, "ube", b"x"));
    assert_eq!(receiver.pop_readable(), Some(3));
    receiver.put(part(10_002, 3, 0, "ube", b"x"));
    assert_eq!(receiver.pop_readable(), None);
}
