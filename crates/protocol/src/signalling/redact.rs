//! Takes credentials out of texts before they reach a log or an error message.
//! It finds what is marked as a credential; it cannot recognise a bare key.

/// Names whose values are hidden, in queries and in JSON.
const NAMES: [&str; 10] = [
    "api_key",
    "apikey",
    "access_token",
    "auth_token",
    "token",
    "password",
    "passwd",
    "secret",
    "credential",
    "signature",
];

const HIDDEN: &str = "***";

/// The text with user names and passwords in URLs, values of credential-like names, and bearer tokens replaced.
pub fn redact(text: &str) -> String {
    hide_bearer(&hide_values(&hide_userinfo(text)))
}

fn hide_userinfo(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let stop = |c: char| c.is_whitespace() || "/?#\"'<>".contains(c);
        let end = after.find(stop).unwrap_or(after.len());
        // A URL inside the authority of another is looked at for itself.
        let end = after.find("://").map_or(end, |inner| inner.min(end));
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                out.push_str(HIDDEN);
                out.push('@');
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn hide_values(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some((start, end)) = next_value(&lower, at) {
        out.push_str(text.get(at..start).unwrap_or_default());
        out.push_str(HIDDEN);
        at = end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Where the value of the next credential-like name lies.
fn next_value(lower: &str, from: usize) -> Option<(usize, usize)> {
    NAMES
        .iter()
        .filter_map(|name| value_of(lower, from, name))
        .min()
}

fn value_of(lower: &str, from: usize, name: &str) -> Option<(usize, usize)> {
    let mut at = from;
    while let Some(found) = lower.get(at..)?.find(name) {
        let after = at + found + name.len();
        at = after;
        let rest = lower
            .get(after..)?
            .trim_start_matches(['"', '\'', '\\'])
            .trim_start();
        let Some(rest) = rest.strip_prefix([':', '=']) else {
            continue;
        };
        let value = rest.trim_start().trim_start_matches(['"', '\'', '\\']);
        let start = lower.len() - value.len();
        let len = value
            .find(|c: char| c.is_whitespace() || "\"'&,;}\\#<>".contains(c))
            .unwrap_or(value.len());
        if len > 0 && value.get(..len) != Some("null") && value.get(..len) != Some(HIDDEN) {
            return Some((start, start + len));
        }
    }
    None
}

fn hide_bearer(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = lower.get(at..).and_then(|rest| rest.find("bearer ")) {
        let start = at + found + "bearer ".len();
        let rest = lower.get(start..).unwrap_or_default();
        let len = rest
            .find(|c: char| c.is_whitespace() || "\"',;".contains(c))
            .unwrap_or(rest.len());
        out.push_str(text.get(at..start).unwrap_or_default());
        out.push_str(if len > 0 { HIDDEN } else { "" });
        at = start + len;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hidden_and_the_rest_stays() {
        let table = [
            (
                "cannot open rtsp://me:p@ss@cam/1?x=2",
                "cannot open rtsp://***@cam/1?x=2",
            ),
            (
                "GET https://h/p?api_key=abc&x=1 failed",
                "GET https://h/p?api_key=***&x=1 failed",
            ),
            (
                "{\"api_key\": \"abc\", \"a\": 1}",
                "{\"api_key\": \"***\", \"a\": 1}",
            ),
            ("{\"API_KEY\":\"abc\"}", "{\"API_KEY\":\"***\"}"),
            ("api_key=a&token=b", "api_key=***&token=***"),
            ("{\"api_key\": null}", "{\"api_key\": null}"),
            (
                "Authorization: Bearer abc.def, next",
                "Authorization: Bearer ***, next",
            ),
            (
                "no key here: tokenizer failed",
                "no key here: tokenizer failed",
            ),
            ("http://host:9001/path", "http://host:9001/path"),
            ("x://api_key=abc&s://me:p@h", "x://api_key=***&s://***@h"),
            ("ÄÖ api_key=ß", "ÄÖ api_key=***"),
            ("", ""),
        ];
        for (text, redacted) in table {
            assert_eq!(redact(text), redacted);
        }
    }
}
