//! Takes credentials out of addresses before they reach a message or a log.
//! It does not decide what is secret elsewhere: keys are simply never formatted.

use url::Url;

/// Longest piece of foreign text kept in an error.
pub(crate) const MAX_FOREIGN_TEXT: usize = 4096;

/// The address without user, password, query and fragment; what cannot be parsed is not shown at all.
pub(crate) fn url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return "<unreadable address>".to_owned();
    };
    // Both fail only for addresses that cannot carry credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let had_query = url.query().is_some();
    url.set_query(None);
    url.set_fragment(None);
    let mut shown = url.to_string();
    if had_query {
        shown.push_str("?…");
    }
    shown
}

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
    fn credentials_and_queries_are_not_shown() {
        let shown = url("https://user:secret@example.com:8443/a/b.mp4?api_key=hidden#x");
        assert_eq!(shown, "https://example.com:8443/a/b.mp4?…");
    }

    #[test]
    fn an_unreadable_address_is_not_echoed() {
        assert!(!url("::secret::").contains("secret"));
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let text = "é".repeat(MAX_FOREIGN_TEXT);
        assert!(shorten(&text).len() <= MAX_FOREIGN_TEXT + '…'.len_utf8());
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
