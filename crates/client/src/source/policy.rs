//! Where a video may be fetched from: schemes, destinations, redirects, addresses.
//! Not here: fetching; this only says yes or no, and the fetcher connects to nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::error::{ConfigError, UrlPolicyError};
use crate::options::boolean;
use crate::redact;

/// Rules for the URLs of videos. The defaults are safe: redirects are checked, only public addresses are contacted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UrlPolicy {
    /// Accept URLs at all (`ALLOW_URL_INPUT`). Default true.
    pub allow_urls: bool,
    /// Accept `http://` too (`ALLOW_NON_HTTPS_URL_INPUT`). Default true.
    pub allow_http: bool,
    /// Accept hosts that are addresses or single names (`ALLOW_URL_INPUT_WITHOUT_FQDN`). Default true.
    pub allow_without_fqdn: bool,
    /// Only these destinations (`WHITELISTED_DESTINATIONS_FOR_URL_INPUT`). Default: any.
    pub allowed_destinations: Option<Vec<String>>,
    /// Never these destinations (`BLACKLISTED_DESTINATIONS_FOR_URL_INPUT`). Default: none.
    pub refused_destinations: Vec<String>,
    /// Apply these rules to every redirect too (`VALIDATE_IMAGE_URL_REDIRECTS`). Default true.
    pub check_redirects: bool,
    /// Redirects followed at most (`MAX_IMAGE_URL_REDIRECTS`). Default 30.
    pub max_redirects: u32,
    /// Contact private, loopback and other non-public addresses (`ALLOW_URL_TO_NON_GLOBAL_ADDRESSES`). Default false.
    pub allow_non_global: bool,
}

impl Default for UrlPolicy {
    fn default() -> Self {
        UrlPolicy {
            allow_urls: true,
            allow_http: true,
            allow_without_fqdn: true,
            allowed_destinations: None,
            refused_destinations: Vec::new(),
            check_redirects: true,
            max_redirects: 30,
            allow_non_global: false,
        }
    }
}

impl UrlPolicy {
    pub(crate) fn from_lookup(
        get: &dyn Fn(&'static str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let default = UrlPolicy::default();
        let list = |text: String| -> Vec<String> {
            text.split(',')
                .map(|item| item.trim().to_lowercase())
                .filter(|item| !item.is_empty())
                .collect()
        };
        let max_redirects = match get("MAX_IMAGE_URL_REDIRECTS") {
            None => default.max_redirects,
            Some(text) => text.trim().parse().map_err(|_| ConfigError::Environment {
                variable: "MAX_IMAGE_URL_REDIRECTS",
                reason: "expected a whole number, 0 or more".into(),
            })?,
        };
        Ok(UrlPolicy {
            allow_urls: boolean(get, "ALLOW_URL_INPUT", default.allow_urls)?,
            allow_http: boolean(get, "ALLOW_NON_HTTPS_URL_INPUT", default.allow_http)?,
            allow_without_fqdn: boolean(
                get,
                "ALLOW_URL_INPUT_WITHOUT_FQDN",
                default.allow_without_fqdn,
            )?,
            allowed_destinations: get("WHITELISTED_DESTINATIONS_FOR_URL_INPUT").map(list),
            refused_destinations: get("BLACKLISTED_DESTINATIONS_FOR_URL_INPUT")
                .map(list)
                .unwrap_or_default(),
            check_redirects: boolean(get, "VALIDATE_IMAGE_URL_REDIRECTS", default.check_redirects)?,
            max_redirects,
            allow_non_global: boolean(
                get,
                "ALLOW_URL_TO_NON_GLOBAL_ADDRESSES",
                default.allow_non_global,
            )?,
        })
    }

    /// Checks everything that needs no name lookup and returns the parsed address.
    ///
    /// # Errors
    /// The first rule that refuses it.
    pub fn check(&self, text: &str) -> Result<Url, UrlPolicyError> {
        let invalid = |reason: &str| UrlPolicyError::Invalid {
            url: redact::url(text),
            reason: reason.to_owned(),
        };
        let refused = |rule: &str| UrlPolicyError::Refused {
            url: redact::url(text),
            rule: rule.to_owned(),
        };
        if !self.allow_urls {
            return Err(refused("URLs are not accepted (ALLOW_URL_INPUT)"));
        }
        if authority(text).contains('\\') {
            // Readers disagree about where the host ends then.
            return Err(UrlPolicyError::Invalid {
                url: "<address with a backslash>".into(),
                reason: "a backslash is not allowed before the path".into(),
            });
        }
        let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => {
                return Err(refused(
                    "only https is accepted (ALLOW_NON_HTTPS_URL_INPUT)",
                ));
            }
            _ => return Err(invalid("expected http:// or https://")),
        }
        let Some(host) = url.host() else {
            return Err(invalid("it names no host"));
        };
        if !self.allow_without_fqdn && !is_fqdn(&host) {
            return Err(refused(
                "a full domain name is required (ALLOW_URL_INPUT_WITHOUT_FQDN)",
            ));
        }
        let name = destination(&host);
        if self
            .allowed_destinations
            .as_ref()
            .is_some_and(|list| !list.contains(&name))
        {
            return Err(refused(
                "it is not listed in WHITELISTED_DESTINATIONS_FOR_URL_INPUT",
            ));
        }
        if self.refused_destinations.contains(&name) {
            return Err(refused(
                "it is listed in BLACKLISTED_DESTINATIONS_FOR_URL_INPUT",
            ));
        }
        Ok(url)
    }

