//! Checking servers one by one: what each gives, that it gets it back, and the reason when it gives nothing.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_transport::{
    IceServer, ServerCheck, ServerFailure, ServerService, ServerTransport, check_ice_servers,
};
use rustls::pki_types::PrivateKeyDer;

use crate::server::{Server, known, user};
use crate::sessions::{SECOND, endpoint, relayed};
use crate::trust::with_trust;

const BUDGET: Duration = SECOND.saturating_mul(10);

fn failure(check: &ServerCheck) -> &ServerFailure {
    check.outcome.as_ref().expect_err("it gives nothing")
}

/// Asks until there is an allocation: the server takes a moment to forget the one before, and ten minutes when it is not given
/// back.
fn allocated(url: &str) -> ServerCheck {
    let deadline = Instant::now() + 60 * SECOND;
    loop {
        let check = check_ice_servers(&known(vec![url.to_owned()]), BUDGET).remove(0);
        if check.outcome != Err(ServerFailure::Quota) {
            return check;
        }
        assert!(Instant::now() < deadline, "it was not given back");
    }
}

#[test]
fn every_url_is_asked_by_itself_and_an_allocation_is_given_back() {
    // One allocation at a time: the second would be refused if the first were still there.
    let server = Server::with("127.0.0.1", "user-quota=1");
    for url in [server.udp(), server.tcp(), server.udp()] {
        let check = allocated(&url);
        let grant = check.outcome.clone().expect("allocated");
        assert_eq!(check.url, url);
        assert_eq!(check.service, ServerService::Turn);
        let relayed = grant.relayed.expect("relayed");
        let reflexive = grant.reflexive.expect("reflexive");
        assert!(relayed.ip().is_loopback() && reflexive.ip().is_loopback());
        assert_ne!(relayed, reflexive);
        let tcp = url.ends_with("tcp");
        assert_eq!(check.connected.is_some(), tcp, "{check:?}");
    }
    let stun = server.udp().replace("turn:", "stun:");
    let checks = check_ice_servers(&[IceServer::new(vec![stun])], BUDGET);
    let grant = checks[0].outcome.clone().expect("bound");
    assert_eq!(checks[0].service, ServerService::Stun);
    assert!(grant.reflexive.is_some() && grant.relayed.is_none());
}

#[test]
fn an_allocation_over_tls_needs_a_certificate_that_is_trusted() {
    with_trust(
        "checking::an_allocation_over_tls_needs_a_certificate_that_is_trusted",
        Server::tls,
        |url| {
            let stuns = url
                .replace("turns:", "stuns:")
                .replace("?transport=tcp", "");
            let servers = known(vec![url.to_owned(), stuns]);
            let checks = check_ice_servers(&servers, BUDGET);
            for check in &checks {
                assert_eq!(check.transport, ServerTransport::Tls);
                assert!(
                    check.outcome.is_ok() && check.connected.is_some(),
                    "{check:?}"
                );
            }
        },
    );
}

#[test]
fn a_certificate_from_nobody_known_is_told() {
    let server = Server::start();
    let checks = check_ice_servers(&known(vec![server.tls()]), BUDGET);
    assert_eq!(failure(&checks[0]), &ServerFailure::TlsUnknownIssuer);
}

#[test]
fn a_wrong_password_and_a_used_up_quota_are_told_apart() {
    let server = Server::with("127.0.0.1", "user-quota=1");
    let urls = vec![server.udp(), server.tcp()];
    for check in check_ice_servers(&user(urls, "secret"), BUDGET) {
        assert_eq!(failure(&check), &ServerFailure::Credentials);
        assert!(!format!("{check:?}").contains("secret"));
    }
    let holder = endpoint();
    let config = relayed(known(vec![server.udp()])).with_channel("inference");
    let _held = holder.offer(config).expect("the one allocation");
    let checks = check_ice_servers(&known(vec![server.udp()]), BUDGET);
    assert_eq!(failure(&checks[0]), &ServerFailure::Quota);
}

