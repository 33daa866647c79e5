//! STUN and TURN URLs: `scheme:host[:port][?transport=udp|tcp]`, as far as gathering and probing need them.
//! Nothing is resolved here.

use std::net::Ipv6Addr;

/// Longest part of a URL shown in a report.
const MAX_SHOWN: usize = 120;
/// Longest host name.
const MAX_HOST: usize = 253;

/// What the server is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Service {
    /// Our address outside.
    Stun,
    /// A relayed address.
    Turn,
}

/// What carries the messages to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A TCP connection.
    Tcp,
    /// TLS over TCP.
    Tls,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IceUrl {
    pub(crate) service: Service,
    pub(crate) transport: Transport,
    /// A name or an address, the latter without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl IceUrl {
    /// The error says what is wrong with the text, without repeating it.
    pub(crate) fn parse(text: &str) -> Result<IceUrl, &'static str> {
        let (scheme, rest) = text.split_once(':').ok_or(SCHEME)?;
        let (service, secure) = match scheme.to_ascii_lowercase().as_str() {
            "stun" => (Service::Stun, false),
            "stuns" => (Service::Stun, true),
            "turn" => (Service::Turn, false),
            "turns" => (Service::Turn, true),
            _ => return Err(SCHEME),
        };
        let (address, query) = rest
            .split_once('?')
            .map_or((rest, None), |(a, q)| (a, Some(q)));
        let transport = match (service, secure, query) {
            (_, false, None) | (Service::Turn, false, Some("transport=udp")) => Transport::Udp,
            (Service::Turn, false, Some("transport=tcp")) => Transport::Tcp,
            (_, true, None) | (Service::Turn, true, Some("transport=tcp")) => Transport::Tls,
            _ => return Err("turn: takes ?transport=udp or tcp, turns: takes tcp, stun: none"),
        };
        let (host, port) = split_address(address)?;
        let port = match port {
            None if secure => 5349,
            None => 3478,
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
                port.parse().ok().filter(|p| *p != 0).ok_or(PORT)?
            }
            Some(_) => return Err(PORT),
        };
        Ok(IceUrl {
            service,
            transport,
            host: host.to_owned(),
            port,
        })
    }
}

const SCHEME: &str = "it starts with none of stun:, stuns:, turn:, turns:";
const PORT: &str = "the port is no number from 1 to 65535";
const HOST: &str = "the host is no name or address; IPv6 needs brackets";

fn split_address(address: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(HOST)?;
        host.parse::<Ipv6Addr>().map_err(|_| HOST)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(HOST),
        };
    }
    let (host, port) = address
        .split_once(':')
        .map_or((address, None), |(host, port)| (host, Some(port)));
    let usable = |c: char| c.is_alphanumeric() || "-._".contains(c);
    if host.is_empty() || host.len() > MAX_HOST || !host.chars().all(usable) {
        return Err(HOST);
    }
    Ok((host, port))
}

/// The URL for people: without what a misplaced `user:password@` would give away, and not longer than a line.
pub(crate) fn shown(url: &str) -> String {
    let text = match url.rsplit_once('@') {
        Some((before, host)) => match before.split_once(':') {
            Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphabetic()) => {
                format!("{scheme}:***@{host}")
            }
            // What stands where the scheme should be may be a part of the password.
            _ => format!("***@{host}"),
        },
        None => url.to_owned(),
    };
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_SHOWN)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_their_defaults() {
        use Service::*;
        use Transport::*;
        let table = [
            ("stun:a.example", Stun, Udp, "a.example", 3478),
            ("stun:a.example:99", Stun, Udp, "a.example", 99),
            ("stun:[2001:db8::1]:99", Stun, Udp, "2001:db8::1", 99),
            ("stuns:a", Stun, Tls, "a", 5349),
            ("TURN:192.0.2.1", Turn, Udp, "192.0.2.1", 3478),
            ("turn:a?transport=udp", Turn, Udp, "a", 3478),
            ("turn:a:80?transport=tcp", Turn, Tcp, "a", 80),
            ("turns:a", Turn, Tls, "a", 5349),
            ("turns:[::1]:443?transport=tcp", Turn, Tls, "::1", 443),
        ];
        for (text, service, transport, host, port) in table {
            let url = IceUrl::parse(text).expect(text);
            let got = (url.service, url.transport, url.host.as_str(), url.port);
            assert_eq!(got, (service, transport, host, port), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "turn",
            "http://a",
            "turn:",
            "turn://a",
            "turn:u@a",
            "turn:a:",
            "turn:a:0",
            "turn:a:65536",
            "turn:a:+1",
            "turn:[::1",
            "turn:[a]",
            "turn:[::1]x",
            "turn:::1",
            "stun:a?transport=udp",
            "turns:a?transport=udp",
            "turn:a?x=1",
            "turn:a?",
        ] {
            assert!(IceUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_holds_no_password_and_is_short() {
        assert_eq!(shown("turn:joe:secret@a:1"), "turn:***@a:1");
        assert_eq!(shown("joe%3asecret@a:1"), "***@a:1");
        assert_eq!(shown("s@cret:x@a:1"), "***@a:1");
        assert_eq!(shown("turn:a:1?transport=tcp"), "turn:a:1?transport=tcp");
        assert_eq!(shown(&format!("turn:{}", "a".repeat(999))).len(), MAX_SHOWN);
        assert_eq!(shown("turn:a\n2026 forged line"), "turn:a2026 forged line");
    }
}
