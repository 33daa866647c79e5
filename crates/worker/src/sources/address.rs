//! Which addresses a worker dials for a client: the public internet, private networks, and those it never touches.
//! Not name lookup and not dialling; whoever dials uses exactly the addresses that passed here.

use std::net::SocketAddr;

use framewire_protocol::net::AddressClass;

use super::SourceError;

/// How far a source may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Private networks and this machine too, not only the public internet.
    pub(crate) private: bool,
    /// What to say to somebody who wanted more.
    pub(crate) hint: &'static str,
}

impl Reach {
    /// Checks everything a name leads to. One address that is not allowed spoils the name: which one is dialled must not
    /// be left to chance.
    pub(crate) fn check(self, addresses: &[SocketAddr]) -> Result<(), SourceError> {
        if addresses.is_empty() {
            return Err(SourceError::NoAddress("the name has none".into()));
        }
        let refused = addresses
            .iter()
            .map(|address| AddressClass::of(address.ip()))
            .find(|class| !class.allows_stream(!self.private));
        match refused {
            None => Ok(()),
            Some(class) => Err(SourceError::Address {
                class: class.as_str(),
                // Whoever asks for what is never allowed gets no advice.
                hint: if class.allows_stream(false) {
                    self.hint
                } else {
                    ""
                },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const PUBLIC: Reach = Reach {
        private: false,
        hint: "",
    };
    const PRIVATE: Reach = Reach {
        private: true,
        hint: "",
    };

    fn check(reach: Reach, text: &str) -> bool {
        let address: IpAddr = text.parse().unwrap();
        reach.check(&[SocketAddr::new(address, 554)]).is_ok()
    }

    #[test]
    fn cameras_on_private_networks_are_reached_where_allowed() {
        for text in ["127.0.0.1", "10.1.2.3", "192.168.1.9", "::1", "fc00::7"] {
            assert!(check(PRIVATE, text), "{text}");
            assert!(!check(PUBLIC, text), "{text}");
        }
        for text in ["8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(check(PUBLIC, text), "{text}");
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
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::ffff:168.63.129.16",
        ] {
            assert!(!check(PRIVATE, text), "{text}");
            assert!(!check(PUBLIC, text), "{text}");
        }
    }

    #[test]
    fn one_bad_address_spoils_the_name_and_none_is_an_error() {
        let good: SocketAddr = "8.8.8.8:80".parse().unwrap();
        let bad: SocketAddr = "10.0.0.1:80".parse().unwrap();
        assert!(PUBLIC.check(&[good, bad]).is_err());
        assert!(PRIVATE.check(&[]).is_err());
    }
}
