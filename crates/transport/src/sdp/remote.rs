//! A remote description, checked and cleaned: afterwards every section has what the engine and the peer need.
//! It keeps the text, without the candidates that cannot be used; the engine parses the rest itself.

use std::net::SocketAddr;

use super::candidate::{Candidate, MdnsCandidate};
use crate::connection::{CandidateKind, CandidateReport};
use crate::error::SdpError;

/// Longest description looked at; a browser's with video is 10 KB.
pub(crate) const MAX_SDP: usize = 256 * 1024;
/// Media sections; the product uses two.
pub(crate) const MAX_SECTIONS: usize = 16;
/// Remote candidates used, resolved names included; further ones are dropped.
pub(crate) const MAX_REMOTE_CANDIDATES: usize = 64;
/// Names resolved for one description.
pub(crate) const MAX_MDNS_NAMES: usize = 8;
/// What a peer that says nothing accepts (RFC 8841).
const DEFAULT_MAX_MESSAGE: usize = 65_536;
const MAX_ICE_WORD: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Offer,
    Answer,
}

/// A description that passed the checks.
#[derive(Debug, Clone)]
pub(crate) struct RemoteDescription {
    /// The text for the engine.
    pub(crate) text: String,
    /// User name fragment of the peer.
    pub(crate) ice_ufrag: String,
    /// Password of the peer, which signs its STUN responses.
    pub(crate) ice_pwd: String,
    /// Usable addresses, in the text too.
    pub(crate) candidates: Vec<SocketAddr>,
    /// Their kinds.
    kinds: Vec<CandidateKind>,
    /// Names to resolve, not in the text.
    pub(crate) names: Vec<MdnsCandidate>,
    /// Largest message the peer accepts; `usize::MAX` when it says unlimited.
    pub(crate) max_message: usize,
}

#[derive(Default)]
struct Section {
    data: bool,
    rejected: bool,
    ufrag: Option<String>,
    pwd: Option<String>,
    setup: Option<String>,
    fingerprint: bool,
    max_message: Option<usize>,
}

