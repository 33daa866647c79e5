//! The receiver told by hand: order, gaps, windows, acknowledgements, and what hostile peers try.
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
        self.on_forward_tsn(&forward).unwrap();
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
fn the_first_500_datagrams_are_answered_each_then_every_second() {
    let mut receiver = receiver(1);
    let mut now = Time(0);
    for tsn in 1..=500 {
        receiver.put(part(tsn, 0, 0, "ube", b"x"));
        receiver.on_datagram(now);
        assert!(receiver.sack_due(now), "datagram {tsn}");
        receiver.sack();
    }
    receiver.put(part(501, 0, 0, "ube", b"x"));
    receiver.on_datagram(now);
    assert!(!receiver.sack_due(now));
    assert_eq!(receiver.sack_deadline(), Some(now + DELAY));
    now = now + DELAY;
    assert!(receiver.sack_due(now));
    receiver.sack();
    assert_eq!(receiver.sack_deadline(), None);
    receiver.put(part(502, 0, 0, "ube", b"x"));
    receiver.on_datagram(now);
    assert!(!receiver.sack_due(now));
    receiver.put(part(503, 0, 0, "ube", b"x"));
    receiver.on_datagram(now);
    assert!(receiver.sack_due(now));
    receiver.sack();
    // The bit that asks for it, a gap and a duplicate need no second datagram.
    receiver.put(part(504, 0, 0, "ubei", b"x"));
    assert!(receiver.sack_due(now));
    receiver.sack();
    receiver.put(part(504, 0, 0, "ube", b"x"));
    assert!(receiver.sack_due(now));
    receiver.sack();
    receiver.put(part(506, 0, 0, "ube", b"x"));
    receiver.on_datagram(now);
    assert!(receiver.sack_due(now));
}

/// Fills the window with unread messages of full packets; says how many it took.
fn fill(receiver: &mut Receiver, first: u32) -> u32 {
    let payload = vec![7; 1132];
    let mut tsn = first;
    while receiver.counters.no_window == 0 {
        receiver.put(part(tsn, 0, 0, "ube", &payload));
        tsn += 1;
    }
    tsn - 1 - first
}

#[test]
fn the_window_shrinks_by_what_is_unread_and_drops_when_full() {
    let mut receiver = receiver(1);
    assert_eq!(receiver.a_rwnd(), WINDOW);
    receiver.put(part(1, 0, 0, "ube", &[7; 1132]));
    assert_eq!(receiver.a_rwnd(), WINDOW - 1132);
    let took = fill(&mut receiver, 2);
    // Packets of full size fill the whole window with data.
    assert_eq!(took + 1, WINDOW.div_ceil(1132));
    assert_eq!(receiver.a_rwnd(), 0);
    assert!(receiver.sack_due(NOW));
    let sack = receiver.sack();
    assert_eq!((sack.cumulative, sack.a_rwnd), (Tsn(took + 1), 0));
    // Reading a quarter of it is worth a SACK of its own, less is not.
    let quarter = WINDOW / 4 / 1132;
    for _ in 0..quarter - 1 {
        receiver.read(0).unwrap();
    }
    assert!(!receiver.sack_due(NOW));
    for _ in 0..3 {
        receiver.read(0).unwrap();
    }
    assert!(receiver.sack_due(NOW));
    assert!(receiver.sack().a_rwnd > WINDOW / 4);
}

#[test]
fn a_full_window_still_takes_what_fills_a_gap_up_to_its_reserve() {
    let mut receiver = receiver(1);
    // One hole of a hundred packets below everything.
    let took = fill(&mut receiver, 101);
    assert_eq!(receiver.cumulative(), Tsn(0));
    let payload = vec![7; 1132];
    let dropped = receiver.counters.no_window;
    receiver.put(part(101 + took, 0, 0, "ube", &payload));
    assert_eq!(receiver.counters.no_window, dropped + 1);
    for tsn in (1..=100).rev() {
        receiver.put(part(tsn, 0, 0, "ube", &payload));
    }
    let fillers = 100 - (receiver.counters.no_window - dropped - 1);
    assert_eq!(fillers, 64 * 1024 / 1132);
    assert!(receiver.held() <= WINDOW as usize + 64 * 1024);
    // Reading makes room for the others.
    for _ in 0..60 {
        receiver.read(0).unwrap();
    }
    for tsn in 1..=100 {
        receiver.put(part(tsn, 0, 0, "ube", &payload));
    }
    assert_eq!(receiver.cumulative(), Tsn(100 + took));
}

