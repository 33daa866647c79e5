//! The video part of a remote description: which section is used, in what direction, and with what codecs.
//! The engine takes any offered direction as it stands; so what it sees says only what we are willing to do.

use crate::video::{Direction, VideoCodec};

/// What a remote description says about video, after it was narrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Narrowed {
    /// The text for the engine.
    pub(crate) text: String,
    /// `a=mid` of the section that is used.
    pub(crate) mid: Option<String>,
    /// Codecs of that section, in its order.
    pub(crate) codecs: Vec<VideoCodec>,
}

/// Limits every audio and video section to what we do: the first video section to `willing` (as seen from us), the
/// others to nothing. Names of the peer's streams are left out, so that the engine makes up its own.
pub(crate) fn narrow(description: &str, willing: Direction) -> Narrowed {
    let mut out = Narrowed {
        text: String::with_capacity(description.len() + 32),
        mid: None,
        codecs: Vec::new(),
    };
    let lines: Vec<&str> = description.lines().collect();
    let mut starts: Vec<usize> = (0..lines.len())
        .filter(|n| lines[*n].starts_with("m="))
        .collect();
    let session = &lines[..starts.first().copied().unwrap_or(lines.len())];
    let default = direction(session).unwrap_or(Direction::SendRecv);
    write(&mut out.text, session);
    starts.push(lines.len());
    let mut used = false;
    for pair in starts.windows(2) {
        let section = &lines[pair[0]..pair[1]];
        let video = section[0].starts_with("m=video ");
        if !video && !section[0].starts_with("m=audio ") {
            write(&mut out.text, section);
            continue;
        }
        let ours = if video && !used && is_usable(section) {
            used = true;
            out.mid = section
                .iter()
                .find_map(|l| l.strip_prefix("a=mid:"))
                .map(|mid| mid.trim().to_owned());
            out.codecs = codecs(section);
            willing
        } else {
            Direction::Inactive
        };
        let theirs = direction(section).unwrap_or(default);
        let kept: Vec<&str> = section
            .iter()
            .copied()
            .filter(|l| direction(&[l]).is_none() && !l.starts_with("a=msid:"))
            .collect();
        write(&mut out.text, &kept);
        write(&mut out.text, &[attribute(theirs.and(ours.reversed()))]);
    }
    out
}

fn write(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
}

fn attribute(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "a=sendrecv",
        Direction::SendOnly => "a=sendonly",
        Direction::RecvOnly => "a=recvonly",
        Direction::Inactive => "a=inactive",
    }
}

fn direction(lines: &[&str]) -> Option<Direction> {
    lines.iter().find_map(|line| match *line {
        "a=sendrecv" => Some(Direction::SendRecv),
        "a=sendonly" => Some(Direction::SendOnly),
        "a=recvonly" => Some(Direction::RecvOnly),
        "a=inactive" => Some(Direction::Inactive),
        _ => None,
    })
}

/// Not rejected: port 0 says so, unless the section only exists inside a bundle.
fn is_usable(section: &[&str]) -> bool {
    section[0].split_ascii_whitespace().nth(1) != Some("0") || section.contains(&"a=bundle-only")
}