impl RemoteDescription {
    pub(crate) fn parse(sdp: &str, role: Role) -> Result<RemoteDescription, SdpError> {
        if sdp.len() > MAX_SDP {
            return Err(SdpError::TooLong {
                len: sdp.len(),
                max: MAX_SDP,
            });
        }
        let mut out = RemoteDescription {
            text: String::with_capacity(sdp.len() + 64),
            ice_ufrag: String::new(),
            ice_pwd: String::new(),
            candidates: Vec::new(),
            kinds: Vec::new(),
            names: Vec::new(),
            max_message: DEFAULT_MAX_MESSAGE,
        };
        // Index 0 is the session; its attributes are the defaults of all sections.
        let mut sections = vec![Section::default()];
        let mut lines = 0;
        for (index, line) in sdp.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            let bytes = line.as_bytes();
            let formed = bytes.len() >= 2 && bytes[0].is_ascii_lowercase() && bytes[1] == b'=';
            // A carriage return inside a line may end it for another reader.
            let formed = formed && !line.contains('\r');
            if !formed || (lines == 0 && line != "v=0") {
                return Err(SdpError::Syntax { line: index + 1 });
            }
            lines += 1;
            if let Some(media) = line.strip_prefix("m=") {
                sections.push(section(media));
            }
            let current = sections.last_mut().expect("starts with the session");
            if out.attribute(current, line)? {
                out.text.push_str(line);
                out.text.push_str("\r\n");
            }
        }
        out.check(&sections, role)?;
        Ok(out)
    }

    /// The usable addresses, each once, for reports.
    pub(crate) fn announced(&self) -> Vec<CandidateReport> {
        let mut announced: Vec<CandidateReport> = Vec::new();
        for (address, kind) in self.candidates.iter().zip(&self.kinds) {
            if announced.iter().all(|c| c.address != *address) {
                announced.push(CandidateReport::of(*kind, *address));
            }
        }
        announced
    }

    /// Notes what matters; false when the line is not for the engine.
    fn attribute(&mut self, section: &mut Section, line: &str) -> Result<bool, SdpError> {
        let Some(attribute) = line.strip_prefix("a=") else {
            return Ok(true);
        };
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "candidate" => match Candidate::parse(value) {
                Candidate::Usable(address, kind)
                    if self.candidates.len() < MAX_REMOTE_CANDIDATES =>
                {
                    self.candidates.push(address);
                    self.kinds.push(kind);
                }
                Candidate::Name(name) => {
                    if self.names.len() < MAX_MDNS_NAMES && !self.names.contains(&name) {
                        self.names.push(name);
                    }
                    return Ok(false);
                }
                _ => return Ok(false),
            },
            "ice-ufrag" => section.ufrag = Some(ice_word(value, "ice-ufrag")?),
            "ice-pwd" => section.pwd = Some(ice_word(value, "ice-pwd")?),
            "setup" => section.setup = Some(value.trim().to_owned()),
            "fingerprint" => section.fingerprint = true,
            // Port 0 of a section that only exists inside a bundle is no refusal.
            "bundle-only" => section.rejected = false,
            "max-message-size" => {
                let value = value.trim().parse().map_err(|_| SdpError::Invalid {
                    attribute: "max-message-size",
                })?;
                section.max_message = Some(value);
            }
            _ => {}
        }
        Ok(true)
    }

    fn check(&mut self, sections: &[Section], role: Role) -> Result<(), SdpError> {
        let (session, media) = sections.split_first().expect("starts with the session");
        if media.is_empty() {
            return Err(SdpError::NoSections);
        }
        if media.len() > MAX_SECTIONS {
            return Err(SdpError::TooManySections(media.len()));
        }
        let data = media
            .iter()
            .find(|s| s.data && !s.rejected)
            .ok_or(SdpError::NoData)?;
        for (index, section) in media.iter().enumerate().filter(|(_, s)| !s.rejected) {
            let missing = |attribute| SdpError::Missing {
                attribute,
                section: index,
            };
            section
                .ufrag
                .as_ref()
                .or(session.ufrag.as_ref())
                .ok_or(missing("ice-ufrag"))?;
            section
                .pwd
                .as_ref()
                .or(session.pwd.as_ref())
                .ok_or(missing("ice-pwd"))?;
            if !section.fingerprint && !session.fingerprint {
                return Err(missing("fingerprint"));
            }
            let setup = section
                .setup
                .as_ref()
                .or(session.setup.as_ref())
                .ok_or(missing("setup"))?;
            let known = match setup.as_str() {
                "active" | "passive" => true,
                "actpass" => role == Role::Offer,
                _ => false,
            };
            if !known {
                return Err(SdpError::Invalid { attribute: "setup" });
            }
        }
        self.ice_ufrag = data
            .ufrag
            .clone()
            .or_else(|| session.ufrag.clone())
            .unwrap_or_default();
        self.ice_pwd = data
            .pwd
            .clone()
            .or_else(|| session.pwd.clone())
            .unwrap_or_default();
        self.max_message = match data.max_message {
            None => DEFAULT_MAX_MESSAGE,
            Some(0) => usize::MAX,
            Some(bytes) => bytes,
        };
        Ok(())
    }
}

fn section(media: &str) -> Section {
    let mut words = media.split_ascii_whitespace();
    let (kind, port, proto) = (words.next(), words.next(), words.next());
    let sctp = proto.is_some_and(|p| p.to_ascii_uppercase().ends_with("DTLS/SCTP"));
    Section {
        data: kind == Some("application") && sctp,
        rejected: port == Some("0"),
        ..Section::default()
    }
}

