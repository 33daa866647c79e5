//! Which addresses a worker dials for a client: the public internet, private networks, and those it never touches.
//! Not name lookup and not dialling; whoever dials uses exactly the addresses that passed here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::SourceError;

/// How far a source may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only the public internet.
    Public,
    /// Private networks and this machine too.
    Private,
}

impl Reach {
    /// Checks everything a name leads to. One address that is not allowed spoils the name: which one is dialled must not
    /// be left to chance.
    pub(crate) fn check(self, addresses: &[SocketAddr]) -> Result<(), SourceError> {
        if addresses.is_empty() {
            return Err(SourceError::NoAddress("the name has none".into()));
        }
        let refused = addresses.iter().map(SocketAddr::ip).find_map(|address| {
            if is_never(address) {
                Some("link-local, metadata and multicast addresses are never contacted")
            } else if self == Reach::Public && !is_global(address) {
                Some("only public addresses are contacted")
            } else {
                None
            }
        });
        refused.map_or(Ok(()), |rule| Err(SourceError::Address(rule)))
    }
}

/// Addresses no source is ever pulled from: those that lead to the machine's own configuration, and those that are no
/// host.
fn is_never(address: IpAddr) -> bool {
    match unwrap(address) {
        IpAddr::V4(v4) => {
            v4.octets()[0] == 0
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6 == METADATA_V6
        }
    }
}

/// Whether an address belongs to the public internet.
fn is_global(address: IpAddr) -> bool {
    match unwrap(address) {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => is_global_v6(v6),
    }
}

/// The IPv4 address inside an IPv6 one that only carries it (mapped, compatible, NAT64, 6to4).
fn unwrap(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let s = v6.segments();
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => inner(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => inner(high, low),
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        _ => address,
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let special = a == 0
        || a >= 240
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || (a == 100 && (b & 0xc0) == 64)
        || (a == 192 && b == 0 && c == 0 && !matches!(d, 9 | 10))
        || (a == 198 && (b & 0xfe) == 18);
    !special
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    match s[0] {
        0x2001 if s[1] == 0x0db8 || s[1] < 0x0200 => false,
        0x3fff if s[1] < 0x1000 => false,
        first => (0x2000..0x4000).contains(&first),
    }
}

/// Configuration services outside the link-local range.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reach: Reach, text: &str) -> bool {
        let address: IpAddr = text.parse().unwrap();
        reach.check(&[SocketAddr::new(address, 554)]).is_ok()
    }

    #[test]
    fn cameras_on_private_networks_are_reached_where_allowed() {
        for text in ["127.0.0.1", "10.1.2.3", "192.168.1.9", "::1", "fc00::7"] {
            assert!(check(Reach::Private, text), "{text}");
            assert!(!check(Reach::Public, text), "{text}");
        }
        for text in ["8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(check(Reach::Public, text), "{text}");
        }
    }

    #[test]
    fn metadata_and_link_local_addresses_are_never_reached_in_any_disguise() {
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "168.63.129.16",
            "100.100.100.200",
            "fe80::1",
            "ff02::1",
            "::",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(!check(Reach::Private, text), "{text}");
            assert!(!check(Reach::Public, text), "{text}");
        }
    }

    #[test]
    fn one_bad_address_spoils_the_name_and_none_is_an_error() {
        let good: SocketAddr = "8.8.8.8:80".parse().unwrap();
        let bad: SocketAddr = "10.0.0.1:80".parse().unwrap();
        assert!(Reach::Public.check(&[good, bad]).is_err());
        assert!(Reach::Private.check(&[]).is_err());
    }
}
