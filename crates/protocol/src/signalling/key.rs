//! API keys: where they travel, and a type that does not print itself.
//! Whether a key is valid is not decided here.

use std::fmt;

/// A credential. `Debug` shows that it is there, nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a credential.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The credential itself: for the wire, never for logs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Where a client puts its API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum KeyTransport {
    /// In the body only; null when there is none.
    #[default]
    Legacy,
    /// In the body, and in the header when there is one.
    Both,
    /// In the header only.
    Header,
}

impl KeyTransport {
    /// Whether the body has an `api_key` (possibly null).
    pub fn in_body(self) -> bool {
        self != KeyTransport::Header
    }

    /// Value of the `Authorization` header, if there is to be one.
    pub fn header(self, key: Option<&Secret>) -> Option<String> {
        key.filter(|_| self != KeyTransport::Legacy)
            .map(|key| format!("Bearer {}", key.expose()))
    }
}

/// The key a worker uses: the one of the `Authorization` header wins over the body's, unless headers are not allowed.
pub fn effective_key(
    header: Option<&str>,
    body: Option<&Secret>,
    allow_header: bool,
) -> Option<Secret> {
    let bearer = header.filter(|_| allow_header).and_then(|header| {
        let (scheme, token) = header.trim().split_once(char::is_whitespace)?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Secret::new(token))
    });
    bearer.or_else(|| body.cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_travel_where_they_are_told_to() {
        let key = Secret::new("k");
        assert_eq!(KeyTransport::Legacy.header(Some(&key)), None);
        assert_eq!(
            KeyTransport::Both.header(Some(&key)).as_deref(),
            Some("Bearer k")
        );
        assert_eq!(KeyTransport::Both.header(None), None);
        assert!(KeyTransport::Both.in_body() && !KeyTransport::Header.in_body());
        assert_eq!(format!("{key:?}"), "Secret(***)");
    }

    #[test]
    fn the_header_wins_over_the_body() {
        let body = Secret::new("body");
        let key = |header, allowed| effective_key(header, Some(&body), allowed).unwrap();
        assert_eq!(key(Some("bEaReR  head "), true).expose(), "head");
        assert_eq!(key(Some("Bearer head"), false).expose(), "body");
        assert_eq!(key(Some("Bearer  "), true).expose(), "body");
        assert_eq!(key(Some("Basic x"), true).expose(), "body");
        assert_eq!(effective_key(None, None, true), None);
    }
}
