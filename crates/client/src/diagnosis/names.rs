//! The steps of a connection and the causes of its failures, by the names that users, `doctor` and tests know them by.
//! Not here: which evidence means which cause.

/// An enumeration whose values have names: the names, and a list of all, are made with it and cannot be forgotten.
macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of a connection.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The name in JSON, in Python and in the documentation.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

named! {
/// One step on the way to a worker, as `framewire doctor` walks it. [`as_str`](Self::as_str) is its name.
CheckStep {
    /// The address is a URL, and its name leads somewhere.
    Address = "address",
    /// A TCP connection, TLS where the address says so, and any HTTP answer.
    Http = "http",
    /// What answers, and whether it serves video sessions.
    Worker = "worker",
    /// The key is accepted, or none is asked for.
    ApiKey = "api_key",
    /// The worker's clock beside ours.
    Clock = "clock",
    /// A STUN server says which address it sees.
    Stun = "stun",
    /// A TURN server gives an address, asked over UDP.
    TurnUdp = "turn_udp",
    /// The same over TCP.
    TurnTcp = "turn_tcp",
    /// The same over TLS.
    TurnTls = "turn_tls",
    /// Addresses of both sides that may be tried.
    Candidates = "candidates",
    /// The exchange of offer and answer.
    Signalling = "signalling",
    /// A pair of addresses between which datagrams pass (ICE).
    Ice = "ice",
    /// The encrypted handshake.
    Dtls = "dtls",
    /// Data channels, and how fast a small message comes back.
    DataChannel = "data_channel",
    /// Bytes to the worker.
    ThroughputUp = "throughput_up",
    /// Bytes from the worker.
    ThroughputDown = "throughput_down",
    /// Numbered pictures to the worker and back.
    Video = "video",
}
}

