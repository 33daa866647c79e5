//! Takes secrets out of foreign text before it reaches a message or a log, and cuts it to size.
//! Not here: addresses, which the protocol's `redact_url` shows; keys are simply never formatted.

/// Longest piece of foreign text kept in an error.
pub(crate) const MAX_FOREIGN_TEXT: usize = 4096;

/// Text of an HTTP client error, with its causes and without the address (which may carry a key).
pub(crate) fn http_error(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    shorten(&text)
}

/// At most [`MAX_FOREIGN_TEXT`] bytes, cut at a character.
pub(crate) fn shorten(text: &str) -> String {
    if text.len() <= MAX_FOREIGN_TEXT {
        return text.to_owned();
    }
    let mut end = MAX_FOREIGN_TEXT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// Longest piece of foreign text in a sentence.
const MAX_SENTENCE: usize = 300;

/// Foreign text for one line of a terminal: control characters and white space folded, at most 300 characters.
pub(crate) fn one_line(text: &str) -> String {
    let plain = text.replace(|c: char| c.is_control(), " ");
    let words: Vec<&str> = plain.split_whitespace().take(MAX_SENTENCE).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_SENTENCE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// `text` with every occurrence of the secret replaced.
pub(crate) fn without(text: &str, secret: Option<&str>) -> String {
    match secret {
        Some(secret) if !secret.is_empty() => text.replace(secret, "***"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character() {
        let text = "é".repeat(MAX_FOREIGN_TEXT);
        assert!(shorten(&text).len() <= MAX_FOREIGN_TEXT + '…'.len_utf8());
    }

    #[test]
    fn foreign_text_becomes_one_line_without_control_characters() {
        assert_eq!(one_line("a\x1b[31m\r\n  b\tc\0"), "a [31m b c");
        let long = one_line(&"é".repeat(1000));
        assert_eq!(long.chars().count(), MAX_SENTENCE + 1);
    }

    #[test]
    fn a_secret_inside_text_is_replaced() {
        assert_eq!(
            without("key abc123 refused", Some("abc123")),
            "key *** refused"
        );
        assert_eq!(without("nothing", Some("")), "nothing");
    }
}