#[test]
fn tiny_messages_close_the_window_before_their_memory_passes_it() {
    let mut receiver = Receiver::new(Tsn(1), WINDOW, 1000, DELAY);
    let mut tsn = 1;
    while receiver.counters.no_window == 0 {
        receiver.on_data(part(tsn, 0, 0, "ube", b"x")).unwrap();
        tsn += 1;
    }
    // Each counts as 129 bytes after the share that is free.
    let bound = (WINDOW + WINDOW / 8) / 129;
    assert!((bound..bound + 10).contains(&tsn), "{tsn}");
    assert_eq!(receiver.a_rwnd(), 0);
}

#[test]
fn scattered_parts_close_the_window_before_their_pages_pass_it() {
    let mut receiver = receiver(1);
    let mut count = 0;
    for tsn in (2..60_000).step_by(64) {
        receiver.put(part(tsn, 0, 0, "b", b"x"));
        count += 1;
    }
    assert!(receiver.counters.no_window > 0);
    let kept = count - receiver.counters.no_window as usize;
    assert!(kept * PAGE <= (WINDOW + WINDOW / 8) as usize + PAGE);
    assert_eq!(receiver.held.pages(), kept);
}

#[test]
fn a_message_above_the_limit_ends_the_association_in_order_and_out_of_it() {
    let mut receiver = Receiver::new(Tsn(1), WINDOW, 2000, DELAY);
    receiver.put(part(1, 0, 0, "b", &[0; 1000]));
    receiver.put(part(2, 0, 0, "", &[0; 1000]));
    let error = receiver.on_data(part(3, 0, 0, "e", &[0; 1]));
    assert_eq!(error, Err(TooBig { limit: 2000 }));

    let mut receiver = Receiver::new(Tsn(1), WINDOW, 2000, DELAY);
    receiver.put(part(4, 0, 0, "e", &[0; 1]));
    receiver.put(part(3, 0, 0, "", &[0; 1000]));
    let error = receiver.on_data(part(2, 0, 0, "b", &[0; 1000]));
    assert_eq!(error, Err(TooBig { limit: 2000 }));
}

#[test]
fn a_message_above_the_window_ends_the_association_when_there_is_no_limit() {
    let mut receiver = Receiver::new(Tsn(1), WINDOW, u32::MAX, DELAY);
    let payload = vec![0; 1132];
    let mut result = Ok(());
    let mut tsn = 1;
    while result.is_ok() && tsn < 2000 {
        let flags = if tsn == 1 { "b" } else { "" };
        result = receiver.on_data(part(tsn, 0, 0, flags, &payload));
        tsn += 1;
    }
    assert_eq!(
        result,
        Err(TooBig {
            limit: WINDOW as usize
        })
    );
    assert!(receiver.held() < WINDOW as usize + 1132);
}

#[test]
fn a_sender_that_ignores_the_window_is_never_a_reason_to_end() {
    let mut receiver = receiver(1);
    let took = fill(&mut receiver, 1);
    for tsn in took..took + 2000 {
        receiver.put(part(tsn + 2, 0, 0, "ube", &[1; 1000]));
    }
    while receiver.read(0).is_some() {}
    for tsn in took + 1..took + 2002 {
        receiver.put(part(tsn, 0, 0, "ube", &[1; 100]));
    }
    assert_eq!(receiver.cumulative(), Tsn(took + 2001));
}

#[test]
fn chunks_too_far_ahead_are_dropped_and_the_last_that_a_block_can_name_is_kept() {
    let mut receiver = receiver(1);
    receiver.put(part(65_536, 0, 0, "ube", b"x"));
    assert_eq!(receiver.counters.too_far, 1);
    receiver.put(part(0x8000_0000, 0, 0, "ube", b"x"));
    receiver.put(part(65_535, 0, 0, "ube", b"x"));
    assert_eq!(receiver.counters.too_far + receiver.counters.duplicates, 2);
    assert_eq!(
        receiver.sack().offsets().collect::<Vec<_>>(),
        [(65_535, 65_535)]
    );
}