/// The codecs we know, in the order of the payload types.
fn codecs(section: &[&str]) -> Vec<VideoCodec> {
    let mut found = Vec::new();
    for payload in section[0].split_ascii_whitespace().skip(3) {
        let name = section.iter().find_map(|line| {
            let (number, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            (number == payload).then_some(name.split('/').next()?)
        });
        let codec = match name {
            Some(name) if name.eq_ignore_ascii_case("VP8") => VideoCodec::Vp8,
            Some(name) if name.eq_ignore_ascii_case("H264") => VideoCodec::H264,
            _ => continue,
        };
        if !found.contains(&codec) {
            found.push(codec);
        }
    }
    found
}

/// When the first section is rejected, its candidates move to the first that is not: only that one has a transport.
pub(crate) fn move_candidates(description: &str) -> String {
    let lines: Vec<&str> = description.lines().collect();
    let sections: Vec<usize> = (0..lines.len())
        .filter(|n| lines[*n].starts_with("m="))
        .collect();
    let rejected = |at: &usize| lines[*at].split_ascii_whitespace().nth(1) == Some("0");
    let target = match sections.as_slice() {
        [first, rest @ ..] if rejected(first) => rest.iter().position(|at| !rejected(at)),
        _ => None,
    };
    let mut text = String::with_capacity(description.len());
    let Some(target) = target else {
        write(&mut text, &lines);
        return text;
    };
    let is_candidate = |line: &str| line.starts_with("a=candidate:");
    let candidates: Vec<&str> = lines.iter().copied().filter(|l| is_candidate(l)).collect();
    // `target` counts from the second section.
    let end = sections.get(target + 2).copied().unwrap_or(lines.len());
    let kept = |part: &[&'_ str], text: &mut String| {
        for line in part.iter().filter(|l| !is_candidate(l)) {
            write(text, &[line]);
        }
    };
    kept(&lines[..end], &mut text);
    write(&mut text, &candidates);
    kept(&lines[end..], &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:a\r\na=sendrecv\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 99 97 98\r\na=mid:0\r\na=sendrecv\r\na=msid:s t\r\na=rtpmap:97 VP8/90000\r\n\
        a=rtpmap:98 rtx/90000\r\na=rtpmap:99 H264/90000\r\nm=video 9 UDP/TLS/RTP/SAVPF 97\r\na=mid:1\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";

    fn directions(text: &str) -> Vec<&str> {
        let known = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
        text.lines().filter(|l| known.contains(l)).collect()
    }

    #[test]
    fn only_the_first_video_section_keeps_a_direction_and_it_is_what_both_want() {
        let narrowed = narrow(OFFER, Direction::SendRecv);
        assert_eq!(narrowed.mid.as_deref(), Some("0"));
        assert_eq!(narrowed.codecs, [VideoCodec::H264, VideoCodec::Vp8]);
        assert!(!narrowed.text.contains("msid"));
        assert_eq!(
            directions(&narrowed.text),
            ["a=inactive", "a=sendrecv", "a=inactive"]
        );
        let mid = |willing| directions(&narrow(OFFER, willing).text)[1].to_owned();
        // What we only receive, the peer only sends.
        assert_eq!(mid(Direction::RecvOnly), "a=sendonly");
        assert_eq!(mid(Direction::SendOnly), "a=recvonly");
        assert_eq!(mid(Direction::Inactive), "a=inactive");
        let offer = OFFER.replace("a=mid:0\r\na=sendrecv", "a=mid:0\r\na=recvonly");
        assert_eq!(
            directions(&narrow(&offer, Direction::RecvOnly).text)[1],
            "a=inactive"
        );
    }

    #[test]
    fn a_rejected_section_is_not_used_and_missing_directions_are_both_ways() {
        let offer = OFFER.replace(
            "m=video 9 UDP/TLS/RTP/SAVPF 99",
            "m=video 0 UDP/TLS/RTP/SAVPF 99",
        );
        let narrowed = narrow(&offer, Direction::SendRecv);
        assert_eq!(narrowed.mid.as_deref(), Some("1"));
        assert_eq!(
            directions(&narrowed.text),
            ["a=inactive", "a=inactive", "a=sendrecv"]
        );
    }

    #[test]
    fn candidates_of_a_rejected_first_section_move_to_the_first_used_one() {
        let answer = "v=0\r\nm=video 0 X 0\r\na=candidate:1 x\r\na=mid:0\r\nm=application 9 Y z\r\na=mid:1\r\n";
        let moved = "v=0\r\nm=video 0 X 0\r\na=mid:0\r\nm=application 9 Y z\r\na=mid:1\r\na=candidate:1 x\r\n";
        assert_eq!(move_candidates(answer), moved);
        assert_eq!(move_candidates(moved), moved);
        let used = answer.replace("m=video 0", "m=video 9");
        assert_eq!(move_candidates(&used), used);
    }
}
