//! Addresses as they may be shown: without user, password, query, fragment and stream key.
//! It judges nothing and connects to nothing; whole texts are `redact`'s.

/// Longest address shown.
const MAX_SHOWN: usize = 300;

const UNREADABLE: &str = "<unreadable address>";

/// The address without what may be secret: `rtsp://host:554/path`, for any scheme. A query becomes `?…`; of an RTMP path only
/// the application stays, for the rest is the stream key. What cannot be read for sure is not shown at all.
pub fn redact_url(text: &str) -> String {
    shown(text.trim()).unwrap_or_else(|| UNREADABLE.to_owned())
}

fn shown(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if !named || !plain {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if authority.contains('\\') || !is_host(host) {
        // Readers disagree about where a host ends at a backslash; a password with a slash in it looks like a host and a path.
        return None;
    }
    let tail = tail.split_once('#').map_or(tail, |(before, _)| before);
    let (path, query) = tail
        .split_once('?')
        .map_or((tail, ""), |(path, _)| (path, "?…"));
    let mut out = format!("{scheme}://{host}");
    if scheme.starts_with("rtmp") {
        let application = path.trim_start_matches('/').split('/').next();
        let application = application.unwrap_or_default();
        let key = path.trim_end_matches('/').len() > application.len() + 1;
        out.push('/');
        out.push_str(application);
        out.push_str(if key { "/…" } else { "" });
    } else {
        out.push_str(path);
    }
    out.push_str(query);
    if out.len() > MAX_SHOWN {
        let mut end = MAX_SHOWN;
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        out.truncate(end);
        out.push('…');
    }
    Some(out)
}

/// A name or address with an optional port, nothing else.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || ":.%".contains(c);
            if address.is_empty() || !address.chars().all(plain) {
                return false;
            }
            ("v6", port)
        }
        None => host
            .find(':')
            .map_or((host, ""), |colon| host.split_at(colon)),
    };
    let port_fits = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.is_empty() || digits.parse::<u16>().is_ok());
    let plain = |c: char| c.is_alphanumeric() || "-._".contains(c);
    !name.is_empty() && name.chars().all(plain) && port_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown_and_the_place_is() {
        let table = [
            (
                "rtsp://me:p@ss@cam:554/live/1?token=x#y",
                "rtsp://cam:554/live/1?…",
            ),
            ("RTSPS://cam.example/1", "rtsps://cam.example/1"),
            (
                "http://u@192.168.1.5/video.mjpg",
                "http://192.168.1.5/video.mjpg",
            ),
            ("https://h:8443", "https://h:8443"),
            ("https://[fe80::1%eth0]:81/a", "https://[fe80::1%eth0]:81/a"),
            ("rtmp://h/live/secret-key?x=1", "rtmp://h/live/…?…"),
            ("rtmps://u:p@h:1935/live", "rtmps://h:1935/live"),
            ("rtmp://h/live/", "rtmp://h/live"),
            ("rtsp://kamera-küche.lan/ä", "rtsp://kamera-küche.lan/ä"),
        ];
        for (text, expected) in table {
            assert_eq!(redact_url(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_for_sure_is_not_echoed() {
        for text in [
            "secret",
            "",
            "://secret",
            "1x://secret",
            "rtsp://user:secret/with-slash@cam/1",
            "rtsp://user:secret?x@cam/1",
            "http://good\\@secret",
            "http://secret host/",
            "http://ho\nst/secret",
            "http://host:99999/secret",
            "http://[secret]x/",
            "http:///secret",
        ] {
            assert_eq!(redact_url(text), UNREADABLE, "{text}");
        }
    }

    #[test]
    fn a_long_address_is_cut_at_a_character() {
        let shown = redact_url(&format!("http://h/{}", "é".repeat(1000)));
        assert!(shown.len() <= MAX_SHOWN + '…'.len_utf8() && shown.ends_with('…'));
    }
}
