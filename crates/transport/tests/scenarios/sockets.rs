//! The driver over real loopback sockets. Waits are events with deadlines; nothing sleeps.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_transport::{
    AnswerError, ChannelError, CloseReason, Endpoint, OfferError, Peer, PeerConfig, PeerEvent,
    PeerState, RecvError,
};

use crate::loopback::PATIENCE;
use crate::loopback::{MESSAGE, closed, connect, local, message, open, soon};
use crate::net::{SECOND, numbered};

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
