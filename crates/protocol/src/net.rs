//! What kind of place an IP address is, whatever disguise it comes in.
//! It resolves nothing and connects to nothing; policies are made of these answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Kind of an address. IPv4 inside IPv6 (mapped, NAT64, 6to4) counts as the IPv4 address it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// On the public internet.
    Global,
    /// In a private network, the shared space of a carrier included.
    Private,
    /// This machine.
    Loopback,
    /// On this link only.
    LinkLocal,
    /// Where clouds keep the credentials of a machine.
    Metadata,
    /// A group.
    Multicast,
    /// No address; connecting to it often means this machine.
    Unspecified,
    /// Set aside for something else: documentation, benchmarks, the future.
    Reserved,
}

impl AddressClass {
    /// The class of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => of_v4(v4),
            IpAddr::V6(v6) => of_v6(v6),
        }
    }

    /// Whether it is on the public internet.
    pub fn is_global(self) -> bool {
        self == AddressClass::Global
    }

    /// Whether a stream may be read from there: public addresses always; private ones and this machine, where cameras live,
    /// unless `deny_private`; all others never.
    pub fn allows_stream(self, deny_private: bool) -> bool {
        match self {
            AddressClass::Global => true,
            AddressClass::Private | AddressClass::Loopback => !deny_private,
            _ => false,
        }
    }

    /// For messages.
    pub fn as_str(self) -> &'static str {
        match self {
            AddressClass::Global => "public",
            AddressClass::Private => "private",
            AddressClass::Loopback => "loopback",
            AddressClass::LinkLocal => "link-local",
            AddressClass::Metadata => "cloud metadata",
            AddressClass::Multicast => "multicast",
            AddressClass::Unspecified => "unspecified",
            AddressClass::Reserved => "reserved",
        }
    }
}

/// Metadata services outside the link-local range of IPv4, or worth a name of their own within it. The last is a public
/// address that in one large cloud leads to the host's own service.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

fn of_v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, d] = address.octets();
    if METADATA_V4.contains(&address) {
        AddressClass::Metadata
    } else if address.is_unspecified() {
        AddressClass::Unspecified
    } else if address.is_loopback() {
        AddressClass::Loopback
    } else if address.is_link_local() {
        AddressClass::LinkLocal
    } else if address.is_multicast() {
        AddressClass::Multicast
    } else if address.is_private() || (a == 100 && (b & 0xc0) == 64) {
        AddressClass::Private
    } else if a == 0
        || a >= 240
        || address.is_documentation()
        || (a == 192 && b == 0 && c == 0 && !matches!(d, 9 | 10))
        || (a == 198 && (b & 0xfe) == 18)
    {
        AddressClass::Reserved
    } else {
        AddressClass::Global
    }
}

fn of_v6(address: Ipv6Addr) -> AddressClass {
    if let Some(v4) = address.to_ipv4_mapped() {
        return of_v4(v4);
    }
    let s = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s[0] {
        _ if METADATA_V6.contains(&address) => AddressClass::Metadata,
        _ if address.is_unspecified() => AddressClass::Unspecified,
        _ if address.is_loopback() => AddressClass::Loopback,
        // Only 2000::/3 and the NAT64 prefix lead anywhere public.
        0x0064 if s[1] == 0xff9b && s[2..6] == [0; 4] => embedded(s[6], s[7]),
        0x2002 => embedded(s[1], s[2]),
        0x2001 if s[1] == 0x0db8 || s[1] < 0x0200 => AddressClass::Reserved,
        0x3fff if s[1] < 0x1000 => AddressClass::Reserved,
        first if (0x2000..0x4000).contains(&first) => AddressClass::Global,
        first if first & 0xfe00 == 0xfc00 => AddressClass::Private,
        first if first & 0xffc0 == 0xfe80 => AddressClass::LinkLocal,
        first if first & 0xff00 == 0xff00 => AddressClass::Multicast,
        _ => AddressClass::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::AddressClass::*;
    use super::*;

    #[test]
    fn addresses_are_what_they_lead_to_in_every_disguise() {
        let table = [
            (
                Global,
                "8.8.8.8 1.1.1.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808:: 192.0.0.9",
            ),
            (
                Private,
                "10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.255.255 fc00::1 fd12::1",
            ),
            (Private, "::ffff:10.0.0.1 64:ff9b::a00:1 2002:c0a8:101::"),
            (
                Loopback,
                "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::",
            ),
            (
                LinkLocal,
                "169.254.0.1 169.254.170.2 fe80::1 febf::1 ::ffff:169.254.1.1",
            ),
            (
                Metadata,
                "169.254.169.254 100.100.100.200 168.63.129.16 fd00:ec2::254 fd20:ce::254",
            ),
            (
                Metadata,
                "::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: 64:ff9b::a83f:8110",
            ),
            (Multicast, "224.0.0.1 239.255.255.255 ff02::1 ff0e::1"),
            (Unspecified, "0.0.0.0 :: ::ffff:0.0.0.0"),
            (
                Reserved,
                "0.0.0.1 240.0.0.1 255.255.255.255 192.0.2.1 198.51.100.7 203.0.113.9 198.18.0.1",
            ),
            (
                Reserved,
                "192.0.0.1 2001:db8::1 2001::1 3fff::1 fec0::1 ::127.0.0.1 ::8.8.8.8 4000::1 64:ff9b:1::1",
            ),
        ];
        for (class, addresses) in table {
            for text in addresses.split(' ') {
                assert_eq!(AddressClass::of(text.parse().unwrap()), class, "{text}");
            }
        }
    }

    #[test]
    fn streams_come_from_public_places_and_from_cameras_next_door_unless_denied() {
        for class in [
            Global,
            Private,
            Loopback,
            LinkLocal,
            Metadata,
            Multicast,
            Unspecified,
            Reserved,
        ] {
            let near = matches!(class, Private | Loopback);
            assert_eq!(class.allows_stream(false), class.is_global() || near);
            assert_eq!(class.allows_stream(true), class.is_global());
            assert!(!class.as_str().is_empty());
        }
    }
}
