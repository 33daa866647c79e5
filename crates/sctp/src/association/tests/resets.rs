//! RFC 6525 sections 5.1 and 5.2, and RFC 8831 section 6.7: requests and answers, repeated, early, late and refused.
//! What the caller sees of it is in `tests/resets.rs`.

use std::time::Duration;

use super::*;
use crate::serial::Rsn;
use crate::types::{PayloadProtocolIdentifier as Ppi, StreamEvent};
use crate::wire::{ReconfigParam as Param, ReconfigResult as Outcome};

/// The number of the peer's n-th request.
pub(super) fn peers(n: u32) -> Rsn {
    Rsn(PEER_TSN.0) + n
}

impl Bench {
    pub(super) fn reconfig(&mut self, param: Param) {
        self.receive(|packet| {
            packet.push_reconfig(&[param]);
        });
    }

    pub(super) fn peer_resets(&mut self, request: Rsn, last_tsn: Tsn, streams: &[u16]) {
        self.reconfig(Param::OutgoingReset {
            request,
            response: Rsn(self.a.local.initial_tsn.0).prev(),
            last_tsn,
            streams: streams.iter().copied().collect(),
        });
    }

    pub(super) fn answer(&mut self, request: Rsn, result: Outcome) {
        self.reconfig(Param::Response { request, result });
    }

    /// The requests and answers among what it sends now.
    pub(super) fn params(&mut self) -> Vec<Param> {
        let chunks = self.chunks().into_iter();
        chunks
            .filter_map(|chunk| match chunk {
                Chunk::Reconfig(chunk) => Some(chunk),
                _ => None,
            })
            .flat_map(|chunk| chunk.into_params())
            .collect()
    }

    pub(super) fn answers(&mut self) -> Vec<(Rsn, Outcome)> {
        let params = self.params().into_iter();
        params
            .filter_map(|param| match param {
                Param::Response { request, result } => Some((request, result)),
                _ => None,
            })
            .collect()
    }

    /// The stream events since the last call.
    pub(super) fn events(&mut self) -> Vec<StreamEvent> {
        std::iter::from_fn(|| self.a.poll())
            .filter_map(|event| match event {
                // Every stream whose data left has run low.
                Event::Stream(StreamEvent::BufferedAmountLow { .. }) => None,
                Event::Stream(event) => Some(event),
                _ => None,
            })
            .collect()
    }

    pub(super) fn close(&mut self, id: u16) {
        let mut stream = self.a.stream(id).expect("open");
        stream.close().expect("established");
    }
}

#[test]
fn a_request_names_the_streams_and_the_last_data_sent_on_any_5_1_2() {
    let mut bench = Bench::established();
    bench.write(1);
    bench.write(2);
    bench.sent();
    bench.acknowledge();
    let last = bench.last_tsn();
    bench.close(1);
    let first = Rsn(bench.a.local.initial_tsn.0);
    let expected = Param::OutgoingReset {
        request: first,
        response: peers(0).prev(),
        last_tsn: last,
        streams: [1].into_iter().collect(),
    };
    assert_eq!(bench.params(), [expected]);
    // One request at a time: the second stream waits for the answer.
    bench.close(2);
    assert!(bench.params().is_empty());
    bench.answer(first, Outcome::Performed);
    let params = bench.params();
    let [
        Param::OutgoingReset {
            request, streams, ..
        },
    ] = &params[..]
    else {
        panic!("{params:?}");
    };
    assert_eq!(*request, first.next());
    assert_eq!(streams.iter().collect::<Vec<_>>(), [2]);
}

#[test]
fn a_request_waits_until_the_data_of_its_stream_is_acknowledged() {
    let mut bench = Bench::established();
    bench.write(1);
    bench.close(1);
    assert!(matches!(bench.chunks()[..], [Chunk::Data(_)]));
    bench.acknowledge();
    assert_eq!(bench.params().len(), 1);
}

#[test]
fn an_unanswered_request_is_repeated_with_the_same_number_5_1_1() {
    let mut bench = Bench::established();
    bench.a.open_stream(1, Ppi::Binary).expect("free");
    bench.close(1);
    let first = bench.params();
    for seconds in [2, 4, 8, 9] {
        bench.pass_time(Duration::from_secs(seconds));
        assert_eq!(bench.params(), first);
    }
}

#[test]
fn an_answer_of_in_progress_means_asking_again_5_2_7() {
    let mut bench = Bench::established();
    bench.a.open_stream(1, Ppi::Binary).expect("free");
    bench.close(1);
    let first = bench.params();
    let number = Rsn(bench.a.local.initial_tsn.0);
    bench.answer(number, Outcome::InProgress);
    assert!(bench.params().is_empty());
    bench.pass_time(Duration::from_secs(1));
    assert_eq!(bench.params(), first);
    // A peer that is busy with another request forgot this one: the next number.
    bench.answer(number, Outcome::AlreadyInProgress);
    bench.pass_time(Duration::from_secs(1));
    let again = bench.params();
    let [Param::OutgoingReset { request, .. }] = &again[..] else {
        panic!("{again:?}");
    };
    assert_eq!(*request, number.next());
    bench.answer(number, Outcome::Performed);
    assert!(
        bench.a.resets.is_asking(),
        "the old number is not the answer"
    );
    bench.answer(number.next(), Outcome::Performed);
    assert!(!bench.a.resets.is_asking());
}

