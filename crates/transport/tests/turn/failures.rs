//! Allocations that fail: each server's reason is known, within the time allowed, and no password is in it.

use std::net::TcpListener;
use std::time::Instant;

use framewire_transport::{AnswerError, Gathered, OfferError, PeerConfig, ServerFailure};

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
    let said = |o: Result<Vec<Gathered>, ServerFailure>| o.expect_err("failed").to_string();
    outcomes.map(said).collect()
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
    let shown = format!("{nameless:?}");
    assert!(
        shown.contains("***@127.0.0.1") && !shown.contains("secret"),
        "{shown}"
    );
    let started = Instant::now();
    let errors = failures(relayed(nameless));
    assert!(errors[0].contains("user name"), "{errors:?}");
    assert!(errors[1].contains("transport"), "{errors:?}");
    assert!(errors[2].contains("only relayed"), "{errors:?}");
    assert_eq!(errors.len(), 4);
    assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());
}

#[test]
fn of_very_many_urls_the_first_twelve_are_asked() {
    let urls: Vec<String> = (0..20)
        .map(|_| "turn:127.0.0.1:1?transport=tcp".to_owned())
        .collect();
    let errors = failures(relayed(known(urls)));
    let asked = errors.iter().filter(|e| *e == "connection refused").count();
    let left = errors.iter().filter(|e| e.starts_with("not asked")).count();
    assert_eq!((asked, left), (12, 8), "{errors:?}");
}

#[test]
fn a_peer_with_dozens_of_unreachable_addresses_is_still_reached() {
    let server = Server::start();
    let (client, other) = (endpoint(), endpoint());
    let config = relayed(known(vec![server.udp()])).with_channel("inference");
    let offer = client.offer(config).expect("offer");
    let (theirs, answer) = other
        .answer(offer.sdp(), PeerConfig::default())
        .expect("answer");
    let fakes: String = (1..=58)
        .map(|n| format!("a=candidate:{n} 1 UDP 2130706431 127.0.1.{n} 9 typ host\r\n"))
        .collect();
    let (head, tail) = answer.split_once("a=candidate:").expect("candidates");
    let started = Instant::now();
    let ours = offer
        .accept_answer(&format!("{head}{fakes}a=candidate:{tail}"))
        .expect("accept");
    let channel = crate::sessions::open(&ours, "inference");
    assert!(started.elapsed() < 10 * SECOND, "{:?}", started.elapsed());
    channel.send_text("hello".into()).expect("open");
    assert_eq!(crate::sessions::message(&theirs), "hello");
}

#[test]
fn whatever_a_server_answers_ends_in_an_error_in_time_and_nothing_panics() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
    let url = format!("turn:{}", socket.local_addr().expect("address"));
    socket.set_read_timeout(Some(2 * SECOND)).expect("timeout");
    let answering = std::thread::spawn(move || {
        let mut room = [0; 2048];
        let mut seed = 1u32;
        let mut random = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 16
        };
        // Ends when nobody asks any more.
        while let Ok((len, from)) = socket.recv_from(&mut room) {
            for _ in 0..50 {
                // A response of some kind to the request, with attributes of random kinds and lengths.
                let kind = [[1, 3], [1, 0x13], [0, 0x17], [0x40, 0]][random() as usize % 4];
                let mut answer = room[..len.min(20)].to_vec();
                answer[..2].copy_from_slice(&kind);
                answer.truncate(20);
                for _ in 0..random() % 6 {
                    let attribute = [0x09, 0x14, 0x15, 0x16, 0x0d, 0x12, 0x20, 0x08];
                    let attribute = attribute[random() as usize % attribute.len()];
                    let size = random() as usize % 40;
                    answer.extend([0, attribute, 0, size as u8]);
                    answer.extend((0..size.next_multiple_of(4)).map(|_| random() as u8));
                }
                let body = (answer.len() - 20) as u16;
                answer[2..4].copy_from_slice(&body.to_be_bytes());
                if random() % 4 == 0 {
                    answer.truncate(random() as usize % answer.len());
                }
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    let started = Instant::now();
    for _ in 0..10 {
        let config = relayed(known(vec![url.clone()])).with_gather_timeout(SECOND / 10);
        for error in failures(config) {
            assert!(!error.contains("panicked"), "{error}");
        }
    }
    assert!(started.elapsed() < 10 * SECOND, "{:?}", started.elapsed());
    answering.join().expect("no panic");
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
    let reason = "connection refused".to_owned();
    let refused = ServerFailure::Refused { reason };
    assert_eq!(report[0].outcome, Err(refused));
    session.end();
}

#[test]
fn servers_at_addresses_that_are_not_allowed_are_never_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    listener.set_nonblocking(true).expect("nonblocking");
    let urls = ["turn:127.0.0.1", "turns:localhost"];
    let urls = urls
        .map(|host| format!("{host}:{port}?transport=tcp"))
        .to_vec();
    let config = relayed(known(urls)).with_ice_server_filter(|address| !address.is_loopback());
    let started = Instant::now();
    for error in failures(config) {
        assert_eq!(error, "its address is not allowed here");
    }
    assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());
    assert!(listener.accept().is_err(), "somebody connected");
}
