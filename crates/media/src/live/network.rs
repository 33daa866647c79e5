//! RTSP and RTMP: which addresses, with what options, and what their failures mean.
//! Not reading them: that is `stream`. No text from here holds more of an address than scheme, host and port.

use std::time::Duration;

use super::stream::{CaptureTime, OpenFailure, StreamInput};
use super::{Interrupt, LiveError, LiveOptions};
use crate::ffmpeg::{Cause, Opening, Stop};
use crate::pool::FramePool;

/// Longest address that is taken.
const MAX_URL_BYTES: usize = 4096;

/// A protocol and how FFmpeg is to speak it.
pub(super) struct Protocol {
    schemes: &'static [&'static str],
    wrong_scheme: &'static str,
    /// What FFmpeg may open on the way; a redirect to anything else fails.
    whitelist: &'static str,
    capture: CaptureTime,
    options: fn(read_timeout: Duration) -> Vec<(&'static str, String)>,
}

/// RTSP, its pictures inside the one TCP connection.
pub(super) const RTSP: Protocol = Protocol {
    schemes: &["rtsp", "rtsps"],
    wrong_scheme: "it must begin with rtsp:// or rtsps://",
    whitelist: "rtsp,rtsps,rtp,tcp,tls",
    capture: CaptureTime::Previous,
    options: |timeout| {
        vec![
            ("rtsp_transport", "tcp".to_owned()),
            ("timeout", timeout.as_micros().to_string()),
        ]
    },
};

/// RTMP.
pub(super) const RTMP: Protocol = Protocol {
    schemes: &["rtmp", "rtmps"],
    wrong_scheme: "it must begin with rtmp:// or rtmps://",
    whitelist: "rtmp,rtmps,tcp,tls",
    capture: CaptureTime::Arrival,
    options: |timeout| {
        vec![
            ("rtmp_live", "live".to_owned()),
            ("rw_timeout", timeout.as_micros().to_string()),
        ]
    },
};

pub(super) fn open(
    protocol: &Protocol,
    url: &str,
    options: &LiveOptions,
    pool: &FramePool,
    interrupt: &Interrupt,
) -> Result<StreamInput, LiveError> {
    let name = public_name(url);
    let address = |reason| LiveError::Address {
        input: name.clone(),
        reason,
    };
    if url.len() > MAX_URL_BYTES {
        return Err(address("it is longer than 4096 bytes"));
    }
    if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(address("it holds spaces or control characters"));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(address(protocol.wrong_scheme));
    };
    let scheme = scheme.to_ascii_lowercase();
    if !protocol.schemes.contains(&scheme.as_str()) {
        return Err(address(protocol.wrong_scheme));
    }
    let mut wanted = (protocol.options)(options.read_timeout);
    wanted.push(("protocol_whitelist", protocol.whitelist.to_owned()));
    let what = Opening {
        // FFmpeg compares schemes as they are written.
        url: &format!("{scheme}://{rest}"),
        format: None,
        options: &wanted,
        ask: false,
        probe: false,
    };
    StreamInput::open(&name, &what, protocol.capture, options, pool, interrupt)
        .map_err(|failure| explain(name.clone(), options.open_timeout, failure))
}

fn explain(input: String, limit: Duration, failure: OpenFailure) -> LiveError {
    let error = match failure {
        OpenFailure::Failed(error) => error,
        OpenFailure::Stopped(Stop::Interrupted, _) => return LiveError::Interrupted,
        OpenFailure::Stopped(Stop::Deadline, step) => {
            return LiveError::TimedOut {
                input,
                step,
                after: limit,
            };
        }
        OpenFailure::NoVideo => return LiveError::NoVideo { input },
        OpenFailure::Codec(codec, error) => {
            return LiveError::Codec {
                input,
                codec,
                reason: error.to_string(),
            };
        }
    };
    match error.cause() {
        Cause::Unauthorized => LiveError::Unauthorized { input },
        Cause::NotFound => LiveError::Refused {
            input,
            reason: "the server has no such stream".to_owned(),
        },
        Cause::Input => LiveError::Refused {
            input,
            reason: "no such host, or the connection was cut".to_owned(),
        },
        Cause::Unreachable | Cause::TimedOut => LiveError::Refused {
            input,
            reason: error.to_string(),
        },
        _ => LiveError::Open {
            input,
            reason: error.to_string(),
        },
    }
}

/// Scheme, host and port of an address: what may be shown of it. User, password, path and query may all be secrets.
fn public_name(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "the given address".to_owned();
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let plain = |text: &str, most: usize| {
        text.len() <= most
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._:[]%".contains(c))
    };
    // What looks like a host may be a user and the start of a password that should have been escaped.
    let beyond = &rest[authority.len()..];
    let port_is_a_number = match host.rsplit_once(':') {
        Some((_, port)) => host.ends_with(']') || port.bytes().all(|b| b.is_ascii_digit()),
        None => true,
    };
    if !port_is_a_number
        || beyond.contains('@')
        || scheme.is_empty()
        || host.is_empty()
        || !plain(scheme, 16)
        || !plain(host, 300)
    {
        return "the given address".to_owned();
    }
    format!("{}://{host}", scheme.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_port_of_an_address_are_ever_shown() {
        for (url, shown) in [
            ("rtsp://camera.local/live", "rtsp://camera.local"),
            (
                "RTSP://user:pa@ss@10.0.0.7:554/x?key=1",
                "rtsp://10.0.0.7:554",
            ),
            (
                "rtmps://[2001:db8::1]:443/app/SECRETKEY",
                "rtmps://[2001:db8::1]:443",
            ),
            ("rtsp://user:secret#x@host/", "the given address"),
            ("rtsp://user:secret", "the given address"),
            ("rtsp://user:12/34@host/", "the given address"),
            ("rtsp:user:secret@host", "the given address"),
            ("rtsp://us er:secret/@host", "the given address"),
            ("", "the given address"),
        ] {
            assert_eq!(public_name(url), shown);
        }
    }

    #[test]
    fn addresses_of_other_kinds_are_refused_unopened() {
        let (pool, interrupt) = (FramePool::default(), Interrupt::new());
        let long = format!("rtsp://host/{}", "x".repeat(MAX_URL_BYTES));
        for url in [
            "http://host/",
            "file:///etc/passwd",
            "rtmp://host/",
            "rtsp:/host",
            "rtsp://ho st/",
            &long,
        ] {
            let error = open(&RTSP, url, &LiveOptions::default(), &pool, &interrupt);
            assert!(matches!(error, Err(LiveError::Address { .. })), "{url}");
        }
        let error = open(
            &RTMP,
            "rtsp://host/",
            &LiveOptions::default(),
            &pool,
            &interrupt,
        );
        assert!(matches!(error, Err(LiveError::Address { .. })));
    }
}
