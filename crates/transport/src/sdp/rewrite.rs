//! Changes to the engine's own descriptions: candidates are declared complete.
//! What is said about video is not here.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_end_and_nothing_is_trickled() {
        let made = "v=0\r\na=candidate:1 x\r\na=candidate:2 y\r\na=ice-options:trickle\r\na=mid:0\r\na=candidate:3 z\r\n";
        let expected = "v=0\r\na=candidate:1 x\r\na=candidate:2 y\r\na=end-of-candidates\r\na=mid:0\r\n\
            a=candidate:3 z\r\na=end-of-candidates\r\n";
        assert_eq!(complete(made), expected);
    }
}
