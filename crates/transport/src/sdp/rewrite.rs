//! Changes to the engine's own answer: audio and video sections are accepted and made inactive.
//! A peer keeps its data channels that way; what video needs is not here.

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
}
