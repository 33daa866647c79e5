//! The description of an ICE restart: a known one with other credentials and candidates.
//! Everything else stays, so that a restart cannot change what the connection is.

/// Lines that a restart replaces or drops.
const CANDIDATE: &str = "a=candidate:";
const DROPPED: [&str; 3] = [CANDIDATE, "a=end-of-candidates", "a=ice-options:"];

/// `description` with these credentials, and these candidates (what follows `a=candidate:`) in its first section in use.
pub(crate) fn renew(description: &str, ufrag: &str, pwd: &str, candidates: &[String]) -> String {
    let mut out = String::with_capacity(description.len() + candidates.len() * 80);
    let mut line = |text: &[&str]| {
        text.iter().for_each(|part| out.push_str(part));
        out.push_str("\r\n");
    };
    let mut placed = candidates.is_empty();
    for known in description.lines() {
        match known.split_once(':').map_or(known, |(name, _)| name) {
            "a=ice-ufrag" => line(&["a=ice-ufrag:", ufrag]),
            "a=ice-pwd" => line(&["a=ice-pwd:", pwd]),
            _ if DROPPED.iter().any(|dropped| known.starts_with(dropped)) => {}
            _ if known.starts_with("o=") => line(&[&raised(known)]),
            _ => line(&[known]),
        }
        // `c=` is not in every section, so they follow `a=mid`, which is.
        if !placed && known.starts_with("a=mid:") && is_used(description, known) {
            placed = true;
            for candidate in candidates {
                line(&[CANDIDATE, candidate]);
            }
            line(&["a=end-of-candidates"]);
        }
    }
    out
}

/// What must be the same in every description of one connection: its sections and who the peer is.
pub(crate) fn outline(description: &str) -> Vec<&str> {
    let of_interest = |line: &str| line.starts_with("a=mid:") || line.starts_with("a=fingerprint:");
    let lines = description.lines().map(str::trim_end);
    let shown = lines.filter_map(|line| match line.strip_prefix("m=") {
        Some(media) => media.split(' ').next(),
        None => of_interest(line).then_some(line),
    });
    shown.collect()
}

/// Whether the section with this `a=mid` line is not rejected.
fn is_used(description: &str, mid: &str) -> bool {
    let media = description
        .lines()
        .take_while(|line| *line != mid)
        .filter(|line| line.starts_with("m="))
        .last();
    media.is_some_and(|media| media.split(' ').nth(1) != Some("0"))
}

/// The `o=` line of the next version.
fn raised(origin: &str) -> String {
    let mut words: Vec<String> = origin.split(' ').map(str::to_owned).collect();
    if let Some(version) = words.get_mut(2)
        && let Ok(known) = version.parse::<u64>()
    {
        *version = known.wrapping_add(1).to_string();
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "v=0\r\no=- 7 1 IN IP4 0.0.0.0\r\nm=video 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=candidate:1 old\r\na=end-of-candidates\r\n\
        a=ice-ufrag:old\r\na=ice-pwd:oldpassword\r\na=fingerprint:sha-256 AA\r\na=setup:passive\r\n";

    #[test]
    fn credentials_and_candidates_change_and_nothing_else() {
        let new = renew(KNOWN, "u", "p", &["2 a".into(), "3 b".into()]);
        let expected = "v=0\r\no=- 7 2 IN IP4 0.0.0.0\r\nm=video 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=candidate:2 a\r\na=candidate:3 b\r\n\
            a=end-of-candidates\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:sha-256 AA\r\na=setup:passive\r\n";
        assert_eq!(new, expected);
        assert_eq!(outline(&new), outline(KNOWN));
        let none = renew(KNOWN, "u", "p", &[]);
        assert!(!none.contains("candidate"), "{none}");
    }

    #[test]
    fn another_peer_or_other_sections_have_another_outline() {
        assert_eq!(
            outline(KNOWN),
            [
                "video",
                "a=mid:0",
                "application",
                "a=mid:1",
                "a=fingerprint:sha-256 AA"
            ]
        );
        for (from, to) in [
            ("sha-256 AA", "sha-256 AB"),
            ("mid:1", "mid:2"),
            ("m=video", "m=audio"),
        ] {
            assert_ne!(outline(&KNOWN.replace(from, to)), outline(KNOWN), "{to}");
        }
    }
}
