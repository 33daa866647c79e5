//! The driver over real loopback sockets. Waits are events with deadlines; nothing sleeps.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_transport::{
    AnswerError, ChannelError, CloseReason, DataChannel, Endpoint, EndpointConfig, OfferError,
    Peer, PeerConfig, PeerEvent, PeerState, RecvError,
};

use crate::net::{SECOND, numbered};

const PATIENCE: Duration = Duration::from_secs(20);
const MESSAGE: usize = 49_160;

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

fn local() -> EndpointConfig {
    EndpointConfig::default()
}

/// `client` offers, `server` answers.
fn connect(client: &Endpoint, server: &Endpoint) -> (Peer, Peer) {
    let config = PeerConfig::default()
        .with_channel("inference")
        .with_channel("video_upload");
    let offer = client.offer(config).expect("offer");
    let (theirs, answer) = server
        .answer(offer.sdp(), PeerConfig::default())
        .expect("answer");
    (offer.accept_answer(&answer).expect("accept"), theirs)
}

fn wait_for<T>(peer: &Peer, mut wanted: impl FnMut(PeerEvent) -> Option<T>) -> T {
    loop {
        let event = peer.events().recv_deadline(soon()).expect("an event");
        let text = format!("{event:?}");
        if let Some(found) = wanted(event) {
            return found;
        }
        assert!(!text.starts_with("Closed"), "ended early: {text}");
    }
}

fn open(peer: &Peer, label: &str) -> DataChannel {
    wait_for(peer, |event| match event {
        PeerEvent::ChannelOpen(channel) if channel.label() == label => Some(channel),
        _ => None,
    })
}

fn message(peer: &Peer) -> Bytes {
    wait_for(peer, |event| match event {
        PeerEvent::Message { data, .. } => Some(data),
        _ => None,
    })
}

fn closed(peer: &Peer) -> CloseReason {
    wait_for(peer, |event| match event {
        PeerEvent::Closed(reason) => Some(reason),
        _ => None,
    })
}

#[test]
fn the_same_bytes_arrive_with_and_without_segmentation() {
    for segmentation in [true, false] {
        let (client, server) = (
            Endpoint::bind(local().with_segmentation(segmentation)).expect("bind"),
            Endpoint::bind(local().with_segmentation(segmentation)).expect("bind"),
        );
        let (ours, theirs) = connect(&client, &server);
        let upload = open(&ours, "video_upload");
        let sender = std::thread::spawn(move || {
            for index in 0..300 {
                upload
                    .wait_buffered_at_most(256 * 1024, soon())
                    .expect("drains");
                upload.send(numbered(index, MESSAGE)).expect("queued");
            }
        });
        for index in 0..300 {
            assert_eq!(
                message(&theirs),
                numbered(index, MESSAGE),
                "message {index}"
            );
        }
        sender.join().expect("sent");
        let stats = client.stats();
        let per_call = stats.datagrams_sent / stats.send_calls.max(1);
        if segmentation && stats.segments > 1 {
            assert!(per_call >= 4, "{stats:?}");
        } else {
            assert_eq!(per_call, 1, "{stats:?}");
        }
    }
}

#[test]
fn endpoints_with_and_without_ipv6_reach_each_other() {
    for (ours, theirs) in [(false, false), (true, false), (false, true)] {
        let client = Endpoint::bind(local().with_ipv6(ours)).expect("bind");
        let server = Endpoint::bind(local().with_ipv6(theirs)).expect("bind");
        let (ours, theirs) = connect(&client, &server);
        open(&ours, "inference")
            .send_text("hello".into())
            .expect("open");
        assert_eq!(message(&theirs), "hello");
        let stats = ours.stats();
        assert!(stats.remote.is_some_and(|r| r.is_ipv4()), "{stats:?}");
        drop(theirs);
    }
}

#[test]
fn the_socket_gets_large_buffers_or_says_what_it_got() {
    let stats = Endpoint::bind(local()).expect("bind").stats();
    // Without privileges the system's maximum decides; what was really given is in the statistics.
    assert!(
        stats.receive_buffer >= 200 * 1024 && stats.send_buffer >= 200 * 1024,
        "{stats:?}"
    );
}