named! {
/// Why a step failed, as far as the evidence goes. [`as_str`](Self::as_str) is its name in JSON, in Python and in
/// `docs/troubleshooting.md`, which says what to do about each.
Cause {
    /// The worker's address is no `http` or `https` URL with a host.
    BadUrl = "bad_url",
    /// The name in the worker's address (or the proxy's) does not resolve.
    NameNotFound = "name_not_found",
    /// The worker's host answers, and nothing listens at the port.
    PortClosed = "port_closed",
    /// The attempt to connect, or the request, was never answered.
    PortSilent = "port_silent",
    /// The system has no way to the worker's host.
    HostUnreachable = "host_unreachable",
    /// Something listens there and speaks another protocol.
    NotHttp = "not_http",
    /// The configured proxy cannot be reached, or refuses to connect to the worker.
    ProxyFailed = "proxy_failed",
    /// The server's certificate is signed by nobody this machine trusts.
    TlsUnknownIssuer = "tls_unknown_issuer",
    /// The server's certificate is for another name.
    TlsNameMismatch = "tls_name_mismatch",
    /// The server's certificate is not valid now: expired, or not valid yet.
    TlsExpired = "tls_expired",
    /// TLS did not come about for another reason.
    TlsFailed = "tls_failed",
    /// The server sends clients to another address.
    Redirected = "redirected",
    /// The worker asks for an API key, and none was given.
    KeyMissing = "key_missing",
    /// The worker does not accept the API key that was given.
    KeyRejected = "key_rejected",
    /// A server that knows no video sessions: the route is missing.
    RouteMissing = "route_missing",
    /// A proxy or load balancer in front reached no worker.
    BadGateway = "bad_gateway",
    /// The answer is something else than the worker's JSON, such as a web page.
    WrongContentType = "wrong_content_type",
    /// The worker takes no further session now: full, over a quota, or shutting down.
    WorkerBusy = "worker_busy",
    /// The worker refused the request: what was asked for cannot be done.
    WorkerRefused = "worker_refused",
    /// The worker failed inside.
    WorkerError = "worker_error",
    /// The worker took the request and gave no answer in time.
    WorkerStalled = "worker_stalled",
    /// The worker's answer cannot be used.
    BadAnswer = "bad_answer",
    /// The name of a STUN or TURN server does not resolve.
    ServerNameNotFound = "server_name_not_found",
    /// The STUN server did not answer.
    StunSilent = "stun_silent",
    /// A STUN or TURN server's host refuses, or there is no way to it.
    ServerUnreachable = "server_unreachable",
    /// The TURN server did not answer.
    ServerSilent = "server_silent",
    /// TLS with the TURN server did not come about.
    ServerTls = "server_tls",
    /// What answers at the URL of a STUN or TURN server is none.
    NotATurnServer = "not_a_turn_server",
    /// The TURN server does not accept user name and password.
    TurnCredentials = "turn_credentials",
    /// The TURN server gives this user no further address.
    TurnQuota = "turn_quota",
    /// The TURN server refused for another reason.
    TurnRefused = "turn_refused",
    /// One of the sides has no address to be reached at.
    NoCandidates = "no_candidates",
    /// Only relayed addresses are wanted, and no TURN server gave one.
    NoRelay = "no_relay",
    /// HTTP passes and no UDP datagram comes back from anywhere.
    UdpBlocked = "udp_blocked",
    /// One side has only IPv4 addresses and the other only IPv6.
    FamilyMismatch = "family_mismatch",
    /// The worker names only addresses that mean nothing here: loopback, or those of a container or another private network.
    CandidatesUnreachable = "candidates_unreachable",
    /// The worker's host refuses datagrams at the media port, or the system has no way to it.
    IceRefused = "ice_refused",
    /// Checks of the network path went out and none was answered.
    IceNoAnswer = "ice_no_answer",
    /// A network path was found, and the encrypted handshake does not pass over it.
    DtlsBlocked = "dtls_blocked",
    /// The worker's certificate is not the one its answer announced.
    Fingerprint = "fingerprint",
    /// The connection is encrypted, and the data channels do not open.
    DataChannelBlocked = "data_channel_blocked",
    /// Small datagrams pass, large ones vanish.
    MtuBlackHole = "mtu_black_hole",
    /// The connection was up and fell silent.
    Stalled = "stalled",
    /// It works, with a long way back and forth.
    SlowPath = "slow_path",
    /// It works, and many datagrams are lost.
    LossyPath = "lossy_path",
    /// No picture came back.
    NoVideo = "no_video",
    /// Pictures came back and then ceased.
    VideoStalled = "video_stalled",
}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_snake_case_and_what_json_shows() {
        let steps = CheckStep::ALL.iter().map(|step| step.as_str());
        let causes = Cause::ALL.iter().map(|cause| cause.as_str());
        for (count, names) in [
            (CheckStep::ALL.len(), steps.collect::<BTreeSet<_>>()),
            (Cause::ALL.len(), causes.collect()),
        ] {
            assert_eq!(names.len(), count);
            let plain = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(names.iter().all(|name| plain(name)), "{names:?}");
        }
        let json = serde_json::to_string(&(CheckStep::TurnTls, Cause::MtuBlackHole)).unwrap();
        assert_eq!(json, r#"["turn_tls","mtu_black_hole"]"#);
    }

    #[test]
    fn every_step_and_cause_is_in_the_troubleshooting_table() {
        let page = include_str!("../../../../docs/troubleshooting.md");
        let (steps, causes) = page.split_once("## Causes").unwrap();
        let first_cells = |part: &str| -> Vec<String> {
            let cells = part.lines().filter_map(|line| line.strip_prefix("| `"));
            let cells = cells.filter_map(|line| line.split_once(" |"));
            let names = cells.flat_map(|(cell, _)| cell.split(", "));
            names.map(|name| name.replace('`', "")).collect()
        };
        let all: Vec<_> = CheckStep::ALL.iter().map(|step| step.as_str()).collect();
        assert_eq!(first_cells(steps), all);
        let all: Vec<_> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(first_cells(causes), all);
    }
}