fn ice_word(value: &str, attribute: &'static str) -> Result<String, SdpError> {
    let word = value.trim();
    let allowed = |b: u8| b.is_ascii_graphic();
    if word.is_empty() || word.len() > MAX_ICE_WORD || !word.bytes().all(allowed) {
        return Err(SdpError::Invalid { attribute });
    }
    Ok(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sctp-port:5000\r\n\
        a=max-message-size:262144\r\na=candidate:1 1 udp 1 192.0.2.7 4000 typ host\r\n\
        a=candidate:2 1 udp 1 x.local 4001 typ host\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
        a=fingerprint:sha-256 AA\r\na=setup:actpass\r\n";

    fn error(text: &str, role: Role) -> SdpError {
        RemoteDescription::parse(text, role).expect_err("must be refused")
    }

    #[test]
    fn a_usable_offer_is_cleaned_of_names_and_keeps_the_rest() {
        let parsed = RemoteDescription::parse(OFFER, Role::Offer).unwrap();
        assert_eq!(parsed.candidates, ["192.0.2.7:4000".parse().unwrap()]);
        assert_eq!(
            parsed.names,
            [MdnsCandidate {
                name: "x.local".into(),
                port: 4001
            }]
        );
        assert_eq!(parsed.max_message, 262_144);
        assert_eq!(parsed.ice_pwd, "0123456789012345678901");
        assert_eq!(
            parsed.text,
            OFFER.replace("a=candidate:2 1 udp 1 x.local 4001 typ host\r\n", "")
        );
    }

    #[test]
    fn each_missing_or_wrong_attribute_has_its_own_error() {
        let without = |line: &str| OFFER.replace(line, "");
        let missing = |attribute| SdpError::Missing {
            attribute,
            section: 0,
        };
        assert_eq!(
            error(&without("a=ice-ufrag:abcd\r\n"), Role::Offer),
            missing("ice-ufrag")
        );
        assert_eq!(
            error(
                &without("a=ice-pwd:0123456789012345678901\r\n"),
                Role::Offer
            ),
            missing("ice-pwd")
        );
        assert_eq!(
            error(&without("a=fingerprint:sha-256 AA\r\n"), Role::Offer),
            missing("fingerprint")
        );
        assert_eq!(
            error(&without("a=setup:actpass\r\n"), Role::Offer),
            missing("setup")
        );
        assert_eq!(
            error(OFFER, Role::Answer),
            SdpError::Invalid { attribute: "setup" }
        );
        assert_eq!(
            error(&OFFER.replace("262144", "-1"), Role::Offer),
            SdpError::Invalid {
                attribute: "max-message-size"
            }
        );
        assert_eq!(error("", Role::Offer), SdpError::NoSections);
        assert_eq!(error("hello", Role::Offer), SdpError::Syntax { line: 1 });
        assert_eq!(
            error(&OFFER.replace("a=mid:0", "a=x\ra=mid:0"), Role::Offer),
            SdpError::Syntax { line: 8 }
        );
        assert_eq!(
            error("v=0\r\nnonsense", Role::Offer),
            SdpError::Syntax { line: 2 }
        );
        assert_eq!(
            error(
                &OFFER.replace("m=application 9", "m=application 0"),
                Role::Offer
            ),
            SdpError::NoData
        );
        assert_eq!(
            error(&OFFER.replace("m=application", "m=video"), Role::Offer),
            SdpError::NoData
        );
        let long = "v=0\r\n".to_owned() + &"a=x\r\n".repeat(MAX_SDP);
        assert!(matches!(
            error(&long, Role::Offer),
            SdpError::TooLong { .. }
        ));
        let many = OFFER.to_owned() + &"m=video 0 UDP/TLS/RTP/SAVPF 96\r\n".repeat(MAX_SECTIONS);
        assert_eq!(
            error(&many, Role::Offer),
            SdpError::TooManySections(MAX_SECTIONS + 1)
        );
    }

    #[test]
    fn candidates_and_names_are_bounded() {
        let mut text = OFFER.to_owned();
        for n in 1..=200 {
            text += &format!("a=candidate:{n} 1 udp 1 192.0.2.{n} 4000 typ host\r\n");
            text += &format!("a=candidate:{n} 1 udp 1 host-{n}.local 4000 typ host\r\n");
        }
        let parsed = RemoteDescription::parse(&text, Role::Offer).unwrap();
        assert_eq!(parsed.candidates.len(), MAX_REMOTE_CANDIDATES);
        assert_eq!(parsed.names.len(), MAX_MDNS_NAMES);
        assert_eq!(
            parsed.text.matches("a=candidate").count(),
            MAX_REMOTE_CANDIDATES
        );
    }

    #[test]
    fn unlimited_and_absent_message_sizes_follow_the_standard() {
        let unlimited = OFFER.replace("a=max-message-size:262144", "a=max-message-size:0");
        assert_eq!(
            RemoteDescription::parse(&unlimited, Role::Offer)
                .unwrap()
                .max_message,
            usize::MAX
        );
        let absent = OFFER.replace("a=max-message-size:262144\r\n", "");
        assert_eq!(
            RemoteDescription::parse(&absent, Role::Offer)
                .unwrap()
                .max_message,
            65_536
        );
    }
}
