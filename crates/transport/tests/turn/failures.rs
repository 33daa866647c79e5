//! Allocations that fail: each server's reason is known, within the time allowed, and no password is in it.

use std::net::TcpListener;
use std::time::Instant;

use framewire_transport::{AnswerError, OfferError, PeerConfig};

use crate::server::{Server, known, user};
use crate::sessions::{SECOND, connect, endpoint, relayed};

/// The outcome of each URL, which must all fail.
fn failures(config: PeerConfig) -> Vec<String> {
    let error = endpoint()
        .offer(config.with_channel("inference"))
        .expect_err("no relayed address");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("secret"), "{text}");
    }
    let OfferError::NoRelay(report) = error else {
        panic!("{error}");
    };
    let outcomes = report.servers.into_iter().map(|s| s.outcome);
    outcomes.map(|o| o.expect_err("failed")).collect()
}

#[test]
fn a_wrong_password_is_named_at_once_on_every_transport_and_never_shown() {
    let server = Server::start();
    let started = Instant::now();
    let urls = vec![server.udp(), server.tcp()];
    let expected = "the server refuses the user name and password (401)";
    assert_eq!(
        failures(relayed(user(urls, "secret"))),
        [expected, expected]
    );
    assert!(started.elapsed() < 2 * SECOND, "{:?}", started.elapsed());
}

#[test]
fn missing_credentials_and_wrong_urls_are_named_without_asking_anyone() {
    let nameless = vec![framewire_transport::IceServer::new(vec![
        "turn:127.0.0.1:1".into(),
        "turn:127.0.0.1:1?transport=sctp".into(),
        "stun:127.0.0.1:1".into(),
        "turn:joe:secret@127.0.0.1:1".into(),
    ])];
    let started = Instant::now();
    let errors = failures(relayed(nameless));
    assert!(errors[0].contains("user name"), "{errors:?}");
    assert!(errors[1].contains("transport"), "{errors:?}");
    assert!(errors[2].contains("only relayed"), "{errors:?}");
    assert_eq!(errors.len(), 4);
    assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());
}

#[test]
fn silent_and_foreign_servers_end_with_the_time_allowed() {
    let mute = TcpListener::bind("127.0.0.1:0").expect("bind");
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
    let web = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = web.local_addr().expect("address");
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = web.accept().expect("a client");
        std::io::Write::write_all(&mut stream, b"\xffHTTP/1.1 400 Bad Request\r\n\r\n")
            .expect("written");
        stream
    });
    let urls = vec![
        format!("turn:{}?transport=tcp", mute.local_addr().expect("address")),
        format!("turn:{}", silent.local_addr().expect("address")),
        format!("turn:{address}?transport=tcp"),
    ];
    let started = Instant::now();
    let errors = failures(relayed(known(urls)).with_gather_timeout(SECOND / 2));
    assert!(started.elapsed() < 2 * SECOND, "{:?}", started.elapsed());
    let silence = "no answer in the time allowed";
    assert_eq!(errors, [silence, silence, "the server does not speak TURN"]);
    drop(answering.join());
}

#[test]
fn an_answer_needs_a_relayed_address_too_when_nothing_else_may_be_told() {
    let (client, server) = (endpoint(), endpoint());
    let offer = client
        .offer(PeerConfig::default().with_channel("inference"))
        .expect("offer");
    let servers = known(vec!["turn:127.0.0.1:1?transport=tcp".into()]);
    match server.answer(offer.sdp(), relayed(servers)) {
        Err(AnswerError::NoRelay(report)) => {
            assert_eq!(
                report.to_string(),
                "turn:127.0.0.1:1?transport=tcp: connection refused"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_relay_only_a_failing_server_is_reported_and_the_session_is_direct() {
    let servers = known(vec!["turn:127.0.0.1:1?transport=tcp".into()]);
    let config = PeerConfig::default().with_ice_servers(servers);
    let session = connect(config, PeerConfig::default());
    session.round_trip("direct");
    let report = &session.ours.gathering().servers;
    assert_eq!(report[0].outcome, Err("connection refused".to_owned()));
    session.end();
}
