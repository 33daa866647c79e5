//! STUN and TURN URLs: `scheme:host[:port][?transport=udp|tcp]`.
//! Names are not resolved here.

use std::net::Ipv6Addr;
use std::str::FromStr;

use thiserror::Error;

/// Scheme of an ICE URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IceScheme {
    /// STUN over UDP.
    Stun,
    /// STUN over TLS.
    Stuns,
    /// TURN over UDP or TCP.
    Turn,
    /// TURN over TLS.
    Turns,
}

/// Transport between us and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IceTransport {
    /// UDP.
    Udp,
    /// TCP, or TLS for the secure schemes.
    Tcp,
}

/// A parsed URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceUrl {
    scheme: IceScheme,
    host: String,
    port: u16,
    transport: IceTransport,
    text: String,
}

/// Why a text is no ICE URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IceUrlError {
    /// Another scheme.
    #[error("an ICE URL starts with stun:, stuns:, turn: or turns:")]
    Scheme,
    /// No host, or characters that are in none.
    #[error("an ICE URL is scheme:host, with :port and ?transport= if needed, and nothing else")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("the port of an ICE URL is a number from 1 to 65535")]
    Port,
    /// An unknown parameter, `transport` on a STUN URL, or a transport the scheme cannot have.
    #[error("turn: takes ?transport=udp or tcp, turns: takes tcp, stun: and stuns: take none")]
    Transport,
}

impl IceUrl {
    /// The scheme.
    pub fn scheme(&self) -> IceScheme {
        self.scheme
    }

    /// Host name or address, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 3478 or 5349 unless given.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The transport, UDP for `stun` and `turn` unless given.
    pub fn transport(&self) -> IceTransport {
        self.transport
    }

    /// The text it was parsed from.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for IceUrl {
    type Err = IceUrlError;

    fn from_str(text: &str) -> Result<Self, IceUrlError> {
        let (scheme, rest) = text.split_once(':').ok_or(IceUrlError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "stun" => IceScheme::Stun,
            "stuns" => IceScheme::Stuns,
            "turn" => IceScheme::Turn,
            "turns" => IceScheme::Turns,
            _ => return Err(IceUrlError::Scheme),
        };
        let (address, query) = rest
            .split_once('?')
            .map_or((rest, None), |(a, q)| (a, Some(q)));
        let (host, port) = split_address(address)?;
        let secure = matches!(scheme, IceScheme::Stuns | IceScheme::Turns);
        let port = match port {
            None if secure => 5349,
            None => 3478,
            Some(port) if port.starts_with(|c: char| c.is_ascii_digit()) => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or(IceUrlError::Port)?,
            Some(_) => return Err(IceUrlError::Port),
        };
        let transport = match (scheme, query) {
            (IceScheme::Stun | IceScheme::Turn, None)
            | (IceScheme::Turn, Some("transport=udp")) => IceTransport::Udp,
            (IceScheme::Stuns | IceScheme::Turns, None)
            | (IceScheme::Turn | IceScheme::Turns, Some("transport=tcp")) => IceTransport::Tcp,
            _ => return Err(IceUrlError::Transport),
        };
        Ok(IceUrl {
            scheme,
            host: host.to_owned(),
            port,
            transport,
            text: text.to_owned(),
        })
    }
}

fn split_address(address: &str) -> Result<(&str, Option<&str>), IceUrlError> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').ok_or(IceUrlError::Host)?;
        host.parse::<Ipv6Addr>().map_err(|_| IceUrlError::Host)?;
        return match tail.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if tail.is_empty() => Ok((host, None)),
            None => Err(IceUrlError::Host),
        };
    }
    let (host, port) = address
        .split_once(':')
        .map_or((address, None), |(h, p)| (h, Some(p)));
    let fine = |c: char| c.is_alphanumeric() || "-._".contains(c);
    if host.is_empty() || host.len() > 253 || !host.chars().all(fine) {
        return Err(IceUrlError::Host);
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_their_defaults() {
        use IceScheme::*;
        use IceTransport::*;
        let table = [
            (
                "stun:stun.l.google.com:19302",
                Stun,
                "stun.l.google.com",
                19302,
                Udp,
            ),
            ("stun:h", Stun, "h", 3478, Udp),
            ("stuns:h", Stuns, "h", 5349, Tcp),
            ("TURN:1.2.3.4", Turn, "1.2.3.4", 3478, Udp),
            ("turn:h:80?transport=tcp", Turn, "h", 80, Tcp),
            ("turn:h?transport=udp", Turn, "h", 3478, Udp),
            ("turns:h:443?transport=tcp", Turns, "h", 443, Tcp),
            ("turns:h", Turns, "h", 5349, Tcp),
            ("turn:[fd00::2]:99", Turn, "fd00::2", 99, Udp),
            ("turn:[::1]", Turn, "::1", 3478, Udp),
        ];
        for (text, scheme, host, port, transport) in table {
            let url: IceUrl = text.parse().unwrap();
            let got = (
                url.scheme(),
                url.host(),
                url.port(),
                url.transport(),
                url.as_str(),
            );
            assert_eq!(got, (scheme, host, port, transport, text));
        }
    }

    #[test]
    fn malformed_urls_say_what_is_wrong() {
        use IceUrlError::*;
        let table = [
            ("", Scheme),
            ("http://h", Scheme),
            ("turn", Scheme),
            ("turn:", Host),
            ("turn:user@h", Host),
            ("turn://h", Host),
            ("turn:[::1", Host),
            ("turn:[h]", Host),
            ("turn:[::1]x", Host),
            ("turn:h:", Port),
            ("turn:h:0", Port),
            ("turn:h:65536", Port),
            ("turn:h:+80", Port),
            ("turn:::1", Host),
            ("stun:h?transport=udp", Transport),
            ("turns:h?transport=udp", Transport),
            ("turn:h?x=1", Transport),
            ("turn:h?", Transport),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<IceUrl>(), Err(error), "{text}");
        }
    }
}
