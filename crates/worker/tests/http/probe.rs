//! The channel on which a client measures its connection: what the worker answers, sends and counts, and what it does not.
//! Not the texts, which the protocol's own tests hold.

use std::time::Duration;

use bytes::Bytes;
use framewire_protocol::probe::{PROBE_LABEL, ProbeReply, ProbeRequest};
use framewire_transport::{ChannelOptions, DataChannel, PeerEvent};
use framewire_worker::Worker;
use serde_json::json;

use crate::common::http::get;
use crate::common::peer::Client;
use crate::common::{deadline, worker};

struct Probing {
    client: Client,
    channel: DataChannel,
}

/// What came on the probe's channel, or the echo of a ping on the other one.
#[derive(Debug, PartialEq)]
enum Came {
    Reply(ProbeReply),
    Bytes(usize),
    Ping,
}

impl Probing {
    fn start(worker: &Worker, features: &[&str]) -> Probing {
        let client = Client::start(worker, |body| {
            body["framewire"] = json!({"v": 1, "features": features});
        });
        let opened = client
            .peer
            .open_channel(PROBE_LABEL, ChannelOptions::default());
        let channel = opened.unwrap();
        while !channel.is_open() {
            client.peer.events().recv_deadline(deadline()).unwrap();
        }
        Probing { client, channel }
    }

    fn ask(&self, request: ProbeRequest) {
        self.channel.send_text(request.text()).unwrap();
    }

    fn next(&self) -> Came {
        loop {
            match self.client.peer.events().recv_deadline(deadline()).unwrap() {
                PeerEvent::Message { channel, .. } if channel != self.channel.id() => {
                    return Came::Ping;
                }
                PeerEvent::Message { data, text, .. } if text => {
                    return Came::Reply(ProbeReply::parse(&data).unwrap());
                }
                PeerEvent::Message { data, .. } => return Came::Bytes(data.len()),
                PeerEvent::Closed(reason) => panic!("closed: {reason}"),
                _ => {}
            }
        }
    }
}

fn metric(worker: &Worker, name: &str) -> u64 {
    let metrics = get(worker.local_addr(), "/metrics").body;
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("framewire_{name} ")));
    value.expect("the metric is there").parse().unwrap()
}

#[test]
fn a_client_that_agreed_measures_both_directions_and_everything_is_counted() {
    let worker = worker();
    let probing = Probing::start(&worker, &["probe"]);
    for n in [0, 7, u64::MAX] {
        probing.ask(ProbeRequest::Echo(n));
        assert_eq!(probing.next(), Came::Reply(ProbeReply::Echo(n)));
    }
    for size in [1000, 16384, 1] {
        probing.channel.send(Bytes::from(vec![1; size])).unwrap();
    }
    probing.ask(ProbeRequest::Count);
    let counted = ProbeReply::Count {
        received: 17385,
        messages: 3,
        largest: 16384,
    };
    assert_eq!(probing.next(), Came::Reply(counted));

    let (time, message) = (Duration::from_millis(50), 1024);
    probing.ask(ProbeRequest::Send { time, message });
    let mut came = 0;
    let sent = loop {
        match probing.next() {
            Came::Bytes(len) => {
                assert_eq!(len, 1024);
                came += 1024;
            }
            Came::Reply(ProbeReply::Sent { bytes, packets, .. }) => break (bytes, packets),
            other => panic!("unexpected: {other:?}"),
        }
    };
    assert!(came > 0 && sent.0 == came && sent.1 > 0, "{came} {sent:?}");
    probing.channel.send_text("nonsense".into()).unwrap();
    let small = ProbeRequest::Send {
        time,
        message: 1023,
    };
    probing.ask(small);
    probing.ask(ProbeRequest::Echo(1));
    assert_eq!(probing.next(), Came::Reply(ProbeReply::Echo(1)));
    assert_eq!(metric(&worker, "probe_sent_bytes_total"), came);
    assert_eq!(metric(&worker, "probe_received_bytes_total"), 17385);
    assert_eq!(metric(&worker, "probe_rejected_total"), 2);
}

#[test]
fn without_the_agreement_the_label_means_nothing() {
    let worker = worker();
    let probing = Probing::start(&worker, &["upload"]);
    probing.ask(ProbeRequest::Echo(1));
    // What was sent before it was taken before it.
    probing.client.raw_chunk(Bytes::from_static(b"p"));
    assert_eq!(probing.next(), Came::Ping);
    assert_eq!(metric(&worker, "probe_rejected_total"), 0);
}