    /// Checks the addresses a name leads to; all of them must pass.
    pub(crate) fn check_addresses(
        &self,
        url: &Url,
        addresses: &[IpAddr],
    ) -> Result<(), UrlPolicyError> {
        if self.allow_non_global {
            return Ok(());
        }
        match addresses.iter().find(|address| !is_global(**address)) {
            Some(address) => Err(UrlPolicyError::AddressNotAllowed {
                url: redact::url(url.as_str()),
                address: *address,
            }),
            None => Ok(()),
        }
    }
}

/// The part between `//` and the path, as written.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
}

fn is_fqdn(host: &Host<&str>) -> bool {
    let Host::Domain(name) = host else {
        return false;
    };
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    let tld = labels.last().copied().unwrap_or_default();
    labels.len() >= 2
        && labels.iter().all(|label| !label.is_empty())
        && (tld.starts_with("xn--")
            || (tld.len() >= 2 && tld.bytes().all(|b| b.is_ascii_alphabetic())))
        && !matches!(
            tld,
            "local" | "localhost" | "internal" | "lan" | "home" | "corp" | "test" | "invalid"
        )
}

/// Host as it is compared with the lists: lower case, no port, no brackets, no final dot.
fn destination(host: &Host<&str>) -> String {
    match host {
        Host::Domain(name) => name.trim_end_matches('.').to_lowercase(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

/// Whether an address belongs to the public internet.
pub(crate) fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_global_v4(v4),
            None => is_global_v6(v6),
        },
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let reserved = a == 0
        || a >= 240
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || (a == 100 && (b & 0xc0) == 64)
        || (a == 192 && b == 0 && c == 0 && !matches!(d, 9 | 10))
        || (a == 198 && (b & 0xfe) == 18);
    !reserved
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_global_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s[0] {
        // Only 2000::/3 and the NAT64 prefix lead anywhere public.
        0x0064 if s[1] == 0xff9b && s[2..6] == [0; 4] => embedded(s[6], s[7]),
        0x2002 => embedded(s[1], s[2]),
        0x2001 if s[1] == 0x0db8 => false,
        0x2001 if s[1] < 0x0200 => false,
        0x3fff if s[1] < 0x1000 => false,
        first => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_in_every_disguise_are_not_global() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
            "::127.0.0.1",
        ] {
            assert!(!is_global(text.parse().unwrap()), "{text}");
        }
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_global(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_backslash_before_the_path_is_refused() {
        let policy = UrlPolicy::default();
        assert!(policy.check("http://good.example\\@bad.example/x").is_err());
        assert!(policy.check("http://good.example/a\\b.mp4").is_ok());
    }

    #[test]
    fn schemes_lists_and_names_are_checked() {
        let mut policy = UrlPolicy::default();
        assert!(policy.check("ftp://example.com/x").is_err());
        assert!(policy.check("HTTP://example.com/x").is_ok());
        policy.allow_http = false;
        assert!(policy.check("http://example.com/x").is_err());
        policy.allow_without_fqdn = false;
        assert!(policy.check("https://localhost/x").is_err());
        assert!(policy.check("https://93.184.216.34/x").is_err());
        assert!(policy.check("https://a.example.com/x").is_ok());
        policy.allowed_destinations = Some(vec!["a.example.com".into()]);
        assert!(policy.check("https://b.example.com/x").is_err());
        assert!(policy.check("https://A.example.com:8443/x").is_ok());
        policy.refused_destinations = vec!["a.example.com".into()];
        assert!(policy.check("https://a.example.com/x").is_err());
        policy.allow_urls = false;
        assert!(matches!(
            policy.check("https://c.example.com"),
            Err(UrlPolicyError::Refused { .. })
        ));
    }

    #[test]
    fn a_refusal_shows_no_credentials() {
        let policy = UrlPolicy {
            allow_urls: false,
            ..UrlPolicy::default()
        };
        let text = policy
            .check("https://u:secret@example.com/x?token=secret")
            .unwrap_err()
            .to_string();
        assert!(!text.contains("secret"), "{text}");
    }
}
