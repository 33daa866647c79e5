//! Where a video may be fetched from: schemes, destinations, redirects, addresses.
//! Not here: fetching; this only says yes or no, and the fetcher connects to nothing else.

use std::net::IpAddr;

use framewire_protocol::net::AddressClass;
use framewire_protocol::signalling::redact_url;
use url::{Host, Url};

use crate::error::{ConfigError, UrlPolicyError};
use crate::options::boolean;

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
            url: redact_url(text),
            reason: reason.to_owned(),
        };
        let refused = |url: &str, rule: &str| UrlPolicyError::Refused {
            url: redact_url(url),
            rule: rule.to_owned(),
        };
        if !self.allow_urls {
            return Err(refused(text, "URLs are not accepted (ALLOW_URL_INPUT)"));
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
                    url.as_str(),
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
                url.as_str(),
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
                url.as_str(),
                "it is not listed in WHITELISTED_DESTINATIONS_FOR_URL_INPUT",
            ));
        }
        if self.refused_destinations.contains(&name) {
            return Err(refused(
                url.as_str(),
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
        let refused = |address: &&IpAddr| !AddressClass::of(**address).is_global();
        match addresses.iter().find(refused) {
            Some(address) => Err(UrlPolicyError::AddressNotAllowed {
                url: redact_url(url.as_str()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_name_must_be_public_unless_others_are_allowed() {
        let mut policy = UrlPolicy::default();
        let url = policy.check("http://example.com/x").unwrap();
        let good = "8.8.8.8".parse().unwrap();
        assert!(policy.check_addresses(&url, &[good]).is_ok());
        for text in ["127.0.0.1", "::ffff:10.0.0.1", "168.63.129.16"] {
            let bad = text.parse().unwrap();
            let error = policy.check_addresses(&url, &[good, bad]).unwrap_err();
            let named = matches!(error, UrlPolicyError::AddressNotAllowed { address, .. } if address == bad);
            assert!(named, "{text}");
        }
        policy.allow_non_global = true;
        assert!(
            policy
                .check_addresses(&url, &["::1".parse().unwrap()])
                .is_ok()
        );
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
        let error = policy.check("http://me:secret@example.com/a b?key=secret");
        let shown = error.unwrap_err().to_string();
        assert!(shown.contains("http://example.com/a%20b?…"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
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