#[test]
fn forward_tsn_skips_what_is_missing_and_delivers_what_waited() {
    let mut receiver = receiver(1);
    receiver.put(part(1, 0, 0, "be", b"zero"));
    receiver.put(part(2, 0, 1, "b", b"partial"));
    // 3 is lost: the rest of message 1.
    receiver.put(part(4, 0, 2, "be", b"two"));
    receiver.put(part(5, 0, 3, "b", b"thr"));
    // 6 is lost: message 3 goes on.
    receiver.put(part(7, 0, 4, "be", b"four"));
    receiver.put(part(8, 5, 0, "be", b"other"));
    assert_eq!(receiver.text(0).unwrap(), "zero");
    receiver.forward(3, &[(0, 1)]);
    assert_eq!(receiver.cumulative(), Tsn(5));
    assert_eq!(receiver.text(0).unwrap(), "two");
    assert_eq!(receiver.text(0), None);
    assert!(receiver.sack_due(NOW));
    assert_eq!(receiver.sack().offsets().collect::<Vec<_>>(), [(2, 3)]);
    receiver.forward(6, &[(0, 3)]);
    assert_eq!(receiver.cumulative(), Tsn(8));
    assert_eq!(receiver.text(0).unwrap(), "four");
    assert_eq!(receiver.text(5).unwrap(), "other");
    assert_eq!(receiver.counters.given_up, 2);
    assert_eq!(receiver.held(), 0);
    assert_eq!(receiver.counters.dropped(), 2);
}

#[test]
fn forward_tsn_delivers_waiting_messages_that_it_names_too() {
    let mut receiver = receiver(1);
    receiver.put(part(2, 0, 2, "be", b"two"));
    receiver.put(part(3, 0, 65_535, "be", b"stale"));
    receiver.put(part(4, 0, 1, "be", b"one"));
    receiver.put(part(5, 0, 5, "be", b"five"));
    assert_eq!(receiver.counters.stale, 1);
    receiver.forward(1, &[(0, 3)]);
    assert_eq!(receiver.text(0).unwrap(), "one");
    assert_eq!(receiver.text(0).unwrap(), "two");
    assert_eq!(receiver.text(0), None);
    receiver.put(part(6, 0, 4, "be", b"four"));
    assert_eq!(receiver.text(0).unwrap(), "four");
    assert_eq!(receiver.text(0).unwrap(), "five");
}

#[test]
fn an_old_forward_tsn_changes_nothing_but_is_answered() {
    let mut receiver = receiver(1);
    receiver.put(part(1, 0, 0, "be", b"x"));
    receiver.sack();
    receiver.forward(1, &[(0, 9)]);
    receiver.forward(0x8000_0001, &[]);
    assert!(receiver.sack_due(NOW));
    assert_eq!(receiver.cumulative(), Tsn(1));
    receiver.put(part(2, 0, 1, "be", b"y"));
    assert_eq!(receiver.text(0).unwrap(), "x");
    assert_eq!(receiver.text(0).unwrap(), "y");
}

#[test]
fn forward_tsn_over_everything_forgets_all_that_was_held() {
    let mut receiver = receiver(1);
    for tsn in (2..5000).filter(|tsn| tsn % 3 != 0) {
        receiver.put(part(tsn, 0, 0, "b", b"x"));
    }
    receiver.forward(2500, &[]);
    // 2501 had arrived.
    assert_eq!(receiver.cumulative(), Tsn(2501));
    receiver.forward(1_000_000, &[]);
    assert_eq!(receiver.cumulative(), Tsn(1_000_000));
    assert_eq!((receiver.held(), receiver.held.pages()), (0, 0));
    assert_eq!(receiver.sack().block_count(), 0);
    receiver.put(part(1_000_002, 0, 0, "ube", b"x"));
    assert_eq!(receiver.sack().offsets().collect::<Vec<_>>(), [(2, 2)]);
}

#[test]
fn parts_without_their_message_are_dropped_and_the_next_message_is_whole() {
    // Each line is one sequence of parts: flags and stream; the last message is complete.
    for sequence in [
        &[("", 0), ("e", 0), ("be", 0)][..],
        &[("b", 0), ("be", 0)],
        &[("b", 0), ("", 1), ("be", 0)],
        &[("b", 0), ("ue", 0), ("be", 0)],
        &[("e", 0), ("be", 0)],
    ] {
        for backwards in [false, true] {
            let mut receiver = receiver(1);
            let mut order: Vec<usize> = (0..sequence.len()).collect();
            if backwards {
                order.reverse();
            }
            for at in order {
                let (flags, stream) = sequence[at];
                let tsn = u32::try_from(at).unwrap() + 1;
                receiver.put(part(tsn, stream, 0, flags, b"x"));
            }
            assert_eq!(receiver.text(0).unwrap(), "x", "{sequence:?}");
            assert_eq!(receiver.text(0), None);
            assert_eq!(receiver.counters.broken as usize, sequence.len() - 1);
            assert_eq!(receiver.held(), 0);
        }
    }
}