#[test]
fn eight_peers_share_a_socket_with_a_stranger_who_sends_rubbish() {
    let server = Endpoint::bind(local()).expect("bind");
    let port = server.local_port();
    let clients: Vec<Endpoint> = (0..8)
        .map(|_| Endpoint::bind(local()).expect("bind"))
        .collect();
    let pairs: Vec<(Peer, Peer)> = clients.iter().map(|c| connect(c, &server)).collect();
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let rubbish = |n: usize| {
        for first in [0u8, 1, 22, 23, 130, 250] {
            let mut datagram = vec![first; 20 + n % 1000];
            datagram[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
            stranger
                .send_to(&datagram, ("127.0.0.1", port))
                .expect("send");
        }
    };
    for index in 0..20 {
        rubbish(index);
        for (ours, _) in &pairs {
            if index == 0 {
                open(ours, "video_upload");
            }
            let channel = ours.channel("video_upload").expect("known");
            channel.send(numbered(index, MESSAGE)).expect("queued");
        }
    }
    for (_, theirs) in &pairs {
        for index in 0..20 {
            assert_eq!(message(theirs), numbered(index, MESSAGE));
        }
    }
    let stats = server.stats();
    assert_eq!(stats.peers, 8);
    assert!(
        stats.dropped_unknown >= 80 && stats.dropped_malformed >= 20,
        "{stats:?}"
    );
    assert_eq!(stats.engine_panics, 0);
}

#[test]
fn a_second_session_between_the_same_sockets_fails_and_leaves_the_first_alone() {
    let (client, server) = (
        Endpoint::bind(local()).expect("bind"),
        Endpoint::bind(local()).expect("bind"),
    );
    let (ours, theirs) = connect(&client, &server);
    open(&ours, "inference");
    let config = PeerConfig::default().with_connect_timeout(2 * SECOND);
    let offer = client
        .offer(config.clone().with_channel("inference"))
        .expect("offer");
    let (_second_theirs, answer) = server.answer(offer.sdp(), config).expect("answer");
    let second = offer.accept_answer(&answer).expect("accept");
    let reason = closed(&second);
    assert!(
        matches!(reason, CloseReason::ConnectTimeout { .. }),
        "{reason:?}"
    );
    ours.channel("inference")
        .expect("known")
        .send_text("unharmed".into())
        .expect("open");
    assert_eq!(message(&theirs), "unharmed");
    assert!(client.stats().dropped_conflict + server.stats().dropped_conflict > 0);
}

#[test]
fn a_panic_in_one_session_ends_it_alone() {
    let server = Endpoint::bind(local()).expect("bind");
    let clients: Vec<Endpoint> = (0..2)
        .map(|_| Endpoint::bind(local()).expect("bind"))
        .collect();
    let (ours, theirs) = connect(&clients[0], &server);
    let (other_ours, other_theirs) = connect(&clients[1], &server);
    open(&ours, "inference");
    open(&other_ours, "inference");
    theirs.__panic();
    let reason = closed(&theirs);
    assert!(matches!(reason, CloseReason::Failed(_)), "{reason:?}");
    let channel = other_ours.channel("inference").expect("known");
    channel.send_text("unharmed".into()).expect("open");
    assert_eq!(message(&other_theirs), "unharmed");
    assert_eq!((server.stats().engine_panics, server.stats().peers), (1, 1));
}

#[test]
fn closing_is_noticed_at_once_by_the_other_side() {
    let (client, server) = (
        Endpoint::bind(local()).expect("bind"),
        Endpoint::bind(local()).expect("bind"),
    );
    for we_close in [true, false] {
        let (ours, theirs) = connect(&client, &server);
        open(&ours, "inference");
        open(&theirs, "inference");
        let started = Instant::now();
        let (closing, other) = if we_close {
            (&ours, &theirs)
        } else {
            (&theirs, &ours)
        };
        closing.close(SECOND);
        assert_eq!(closed(other), CloseReason::Remote);
        assert_eq!(closed(closing), CloseReason::Local);
        assert!(
            started.elapsed() < SECOND / 2,
            "took {:?}",
            started.elapsed()
        );
        assert!(closing.wait_closed(soon()));
        assert_eq!(closing.state(), PeerState::Closed);
        assert_eq!(
            closing.events().recv_deadline(soon()).unwrap_err(),
            RecvError::Ended
        );
    }
}

#[test]
fn dropping_a_peer_tells_the_other_side() {
    let (client, server) = (
        Endpoint::bind(local()).expect("bind"),
        Endpoint::bind(local()).expect("bind"),
    );
    let (ours, theirs) = connect(&client, &server);
    open(&ours, "inference");
    open(&theirs, "inference");
    drop(ours);
    assert_eq!(closed(&theirs), CloseReason::Remote);
}

#[test]
fn a_peer_whose_process_died_is_gone_within_five_seconds() {
    let (client, server) = (
        Endpoint::bind(local()).expect("bind"),
        Endpoint::bind(local()).expect("bind"),
    );
    let (ours, theirs) = connect(&client, &server);
    open(&ours, "inference");
    open(&theirs, "inference");
    // The socket disappears without a word, as when a process is killed.
    let started = Instant::now();
    client.__die();
    assert_eq!(closed(&theirs), CloseReason::Gone);
    assert!(
        started.elapsed() < 5 * SECOND,
        "took {:?}",
        started.elapsed()
    );
    drop(ours);
}

#[test]
fn shutting_an_endpoint_down_ends_its_peers_and_refuses_new_ones() {
    let (client, server) = (
        Endpoint::bind(local()).expect("bind"),
        Endpoint::bind(local()).expect("bind"),
    );
    let (ours, theirs) = connect(&client, &server);
    let upload = open(&ours, "video_upload");
    for index in 0..50 {
        upload.send(numbered(index, MESSAGE)).expect("queued");
    }
    let offer = server
        .offer(PeerConfig::default().with_channel("x"))
        .expect("offer");
    client.shutdown(PATIENCE);
    assert_eq!(closed(&ours), CloseReason::EndpointClosed);
    for index in 0..50 {
        assert_eq!(
            message(&theirs),
            numbered(index, MESSAGE),
            "flushed before the end"
        );
    }
    assert_eq!(closed(&theirs), CloseReason::Remote);
    let refused = client.offer(PeerConfig::default().with_channel("x"));
    assert!(matches!(refused, Err(OfferError::EndpointClosed)));
    let refused = client.answer(offer.sdp(), PeerConfig::default());
    assert!(matches!(refused, Err(AnswerError::EndpointClosed)));
}

#[test]
fn a_waiting_sender_is_released_when_the_peer_closes() {
    let (client, server) = (
        Endpoint::bind(local()).expect("bind"),
        Endpoint::bind(local()).expect("bind"),
    );
    let config = PeerConfig::default().with_channel("video_upload");
    let offer = client.offer(config).expect("offer");
    let slow = PeerConfig::default().with_inbound_limit(100_000);
    let (theirs, answer) = server.answer(offer.sdp(), slow).expect("answer");
    let ours = offer.accept_answer(&answer).expect("accept");
    let upload = open(&ours, "video_upload");
    // More than the receiver's queue, hold and window take together; nobody consumes.
    for index in 0..200 {
        upload.send(numbered(index, MESSAGE)).expect("queued");
    }
    let early = upload.wait_buffered_at_most(0, Instant::now() + SECOND / 5);
    assert!(
        matches!(early, Err(ChannelError::Timeout { limit: 0, .. })),
        "{early:?}"
    );
    let upload = Arc::new(upload);
    let waiting = upload.clone();
    let waiter = std::thread::spawn(move || waiting.wait_buffered_at_most(0, soon()));
    ours.close(Duration::ZERO);
    let end = waiter.join().expect("no panic");
    assert!(
        matches!(end, Err(ChannelError::Closed { queued, .. }) if queued > 0),
        "{end:?}"
    );
    drop(theirs);
}

#[test]
fn tasks_wait_for_events_and_for_room_without_blocking_a_thread() {
    let (client, server) = (
        Endpoint::bind(local()).expect("bind"),
        Endpoint::bind(local()).expect("bind"),
    );
    let (ours, theirs) = connect(&client, &server);
    let upload = open(&ours, "video_upload");
    let sender = async {
        for index in 0..100 {
            upload.buffered_at_most(MESSAGE).await.expect("drains");
            upload.send(numbered(index, MESSAGE)).expect("queued");
        }
    };
    let receiver = async {
        let mut got = 0;
        while got < 100 {
            if let Some(PeerEvent::Message { data, .. }) = theirs.events().recv().await {
                assert_eq!(data, numbered(got, MESSAGE));
                got += 1;
            }
        }
    };
    crate::net::block_on(crate::net::join(sender, receiver), soon());
}

#[test]
fn an_offered_video_section_is_answered_inactive_and_data_still_flows() {
    let (client, server) = (
        Endpoint::bind(local()).expect("bind"),
        Endpoint::bind(local()).expect("bind"),
    );
    let offer = client
        .offer(PeerConfig::default().with_channel("inference"))
        .expect("offer");
    let own = |name: &str| {
        let line = offer
            .sdp()
            .lines()
            .find(|l| l.starts_with(name))
            .expect("attribute");
        line.to_owned()
    };
    let video = format!(
        "m=video 9 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\na=sendrecv\r\na=mid:vid\r\na=rtcp-mux\r\n\
         a=rtpmap:97 VP8/90000\r\n{}\r\n{}\r\n{}\r\na=setup:actpass\r\n",
        own("a=ice-ufrag"),
        own("a=ice-pwd"),
        own("a=fingerprint")
    );
    let bundled = offer
        .sdp()
        .replace("a=group:BUNDLE ", "a=group:BUNDLE vid ");
    let at = bundled.find("m=application").expect("data");
    let with_video = format!("{}{video}{}", &bundled[..at], &bundled[at..]);
    let (_theirs, answer) = server
        .answer(&with_video, PeerConfig::default())
        .expect("answer");
    let section = answer.split("m=").nth(1).expect("video section");
    assert!(section.starts_with("video 9"), "{answer}");
    assert!(
        section.contains("a=inactive") && section.contains("a=mid:vid"),
        "{answer}"
    );
    assert!(
        answer.contains("m=application 9 UDP/DTLS/SCTP webrtc-datachannel"),
        "{answer}"
    );
}

#[test]
fn our_descriptions_have_what_aiortc_demands() {
    let endpoint = Endpoint::bind(local()).expect("bind");
    let offer = endpoint
        .offer(PeerConfig::default().with_channel("inference"))
        .expect("offer");
    let (_peer, answer) = endpoint
        .answer(offer.sdp(), PeerConfig::default())
        .expect("answer");
    for sdp in [offer.sdp(), &answer] {
        for line in [
            "a=ice-ufrag:",
            "a=ice-pwd:",
            "a=fingerprint:sha-256 ",
            "a=sctp-port:5000",
            "a=mid:",
        ] {
            assert!(sdp.contains(line), "{line} in {sdp}");
        }
        assert!(
            sdp.contains("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"),
            "{sdp}"
        );
        assert!(sdp.contains("a=max-message-size:262144\r\n"), "{sdp}");
        assert!(
            sdp.contains("a=candidate:") && sdp.contains("a=end-of-candidates"),
            "{sdp}"
        );
    }
    assert!(offer.sdp().contains("a=setup:actpass\r\n"));
    assert!(answer.contains("a=setup:passive\r\n"));
    let mid = |sdp: &str| {
        sdp.lines()
            .find(|l| l.starts_with("a=mid:"))
            .map(str::to_owned)
    };
    assert_eq!(mid(offer.sdp()), mid(&answer));
}

#[test]
fn a_public_address_is_announced_beside_the_others() {
    let endpoint =
        Endpoint::bind(local().with_public_ip("203.0.113.9".parse().expect("ip"))).expect("bind");
    let offer = endpoint
        .offer(PeerConfig::default().with_channel("x"))
        .expect("offer");
    let public = format!(" 203.0.113.9 {} typ srflx", endpoint.local_port());
    assert!(offer.sdp().contains(&public), "{}", offer.sdp());
}

#[test]
fn a_stun_server_tells_our_outside_address_through_the_same_socket() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("bind");
    server.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let port = server.local_addr().expect("address").port();
    let thread = std::thread::spawn(move || {
        let mut request = [0; 600];
        let (_, from) = server.recv_from(&mut request).expect("a request");
        // Success, with XOR-MAPPED-ADDRESS 198.51.100.7:4660.
        let mut response = vec![1, 1, 0, 12];
        response.extend_from_slice(&request[4..20]);
        response.extend_from_slice(&[0, 0x20, 0, 8, 0, 1, 0x12 ^ 0x21, 0x34 ^ 0x12]);
        response.extend([198 ^ 0x21, 51 ^ 0x12, 100 ^ 0xa4, 7 ^ 0x42]);
        server.send_to(&response, from).expect("send");
        from
    });
    let endpoint = Endpoint::bind(local()).expect("bind");
    let servers = vec![framewire_transport::IceServer::new(vec![format!(
        "stun:127.0.0.1:{port}"
    )])];
    let config = PeerConfig::default()
        .with_channel("x")
        .with_ice_servers(servers);
    let offer = endpoint.offer(config).expect("offer");
    assert_eq!(thread.join().expect("served").port(), endpoint.local_port());
    assert!(
        offer.sdp().contains(" 198.51.100.7 4660 typ srflx"),
        "{}",
        offer.sdp()
    );
}

#[test]
fn gathering_from_a_silent_server_ends_at_its_limit() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let url = format!(
        "stun:127.0.0.1:{}",
        silent.local_addr().expect("address").port()
    );
    let servers = vec![framewire_transport::IceServer::new(vec![
        url,
        "turn:127.0.0.1:1".into(),
    ])];
    let endpoint = Endpoint::bind(local()).expect("bind");
    let config = PeerConfig::default()
        .with_channel("x")
        .with_ice_servers(servers);
    let started = Instant::now();
    endpoint
        .offer(config.with_gather_timeout(SECOND / 4))
        .expect("offer");
    assert!(
        started.elapsed() >= SECOND / 5 && started.elapsed() < 2 * SECOND,
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let first = Endpoint::bind(local()).expect("bind");
    let error = Endpoint::bind(local().with_port(first.local_port())).expect_err("taken");
    assert!(
        error.to_string().contains(&first.local_port().to_string()),
        "{error}"
    );
}