/// Answers every client with these bytes and says no more.
fn talker(words: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        let mut clients = Vec::new();
        for client in listener.incoming().flatten() {
            let _ = (&client).write_all(words);
            clients.push(client);
        }
    });
    address
}

#[test]
fn silence_refusal_and_another_protocol_are_told_apart_within_the_budget() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let mute = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = |a: std::io::Result<SocketAddr>| a.expect("address");
    let (silent, mute) = (address(silent.local_addr()), address(mute.local_addr()));
    let (web, shell) = (
        talker(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        talker(b"SSH-2.0-x\r\n"),
    );
    let mut servers = known(vec![
        format!("turn:{silent}"),
        format!("turn:{mute}?transport=tcp"),
        "turn:127.0.0.1:1".to_owned(),
        "turn:127.0.0.1:1?transport=tcp".to_owned(),
        format!("turn:{web}?transport=tcp"),
        format!("turn:{shell}?transport=tcp"),
        format!("turns:{web}"),
        "turn:joe:secret@127.0.0.1:1".to_owned(),
    ]);
    servers.push(IceServer::new(vec![
        format!("stun:{silent}"),
        "stun:127.0.0.1:1".to_owned(),
        "turn:127.0.0.1:1".to_owned(),
    ]));
    let started = Instant::now();
    let checks = check_ice_servers(&servers, SECOND);
    assert!(started.elapsed() < 10 * SECOND, "{:?}", started.elapsed());
    let words: Vec<&str> = checks.iter().map(|c| name(failure(c))).collect();
    assert_eq!(
        words,
        [
            "silent", "silent", "refused", "refused", "foreign", "foreign", "tls", "url", "silent",
            "refused", "url"
        ],
        "{checks:#?}"
    );
    assert!(!format!("{checks:?}").contains("secret"));
}

fn name(failure: &ServerFailure) -> &'static str {
    match failure {
        ServerFailure::Url(_) => "url",
        ServerFailure::Silent { .. } => "silent",
        ServerFailure::Refused { .. } => "refused",
        ServerFailure::NotStun => "foreign",
        ServerFailure::Tls { .. } => "tls",
        ServerFailure::TlsNameMismatch => "another name",
        ServerFailure::TlsExpired => "expired",
        _ => "something else",
    }
}

#[test]
fn a_certificate_that_is_for_another_name_or_too_old_says_so() {
    const TEST: &str = "checking::a_certificate_that_is_for_another_name_or_too_old_says_so";
    const URLS: &str = "FRAMEWIRE_TEST_TLS_URLS";
    if let Ok(urls) = std::env::var(URLS) {
        let urls = urls.split(' ').map(str::to_owned).collect();
        let checks = check_ice_servers(&known(urls), BUDGET);
        let words: Vec<&str> = checks.iter().map(|c| name(failure(c))).collect();
        assert_eq!(words, ["another name", "expired"], "{checks:#?}");
        return;
    }
    let (other, other_pem) = secured("turn.example", 2100);
    let (old, old_pem) = secured("127.0.0.1", 2001);
    let dir = tempfile::tempdir().expect("temporary directory");
    let trusted = dir.path().join("trusted.pem");
    std::fs::write(&trusted, other_pem + &old_pem).expect("write");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", TEST, "--nocapture"])
        .env("SSL_CERT_FILE", trusted)
        .env(URLS, format!("turns:{other} turns:{old}"))
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && text.contains("1 passed");
    assert!(passed, "{text}{errors}");
}

/// Shakes hands with every client, with a certificate for `name` valid until that year; its address and its certificate.
fn secured(name: &str, until: i32) -> (SocketAddr, String) {
    let key = rcgen::KeyPair::generate().expect("key");
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("name");
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let cert = params.self_signed(&key).expect("certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|b| {
            b.with_no_client_auth()
                .with_single_cert(vec![cert.der().clone()], private)
        })
        .map(Arc::new)
        .expect("usable");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut tls = rustls::ServerConnection::new(config.clone()).expect("usable");
            // Ends with the client's alert.
            while tls.complete_io(&mut client).is_ok_and(|(read, _)| read > 0) {}
        }
    });
    (address, cert.pem())
}
