//! One remote ICE candidate line: which can be used, which must be resolved first, which are dropped.
//! Only UDP is used. Nothing is resolved here.

use std::net::{IpAddr, SocketAddr};

use crate::connection::CandidateKind;

/// Longest host name looked at.
const MAX_NAME: usize = 255;

/// A candidate whose address is a multicast-DNS name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MdnsCandidate {
    /// Such as `7ab3….local`.
    pub(crate) name: String,
    pub(crate) port: u16,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Candidate {
    Usable(SocketAddr, CandidateKind),
    Name(MdnsCandidate),
    Dropped,
}

impl Candidate {
    /// Reads what follows `a=candidate:`.
    pub(crate) fn parse(value: &str) -> Candidate {
        let mut words = value.split_ascii_whitespace();
        let (_foundation, component, transport) = (words.next(), words.next(), words.next());
        let (_priority, address, port) = (words.next(), words.next(), words.next());
        if component != Some("1") || !transport.is_some_and(|t| t.eq_ignore_ascii_case("udp")) {
            return Candidate::Dropped;
        }
        let (Some(address), Some(Ok(port))) = (address, port.map(str::parse::<u16>)) else {
            return Candidate::Dropped;
        };
        if words.next() != Some("typ") || port == 0 {
            return Candidate::Dropped;
        }
        let kind = match words.next() {
            Some("srflx") => CandidateKind::ServerReflexive,
            Some("prflx") => CandidateKind::PeerReflexive,
            Some("relay") => CandidateKind::Relayed,
            _ => CandidateKind::Host,
        };
        match address.parse::<IpAddr>() {
            Ok(ip) if is_reachable(ip) => Candidate::Usable(SocketAddr::new(ip, port), kind),
            Ok(_) => Candidate::Dropped,
            Err(_) if is_mdns(address) => Candidate::Name(MdnsCandidate {
                name: address.to_ascii_lowercase(),
                port,
            }),
            Err(_) => Candidate::Dropped,
        }
    }
}

/// Whether checks may be sent there: never to groups, broadcasts or nowhere.
pub(crate) fn is_reachable(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

fn is_mdns(name: &str) -> bool {
    let label =
        |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let lower = name.to_ascii_lowercase();
    name.len() <= MAX_NAME
        && lower
            .strip_suffix(".local")
            .is_some_and(|host| host.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidate_lines_are_sorted_into_usable_named_and_dropped() {
        let usable = Candidate::parse("1 1 UDP 2130706431 192.0.2.7 4000 typ host");
        let host = |address: &str| Candidate::Usable(address.parse().unwrap(), CandidateKind::Host);
        assert_eq!(usable, host("192.0.2.7:4000"));
        let v6 = Candidate::parse("1 1 udp 1 2001:db8::1 4000 typ host generation 0");
        assert_eq!(v6, host("[2001:db8::1]:4000"));
        for (word, kind) in [
            ("srflx", CandidateKind::ServerReflexive),
            ("prflx", CandidateKind::PeerReflexive),
            ("relay", CandidateKind::Relayed),
        ] {
            let line = format!("1 1 udp 1 192.0.2.7 4000 typ {word} raddr 10.0.0.1 rport 1");
            let expected = Candidate::Usable("192.0.2.7:4000".parse().unwrap(), kind);
            assert_eq!(Candidate::parse(&line), expected);
        }
        let named = Candidate::parse("1 1 udp 1 AbC-1.local 4000 typ host");
        assert_eq!(
            named,
            Candidate::Name(MdnsCandidate {
                name: "abc-1.local".into(),
                port: 4000
            })
        );
        for dropped in [
            "",
            "1",
            "1 1 tcp 1 192.0.2.7 9 typ host tcptype active",
            "1 2 udp 1 192.0.2.7 4000 typ host",
            "1 1 udp 1 192.0.2.7 0 typ host",
            "1 1 udp 1 192.0.2.7 70000 typ host",
            "1 1 udp 1 0.0.0.0 4000 typ host",
            "1 1 udp 1 224.0.0.1 4000 typ host",
            "1 1 udp 1 255.255.255.255 4000 typ host",
            "1 1 udp 1 example.com 4000 typ host",
            "1 1 udp 1 .local 4000 typ host",
            "1 1 udp 1 a/b.local 4000 typ host",
            "1 1 udp 1 192.0.2.7 4000",
        ] {
            assert_eq!(Candidate::parse(dropped), Candidate::Dropped, "{dropped}");
        }
    }
}