#[test]
fn a_refused_request_still_frees_the_id_once_the_peer_has_reset_too() {
    for result in [
        Outcome::Denied,
        Outcome::WrongSsn,
        Outcome::BadSequence,
        Outcome::Other(99),
    ] {
        let mut bench = Bench::established();
        bench.write(1);
        bench.sent();
        bench.acknowledge();
        bench.close(1);
        bench.sent();
        bench.answer(Rsn(bench.a.local.initial_tsn.0), result);
        bench.peer_resets(peers(0), PEER_TSN.prev(), &[1]);
        let (finished, complete) = (
            StreamEvent::Finished { id: 1 },
            StreamEvent::ResetComplete { id: 1 },
        );
        assert_eq!(bench.events(), [finished, complete]);
        // The peer still counts on from where it was.
        bench.sent();
        bench.write(1);
        let chunks = bench.chunks();
        let [Chunk::Data(data)] = &chunks[..] else {
            panic!("{chunks:?}");
        };
        assert_eq!(data.ssn.0, 1);
    }
}

#[test]
fn after_a_reset_both_directions_count_from_zero() {
    let mut bench = Bench::established();
    bench.write(1);
    bench.write(1);
    bench.data(PEER_TSN, 1, 0);
    bench.sent();
    bench.acknowledge();
    assert!(
        bench
            .a
            .stream(1)
            .expect("open")
            .read()
            .is_ok_and(|m| m.is_some())
    );
    bench.close(1);
    bench.sent();
    bench.answer(Rsn(bench.a.local.initial_tsn.0), Outcome::Performed);
    bench.peer_resets(peers(0), PEER_TSN, &[1]);
    assert_eq!(bench.answers(), [(peers(0), Outcome::Performed)]);
    bench.events();
    bench.write(1);
    let chunks = bench.chunks();
    let [Chunk::Data(data)] = &chunks[..] else {
        panic!("{chunks:?}");
    };
    assert_eq!(data.ssn.0, 0);
    bench.data(PEER_TSN.next(), 1, 0);
    assert!(
        bench
            .a
            .stream(1)
            .expect("open")
            .read()
            .is_ok_and(|m| m.is_some())
    );
}

#[test]
fn a_request_for_data_that_is_not_here_yet_is_in_progress_and_done_later_5_2_2() {
    let mut bench = Bench::established();
    bench.data(PEER_TSN, 1, 0);
    bench.sent();
    bench.peer_resets(peers(0), PEER_TSN + 2, &[1]);
    assert_eq!(bench.answers(), [(peers(0), Outcome::InProgress)]);
    // The same again, and a further one while it waits.
    bench.peer_resets(peers(0), PEER_TSN + 2, &[1]);
    assert_eq!(bench.answers(), [(peers(0), Outcome::InProgress)]);
    bench.data(PEER_TSN + 2, 1, 2);
    assert!(bench.answers().is_empty());
    bench.data(PEER_TSN + 1, 1, 1);
    assert_eq!(bench.answers(), [(peers(0), Outcome::Performed)]);
    let readable = StreamEvent::Readable { id: 1 };
    assert_eq!(bench.events(), [readable]);
    for _ in 0..3 {
        assert!(
            bench
                .a
                .stream(1)
                .expect("open")
                .read()
                .is_ok_and(|m| m.is_some())
        );
    }
    assert_eq!(bench.events(), [StreamEvent::Finished { id: 1 }]);
    bench.peer_resets(peers(0), PEER_TSN + 2, &[1]);
    assert_eq!(bench.answers(), [(peers(0), Outcome::Performed)]);
    assert!(
        bench.events().is_empty(),
        "a repeated request does nothing twice"
    );
}

#[test]
fn figures_follow_new_streams_after_many_that_were_reset_without_having_carried_anything() {
    let mut bench = Bench::established();
    let ours = Rsn(bench.a.local.initial_tsn.0);
    for n in 0..100 {
        bench.peer_resets(peers(n), PEER_TSN.prev(), &[1000 + n as u16]);
        bench.sent();
        bench.answer(ours + n, Outcome::Performed);
        bench.sent();
    }
    bench.write(1);
    bench.sent();
    let followed = bench.a.setup.shared.stream(1);
    assert_eq!(followed.map(|stream| stream.bytes_sent), Some(4));
}

#[test]
fn an_empty_list_means_every_stream() {
    let mut bench = Bench::established();
    for id in [1, 2, 9] {
        bench.write(id);
    }
    bench.sent();
    bench.acknowledge();
    bench.peer_resets(peers(0), PEER_TSN.prev(), &[]);
    let expected = [1, 2, 9].map(|id| StreamEvent::Finished { id });
    assert_eq!(bench.events(), expected);
    // RFC 8831 section 6.7: our half of each follows.
    let params = bench.params();
    let request = params.iter().find_map(|param| match param {
        Param::OutgoingReset { streams, .. } => Some(streams.iter().collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(request.as_deref(), Some(&[1, 2, 9][..]));
}

#[test]
fn a_reset_of_a_stream_that_never_carried_anything_is_returned_without_an_event() {
    let mut bench = Bench::established();
    bench.peer_resets(peers(0), PEER_TSN.prev(), &[40, 40]);
    let params = bench.params();
    let asked = params
        .iter()
        .filter(|p| matches!(p, Param::OutgoingReset { .. }));
    assert_eq!(asked.count(), 1);
    bench.answer(Rsn(bench.a.local.initial_tsn.0), Outcome::Performed);
    assert!(bench.events().is_empty());
    assert!(bench.a.streams.ids().is_empty());
}
