//! The WebRTC engine as published, over our own SCTP: channels opened both ways, closed and opened again, empty messages, full buffers,
//! the limits of the engine, and associations made in signalling. Nothing of the transport takes part: two engines and a clock that jumps.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::channel::{ChannelConfig, ChannelId, Reliability, SctpInitData};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

const DELAY: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);

struct End {
    rtc: Rtc,
    address: SocketAddr,
    events: Vec<Event>,
    wake: Instant,
}

impl End {
    fn opened(&self, id: ChannelId) -> bool {
        self.events
            .iter()
            .any(|e| matches!(e, Event::ChannelOpen(open, _) if *open == id))
    }

    fn closed(&self, id: ChannelId) -> bool {
        self.events
            .iter()
            .any(|e| matches!(e, Event::ChannelClose(closed) if *closed == id))
    }

    /// Bytes of each message received so far, and whether it was binary.
    fn messages(&self) -> Vec<(bool, &[u8])> {
        let data = self.events.iter().filter_map(|event| match event {
            Event::ChannelData(data) => Some((data.binary, &data.data[..])),
            _ => None,
        });
        data.collect()
    }

    fn write(&mut self, id: ChannelId, binary: bool, data: &[u8]) -> bool {
        let mut channel = self.rtc.channel(id).expect("an open channel");
        channel.write(binary, data).expect("written")
    }
}

struct Pair {
    ends: [End; 2],
    now: Instant,
    line: VecDeque<(Instant, usize, SocketAddr, Vec<u8>)>,
    datagrams: usize,
}

/// What differs between the tests.
#[derive(Default)]
struct Setup {
    tokens: bool,
    cap: Option<usize>,
}

impl Pair {
    /// Two connected engines.
    fn new(setup: &Setup) -> Self {
        let now = Instant::now();
        let addresses: [SocketAddr; 2] =
            [([10, 0, 0, 1], 1000).into(), ([10, 0, 0, 2], 2000).into()];
        let mut ends = addresses.map(|address| {
            let mut config = RtcConfig::new();
            if let Some(cap) = setup.cap {
                config = config.set_sctp_max_buffered_amount(cap);
            }
            End {
                rtc: config.build(now),
                address,
                events: Vec::new(),
                wake: now,
            }
        });
        let tokens: Vec<_> = ends
            .iter()
            .map(|_| {
                let mut token = SctpInitData::new();
                let bytes = token.local_init_chunk().expect("a token");
                (token, bytes)
            })
            .collect();
        let facts: Vec<_> = ends
            .iter_mut()
            .map(|end| {
                let api = end.rtc.direct_api();
                (
                    api.local_dtls_fingerprint().clone(),
                    api.local_ice_credentials(),
                )
            })
            .collect();
        for (me, end) in ends.iter_mut().enumerate() {
            let other = 1 - me;
            let host = |address| Candidate::host(address, "udp").expect("a candidate");
            end.rtc.add_local_candidate(host(addresses[me]));
            end.rtc.add_remote_candidate(host(addresses[other]));
            let mut api = end.rtc.direct_api();
            api.set_remote_fingerprint(facts[other].0.clone());
            api.set_remote_ice_credentials(facts[other].1.clone());
            api.set_ice_controlling(me == 0);
            api.start_dtls(me == 0).expect("DTLS starts");
            if setup.tokens {
                let mut token = tokens[me].0.clone();
                token.set_remote_init_chunk(tokens[other].1.clone());
                api.start_sctp_with_snap(me == 0, token)
                    .expect("good tokens");
            } else {
                api.start_sctp(me == 0);
            }
        }
        let mut pair = Pair {
            ends,
            now,
            line: VecDeque::new(),
            datagrams: 0,
        };
        pair.run("the engines connect", 5 * SECOND, |pair| {
            pair.ends
                .iter()
                .all(|end| end.events.iter().any(|e| matches!(e, Event::Connected)))
        });
        pair
    }

    /// A channel that both ends know without an opening message.
    fn agreed(&mut self, stream: u16, reliability: Reliability) -> [ChannelId; 2] {
        let ids = [0, 1].map(|who: usize| {
            let config = ChannelConfig {
                label: "agreed".into(),
                negotiated: Some(stream),
                ordered: reliability == Reliability::Reliable,
                reliability,
                ..ChannelConfig::default()
            };
            self.ends[who].rtc.direct_api().create_data_channel(config)
        });
        self.run("the channel opens", 5 * SECOND, |pair| {
            (0..2).all(|who| pair.ends[who].opened(ids[who]))
        });
        ids
    }

