//! TLS to a TURN server: with its certificate trusted, which takes a process of its own, and without.

use std::process::Command;

use framewire_transport::{Endpoint, EndpointConfig, OfferError};

use crate::server::{Server, known};
use crate::sessions::relayed;

const URL: &str = "FRAMEWIRE_TEST_TURN_URL";

/// Runs `body` with a URL of a fresh server in a process that trusts the server's certificate. `test` is the name of
/// the calling test, which runs again there.
pub(crate) fn with_trust(test: &str, url: impl Fn(&Server) -> String, body: impl Fn(&str)) {
    if let Ok(url) = std::env::var(URL) {
        return body(&url);
    }
    let server = Server::start();
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env("SSL_CERT_FILE", server.certificate())
        .env(URL, url(&server))
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    eprint!("{errors}");
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{errors}{}",
        server.log()
    );
}

#[test]
fn a_certificate_nobody_vouches_for_is_refused_and_the_report_says_why() {
    let server = Server::start();
    let endpoint = Endpoint::bind(EndpointConfig::default()).expect("bind");
    let config = relayed(known(vec![server.tls()])).with_channel("inference");
    let error = endpoint.offer(config).expect_err("no relayed address");
    let OfferError::NoRelay(report) = &error else {
        panic!("{error}");
    };
    let cause = report.servers[0].outcome.clone().expect_err("refused");
    let cause = cause.to_string();
    assert!(cause.starts_with("TLS: "), "{cause}");
    assert!(cause.contains("certificate"), "{cause}");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    with_trust(
        "trust::a_certificate_for_another_name_is_refused",
        |server| server.tls().replace("127.0.0.1", "127.0.0.2"),
        |url| {
            let endpoint = Endpoint::bind(EndpointConfig::default()).expect("bind");
            let config = relayed(known(vec![url.to_owned()])).with_channel("inference");
            let error = endpoint.offer(config).expect_err("no relayed address");
            // 127.0.0.2 is not what the server listens on, or not what it has a certificate for.
            let text = error.to_string();
            assert!(text.contains("TLS: ") || text.contains("refused"), "{text}");
        },
    );
}
