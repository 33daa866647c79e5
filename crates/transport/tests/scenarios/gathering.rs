//! Binding, addresses and the descriptions we make.

use std::net::UdpSocket;
use std::time::Instant;

use framewire_transport::{Endpoint, PeerConfig};

use crate::loopback::{PATIENCE, connect, local, message, open};
use crate::net::SECOND;

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
