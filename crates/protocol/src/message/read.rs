//! A depth check that runs before a parser does.
//! It does not validate JSON: what it lets through is judged by the parser.

use memchr::memchr2;

/// Whether arrays and objects nest at most `limit` deep. One pass; strings are skipped at memory speed.
pub(crate) fn depth_within(json: &[u8], limit: usize) -> bool {
    let mut depth = 0_usize;
    let mut rest = json;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => rest = after_string(rest),
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// What follows the closing quote; empty when there is none.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        let quote = rest.get(at) == Some(&b'"');
        rest = rest
            .get(at + if quote { 1 } else { 2 }..)
            .unwrap_or_default();
        if quote {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_brackets_outside_strings_only() {
        assert!(depth_within(br#"{"a":"[[[[\"[[[\\","b":[1]}"#, 2));
        assert!(!depth_within(b"[[[]]]", 2));
        assert!(depth_within(b"[[]][[]]", 2));
        assert!(depth_within(b"]]]]\"[[[", 0));
        assert!(depth_within(br#""\"#, 0));
    }
}