    #[track_caller]
    fn run(&mut self, what: &str, limit: Duration, mut done: impl FnMut(&mut Pair) -> bool) {
        let end = self.now + limit;
        loop {
            self.pass();
            if done(self) {
                self.pass();
                return;
            }
            let wakes = self.ends.iter().map(|e| e.wake);
            let arrival = self.line.front().map(|(at, ..)| *at);
            let next = wakes.chain(arrival).min().expect("two ends");
            assert!(next <= end, "not within {limit:?}: {what}");
            self.now = self.now.max(next);
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        self.run("time passes", time + SECOND, |pair| {
            pair.now >= end || pair.is_quiet(end)
        });
        self.now = end;
        self.pass();
    }

    fn is_quiet(&self, until: Instant) -> bool {
        self.ends.iter().all(|e| e.wake > until)
            && self.line.front().is_none_or(|(at, ..)| *at > until)
    }

    fn pass(&mut self) {
        while self.line.front().is_some_and(|(at, ..)| *at <= self.now) {
            let (_, to, source, datagram) = self.line.pop_front().expect("looked at just now");
            let destination = self.ends[to].address;
            let contents = (&datagram[..]).try_into().expect("a datagram of ours");
            let receive = Receive {
                proto: Protocol::Udp,
                source,
                destination,
                contents,
            };
            let input = Input::Receive(self.now, receive);
            self.ends[to].rtc.handle_input(input).expect("taken in");
            self.drain(to);
        }
        for who in 0..2 {
            let input = Input::Timeout(self.now);
            self.ends[who].rtc.handle_input(input).expect("time passes");
            self.drain(who);
        }
    }

    fn drain(&mut self, who: usize) {
        loop {
            let end = &mut self.ends[who];
            match end.rtc.poll_output().expect("no error of the engine") {
                Output::Timeout(at) => {
                    end.wake = at.max(self.now + Duration::from_micros(1));
                    return;
                }
                Output::Event(event) => end.events.push(event),
                Output::Transmit(transmit) => {
                    self.datagrams += 1;
                    let packet = (
                        self.now + DELAY,
                        1 - who,
                        transmit.source,
                        transmit.contents.to_vec(),
                    );
                    self.line.push_back(packet);
                }
            }
        }
    }
}

#[test]
fn a_channel_with_an_opening_message_carries_text_and_bytes_both_ways() {
    let mut pair = Pair::new(&Setup::default());
    let config = ChannelConfig {
        label: "opened here".into(),
        protocol: "p".into(),
        ..ChannelConfig::default()
    };
    let id = pair.ends[0].rtc.direct_api().create_data_channel(config);
    pair.run("the other side sees it", 5 * SECOND, |pair| {
        let open = |e: &Event| matches!(e, Event::ChannelOpen(_, label) if label == "opened here");
        pair.ends[0].opened(id) && pair.ends[1].events.iter().any(open)
    });
    let theirs = pair.ends[1].events.iter().find_map(|e| match e {
        Event::ChannelOpen(id, _) => Some(*id),
        _ => None,
    });
    let theirs = theirs.expect("seen just now");
    let mut channel = pair.ends[1].rtc.channel(theirs).expect("open");
    assert_eq!(
        channel.config().map(|c| c.protocol.clone()).as_deref(),
        Some("p")
    );
    assert!(channel.write(false, "grüße".as_bytes()).expect("written"));
    assert!(pair.ends[0].write(id, true, &[0, 1, 255]));
    pair.run("both messages", SECOND, |pair| {
        pair.ends.iter().all(|end| !end.messages().is_empty())
    });
    assert_eq!(pair.ends[0].messages(), [(false, "grüße".as_bytes())]);
    assert_eq!(pair.ends[1].messages(), [(true, &[0, 1, 255][..])]);
}

#[test]
fn empty_messages_arrive_empty_and_keep_their_kind() {
    let mut pair = Pair::new(&Setup::default());
    let [ours, _] = pair.agreed(3, Reliability::Reliable);
    for (binary, data) in [(true, &b""[..]), (false, b""), (true, b"x"), (false, b"")] {
        assert!(pair.ends[0].write(ours, binary, data));
    }
    pair.run("all four", SECOND, |pair| {
        pair.ends[1].messages().len() == 4
    });
    let expected: [(bool, &[u8]); 4] = [(true, b""), (false, b""), (true, b"x"), (false, b"")];
    assert_eq!(pair.ends[1].messages(), expected);
}

#[test]
fn an_id_is_used_again_after_both_sides_saw_its_end() {
    let mut pair = Pair::new(&Setup::default());
    for round in 0..20_u8 {
        let [ours, theirs] = pair.agreed(5, Reliability::Reliable);
        assert!(pair.ends[0].write(ours, true, &[round; 3000]));
        assert!(pair.ends[1].write(theirs, true, &[round; 4000]));
        pair.run("both messages", SECOND, |pair| {
            pair.ends.iter().all(|end| end.messages().len() == 1)
        });
        let (closer, id) = if round % 2 == 0 {
            (0, ours)
        } else {
            (1, theirs)
        };
        pair.ends[closer].rtc.direct_api().close_data_channel(id);
        pair.run("both see the end", SECOND, |pair| {
            pair.ends[0].closed(ours) && pair.ends[1].closed(theirs)
        });
        pair.wait(SECOND);
        for end in &mut pair.ends {
            end.events.clear();
        }
    }
}

#[test]
fn channels_that_may_lose_still_deliver_on_a_good_line() {
    for reliability in [
        Reliability::MaxRetransmits { retransmits: 0 },
        Reliability::MaxPacketLifetime { lifetime: 200 },
    ] {
        let mut pair = Pair::new(&Setup::default());
        let [ours, _] = pair.agreed(7, reliability);
        for part in 0..20 {
            assert!(pair.ends[0].write(ours, true, &[part; 5000]));
            pair.wait(SECOND / 10);
        }
        assert_eq!(pair.ends[1].messages().len(), 20);
    }
}

/// Writes `volume` bytes in messages of 48 KiB whenever the engine takes one.
fn fill(cap: usize, volume: usize) {
    const MESSAGE: usize = 48 << 10;
    let setup = Setup {
        cap: Some(cap),
        ..Setup::default()
    };
    let mut pair = Pair::new(&setup);
    let [ours, _] = pair.agreed(9, Reliability::Reliable);
    let (mut written, mut refused) = (0, 0);
    let count = volume / MESSAGE;
    pair.run("everything arrives", 60 * SECOND, |pair| {
        while written < count {
            let number = u32::try_from(written).expect("small").to_be_bytes();
            let message = [&number[..], &[7; MESSAGE - 4]].concat();
            if !pair.ends[0].write(ours, true, &message) {
                refused += 1;
                break;
            }
            written += 1;
        }
        let waiting = pair.ends[0]
            .rtc
            .channel(ours)
            .expect("open")
            .buffered_amount();
        assert!(
            waiting <= cap,
            "{waiting} bytes wait, above the cap of {cap}"
        );
        pair.ends[1].messages().len() == count
    });
    assert!(refused > 0, "the cap was never reached");
    for (index, (binary, data)) in pair.ends[1].messages().into_iter().enumerate() {
        assert!(binary && data.len() == MESSAGE);
        assert_eq!(
            data[..4],
            u32::try_from(index).expect("small").to_be_bytes()
        );
    }
}

#[test]
fn the_engines_send_buffer_may_be_128_kib() {
    fill(128 << 10, 8 << 20);
}

#[test]
fn the_engines_send_buffer_may_be_8_mib() {
    fill(8 << 20, 48 << 20);
}

#[test]
fn with_tokens_from_signalling_the_association_needs_no_packet_of_its_own() {
    let opened = |tokens| {
        let setup = Setup { tokens, cap: None };
        let mut pair = Pair::new(&setup);
        let begun = pair.datagrams;
        let [ours, theirs] = pair.agreed(1, Reliability::Reliable);
        let spent = pair.datagrams - begun;
        assert!(pair.ends[0].write(ours, true, &[1; 60_000]));
        assert!(pair.ends[1].write(theirs, true, &[2; 100]));
        pair.run("both messages", SECOND, |pair| {
            pair.ends.iter().all(|end| !end.messages().is_empty())
        });
        spent
    };
    let (with, without) = (opened(true), opened(false));
    assert!(
        with < without,
        "{with} datagrams with tokens, {without} without"
    );
}

#[test]
fn many_channels_carry_their_own_messages() {
    let mut pair = Pair::new(&Setup::default());
    let ids: Vec<_> = (0..50)
        .map(|n| pair.agreed(2 * n, Reliability::Reliable))
        .collect();
    for (n, [ours, theirs]) in ids.iter().enumerate() {
        let n = u8::try_from(n).expect("fifty");
        assert!(pair.ends[0].write(*ours, true, &[n; 1500]));
        assert!(pair.ends[1].write(*theirs, true, &[n; 1500]));
    }
    pair.run("a hundred messages", 5 * SECOND, |pair| {
        pair.ends.iter().all(|end| end.messages().len() == 50)
    });
    for (who, end) in pair.ends.iter().enumerate() {
        for event in &end.events {
            let Event::ChannelData(data) = event else {
                continue;
            };
            let n = ids
                .iter()
                .position(|pair| pair[who] == data.id)
                .expect("known");
            assert!(data.data.iter().all(|byte| usize::from(*byte) == n));
        }
    }
}
