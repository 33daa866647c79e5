//! Changes to the engine's own descriptions: candidates are declared complete, and audio and video made inactive.
//! A peer keeps its data channels that way; what video needs is not here.

/// What goes out says that all candidates are in it: there is no way to send later ones.
pub(crate) fn complete(description: &str) -> String {
    let mut out = String::with_capacity(description.len() + 32);
    let mut candidates = false;
    for line in description.lines() {
        let candidate = line.starts_with("a=candidate:");
        if candidates && !candidate {
            out.push_str("a=end-of-candidates\r\n");
        }
        candidates = candidate;
        if line != "a=ice-options:trickle" {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    if candidates {
        out.push_str("a=end-of-candidates\r\n");
    }
    out
}

/// Marks every audio and video section of an answer `inactive`.
pub(crate) fn refuse_media(answer: &str) -> String {
    let mut out = String::with_capacity(answer.len());
    let mut media = false;
    for line in answer.lines() {
        if let Some(kind) = line.strip_prefix("m=") {
            media = kind.starts_with("audio") || kind.starts_with("video");
        }
        let direction = matches!(line, "a=sendrecv" | "a=sendonly" | "a=recvonly");
        out.push_str(if media && direction {
            "a=inactive"
        } else {
            line
        });
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directions_of_media_sections_change() {
        let answer = "v=0\r\na=sendrecv\r\nm=video 9 X 96\r\na=recvonly\r\nm=application 9 Y z\r\na=sendrecv\r\n";
        let expected = "v=0\r\na=sendrecv\r\nm=video 9 X 96\r\na=inactive\r\nm=application 9 Y z\r\na=sendrecv\r\n";
        assert_eq!(refuse_media(answer), expected);
    }

    #[test]
    fn candidates_end_and_nothing_is_trickled() {
        let made = "v=0\r\na=candidate:1 x\r\na=candidate:2 y\r\na=ice-options:trickle\r\na=mid:0\r\na=candidate:3 z\r\n";
        let expected = "v=0\r\na=candidate:1 x\r\na=candidate:2 y\r\na=end-of-candidates\r\na=mid:0\r\n\
            a=candidate:3 z\r\na=end-of-candidates\r\n";
        assert_eq!(complete(made), expected);
    }
}