#[test]
fn a_message_around_another_one_is_broken() {
    let mut receiver = receiver(1);
    receiver.put(part(1, 0, 0, "b", b"x"));
    receiver.put(part(3, 1, 0, "be", b"inner"));
    receiver.put(part(4, 0, 0, "e", b"y"));
    receiver.put(part(2, 0, 0, "", b"z"));
    assert_eq!(receiver.text(1).unwrap(), "inner");
    assert_eq!(receiver.text(0), None);
    assert_eq!((receiver.counters.broken, receiver.held()), (3, 0));
}

#[test]
fn a_reset_starts_the_numbers_anew_and_keeps_what_can_be_read() {
    let mut receiver = receiver(1);
    receiver.put(part(1, 4, 0, "be", b"old"));
    receiver.put(part(2, 4, 5, "be", b"never"));
    receiver.put(part(3, 4, 6, "b", b"half"));
    receiver.reset(4);
    receiver.check();
    receiver.put(part(4, 4, 0, "be", b"new"));
    assert_eq!(receiver.text(4).unwrap(), "old");
    assert_eq!(receiver.text(4).unwrap(), "new");
    assert_eq!(receiver.text(4), None);
    assert_eq!((receiver.counters.stale, receiver.counters.broken), (1, 1));
    receiver.reset(99);
}

#[test]
fn a_discarded_chunk_is_acknowledged_and_kept_nowhere() {
    let mut receiver = receiver(1);
    receiver.discard(Tsn(1));
    receiver.discard(Tsn(3));
    receiver.discard(Tsn(3));
    receiver.put(part(4, 0, 0, "be", b"x"));
    let sack = receiver.sack();
    assert_eq!(sack.cumulative, Tsn(1));
    assert_eq!(sack.offsets().collect::<Vec<_>>(), [(2, 3)]);
    receiver.discard(Tsn(2));
    assert_eq!(receiver.cumulative(), Tsn(4));
    assert_eq!(receiver.text(0).unwrap(), "x");
}

#[test]
fn streams_are_bounded_and_their_memory_comes_back() {
    let mut receiver = Receiver::new(Tsn(1), 64 << 20, 1000, DELAY);
    let mut tsn = 1;
    for stream in 0..=u16::MAX {
        receiver.on_data(part(tsn, stream, 0, "be", b"x")).unwrap();
        tsn += 1;
    }
    let kept = (0..=u16::MAX).filter(|&id| receiver.has_unread(id)).count();
    assert_eq!(kept, streams::MAX_STREAMS);
    assert_eq!(receiver.counters.no_stream as usize, 65_536 - kept);
    for stream in 0..=u16::MAX {
        receiver.read(stream);
        receiver.reset(stream);
    }
    while receiver.pop_readable().is_some() {}
    for stream in (0..=u16::MAX).rev().take(100) {
        receiver.put(part(tsn, stream, 0, "be", b"x"));
        tsn += 1;
        assert_eq!(receiver.text(stream).unwrap(), "x");
    }
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

#[test]
fn sack_is_cut_to_the_room_there_is() {
    let mut receiver = Receiver::new(Tsn(1), 8 << 20, 1000, DELAY);
    for offset in 1..=16_000 {
        receiver
            .on_data(part(1 + 2 * offset, 0, 0, "ube", b"x"))
            .unwrap();
    }
    for _ in 0..60_000 {
        receiver.on_data(part(3, 0, 0, "ube", b"x")).unwrap();
    }
    let sack = receiver.sack();
    assert_eq!((sack.block_count(), sack.duplicate_count()), (245, 20));
    assert_eq!(sack.offsets().next(), Some((3, 3)));
    let sack = receiver.sack();
    assert_eq!((sack.block_count(), sack.duplicate_count()), (265, 0));
    let mut builder = Builder::new(1, HEADER_AND_SACK + 4 * 7 + 3);
    assert!(receiver.write_sack(&mut builder, usize::MAX));
    assert_eq!(builder.finish().len(), HEADER_AND_SACK + 4 * 7);
    let mut builder = Builder::new(1, 1200);
    assert!(receiver.write_sack(&mut builder, 3));
    assert_eq!(builder.finish().len(), HEADER_AND_SACK + 4 * 3);
    let mut builder = Builder::new(1, HEADER_AND_SACK - 1);
    receiver.policy.at_once();
    assert!(!receiver.write_sack(&mut builder, usize::MAX));
    assert!(builder.is_empty() && receiver.sack_due(NOW));
}

const HEADER_AND_SACK: usize = crate::wire::HEADER + SACK_FIXED;
