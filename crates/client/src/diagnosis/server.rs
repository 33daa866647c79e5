//! Diagnosis of a STUN or TURN server that was asked by itself and gave nothing.
//! Not whether a connection needs it.

use framewire_transport::{ServerCheck, ServerFailure, ServerService, ServerTransport};

use crate::diagnosis::{Cause, CheckStep, Diagnosis, seconds};

/// The step that a server is.
pub(crate) fn step_of(check: &ServerCheck) -> CheckStep {
    match (check.service, check.transport) {
        (ServerService::Stun, _) => CheckStep::Stun,
        (_, ServerTransport::Tcp) => CheckStep::TurnTcp,
        (_, ServerTransport::Tls) => CheckStep::TurnTls,
        _ => CheckStep::TurnUdp,
    }
}

/// Why it gave nothing; none when it did.
pub(crate) fn of_server(check: &ServerCheck) -> Option<Diagnosis> {
    let failure = check.outcome.as_ref().err()?;
    let stun = check.service == ServerService::Stun;
    let url = &check.url;
    let (what, protocol) = if stun {
        ("STUN server", "STUN")
    } else {
        ("TURN server", "TURN")
    };
    let carrier = match check.transport {
        ServerTransport::Tcp => "TCP",
        ServerTransport::Tls => "TLS",
        _ => "UDP",
    };
    let certificate = |what: &str| {
        (
            Cause::ServerTls,
            format!("the certificate of the {protocol} server {url} {what}"),
            "give the server a certificate that is valid for its name, or add its issuer to the system's certificates (SSL_CERT_FILE)",
        )
    };
    let (cause, problem, advice) = match failure {
        ServerFailure::Url(reason) => (
            Cause::BadUrl,
            format!("the {what} {url} cannot be used ({reason})"),
            "correct its URL, and give a TURN server a user name and a password",
        ),
        ServerFailure::Name { reason } => (
            Cause::ServerNameNotFound,
            format!("the name of the {what} {url} does not resolve ({reason})"),
            "check its spelling and this machine's DNS",
        ),
        ServerFailure::Refused { reason } => (
            Cause::ServerUnreachable,
            format!("the {what} {url} is not reached ({reason})"),
            "check that it runs and listens there, and its port",
        ),
        ServerFailure::Silent { after } => (
            if stun {
                Cause::StunSilent
            } else {
                Cause::ServerSilent
            },
            format!("the {what} {url} did not answer within {}", seconds(*after)),
            if check.transport == ServerTransport::Udp {
                "check that it runs and that no firewall drops UDP to it; a TURN server over TCP or TLS passes where UDP does not"
            } else {
                "check that it runs and that no firewall drops TCP to its port"
            },
        ),
        ServerFailure::TlsUnknownIssuer => certificate("is signed by nobody this machine trusts"),
        ServerFailure::TlsNameMismatch => certificate("is for another name"),
        ServerFailure::TlsExpired => certificate("is not valid now"),
        ServerFailure::Tls { reason } => (
            Cause::ServerTls,
            format!("TLS with the {what} {url} failed ({reason})"),
            "check its port (5349 or 443 for turns:) and its TLS settings",
        ),
        ServerFailure::NotStun => (
            Cause::NotATurnServer,
            format!("what answers over {carrier} at {url} does not speak {protocol}"),
            "check its host, its port and its transport",
        ),
        ServerFailure::Credentials => (
            Cause::TurnCredentials,
            format!("the {what} {url} does not accept the user name and password"),
            "check both; credentials made for a limited time may have expired, also by a wrong clock",
        ),
        ServerFailure::Quota => (
            Cause::TurnQuota,
            format!("the {what} {url} gives this user no further address (486)"),
            "end other sessions of this user, wait for old allocations to expire (10 minutes), or raise the server's quota",
        ),
        ServerFailure::Denied { code, reason } => (
            Cause::TurnRefused,
            format!("the {what} {url} refuses: {reason} ({code})"),
            "look at the server's log and settings",
        ),
        other => (
            Cause::ServerUnreachable,
            format!("the {what} {url} could not be asked ({other})"),
            "check this machine's network interfaces",
        ),
    };
    Some(Diagnosis::new(step_of(check), cause, problem, advice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewire_transport::{IceServer, check_ice_servers};
    use std::time::Duration;

    #[test]
    fn every_failure_of_a_server_has_its_cause_and_names_the_url() {
        // Nothing is asked of a URL that is none.
        let servers = [IceServer::new(vec!["turn:".into()])];
        let mut check = check_ice_servers(&servers, Duration::from_secs(1)).remove(0);
        assert_eq!(of_server(&check).unwrap().cause, Cause::BadUrl);
        check.url = "turn:t.example".into();
        let reason = String::new;
        let table = [
            (
                ServerFailure::Name { reason: reason() },
                Cause::ServerNameNotFound,
            ),
            (
                ServerFailure::Refused { reason: reason() },
                Cause::ServerUnreachable,
            ),
            (
                ServerFailure::Silent {
                    after: Duration::from_secs(4),
                },
                Cause::ServerSilent,
            ),
            (ServerFailure::TlsUnknownIssuer, Cause::ServerTls),
            (ServerFailure::NotStun, Cause::NotATurnServer),
            (ServerFailure::Credentials, Cause::TurnCredentials),
            (ServerFailure::Quota, Cause::TurnQuota),
            (
                ServerFailure::Denied {
                    code: 403,
                    reason: reason(),
                },
                Cause::TurnRefused,
            ),
            (
                ServerFailure::Local { reason: reason() },
                Cause::ServerUnreachable,
            ),
        ];
        for (failure, cause) in table {
            check.outcome = Err(failure);
            let diagnosis = of_server(&check).unwrap();
            assert_eq!(
                (diagnosis.step, diagnosis.cause),
                (CheckStep::TurnUdp, cause)
            );
            assert!(diagnosis.problem.contains("turn:t.example"), "{diagnosis}");
        }
    }
}
