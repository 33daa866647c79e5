//! The worker's address: checked, joined with routes, shown without credentials.
//! Not here: contacting it.

use std::net::IpAddr;

use framewire_protocol::net::AddressClass;
use framewire_protocol::signalling::redact_url;
use url::{Host, Url};

use crate::error::ConfigError;

/// The worker's address, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiUrl {
    url: Url,
    text: String,
}

impl ApiUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |reason: String| ConfigError::ApiUrl { reason };
        let trimmed = text.trim().trim_end_matches('/');
        let url = Url::parse(trimmed).map_err(|error| refuse(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse(format!(
                "its scheme is {:?}, not http or https",
                url.scheme()
            )));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refuse("it names no host".into()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it has a query or fragment".into()));
        }
        Ok(ApiUrl {
            url,
            text: trimmed.to_owned(),
        })
    }

    /// Address without a final slash.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Address as it may be shown.
    pub(crate) fn shown(&self) -> String {
        redact_url(&self.text).trim_end_matches('/').to_owned()
    }

    pub(crate) fn join(&self, route: &str) -> String {
        format!("{}/{}", self.text, route.trim_start_matches('/'))
    }

    pub(crate) fn scheme(&self) -> &str {
        self.url.scheme()
    }

    pub(crate) fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(name)) => is_localhost(name),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
            None => false,
        }
    }

    /// Loopback, a private address or a name that only a local network knows: no STUN server helps to get there.
    pub(crate) fn is_local(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(name)) => {
                is_localhost(name)
                    || !name.trim_end_matches('.').contains('.')
                    || name.ends_with(".local")
            }
            Some(Host::Ipv4(address)) => !AddressClass::of(address.into()).is_global(),
            Some(Host::Ipv6(address)) => !AddressClass::of(address.into()).is_global(),
            None => false,
        }
    }

    pub(crate) fn host_and_port(&self) -> Option<(String, u16)> {
        let host = self.url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some((host, self.url.port_or_known_default()?))
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_slashes_removed() {
        assert_eq!(
            ApiUrl::parse(" http://h:9001// ").unwrap().join("/x"),
            "http://h:9001/x"
        );
        for bad in [
            "",
            "h:9001",
            "ftp://h",
            "http://",
            "http://h/?a=1",
            "localhost:9001",
        ] {
            assert!(ApiUrl::parse(bad).is_err(), "{bad}");
        }
        assert!(
            !ApiUrl::parse("http://u:secret@h:1")
                .unwrap()
                .shown()
                .contains("secret")
        );
    }

    #[test]
    fn local_addresses_need_no_stun() {
        for local in [
            "http://127.0.0.1:1",
            "http://localhost",
            "http://[::1]:2",
            "http://10.0.0.1",
            "http://worker:9001",
        ] {
            assert!(ApiUrl::parse(local).unwrap().is_local(), "{local}");
        }
        for remote in ["https://serverless.roboflow.com", "http://8.8.8.8:9001"] {
            assert!(!ApiUrl::parse(remote).unwrap().is_local(), "{remote}");
        }
        assert!(
            ApiUrl::parse("http://[::ffff:127.0.0.1]")
                .unwrap()
                .is_loopback()
        );
    }
}
