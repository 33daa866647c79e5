//! Streams with an address: read here and sent as a track, or named to the worker, which reads them.
//! Not here: reading them.

use framewire_protocol::signalling::redact_url;

use crate::error::{ConfigError, UrlPolicyError};

/// An address whose credentials are never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StreamUrl(String);

impl std::fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl StreamUrl {
    fn new(url: String, schemes: &[&str]) -> Result<Self, ConfigError> {
        let invalid = |reason: String| {
            ConfigError::from(UrlPolicyError::Invalid {
                url: redact_url(&url),
                reason,
            })
        };
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if !schemes
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return Err(invalid(format!("expected {}://", schemes.join(":// or "))));
        }
        let parsed = url::Url::parse(&url).map_err(|error| invalid(error.to_string()))?;
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(invalid("it names no host".into()));
        }
        Ok(StreamUrl(url))
    }

    /// With credentials: for whoever connects, never for a text.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        redact_url(&self.0)
    }

    #[cfg(feature = "ffmpeg")]
    pub(crate) fn is_rtmp(&self) -> bool {
        self.0
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("rtmp"))
    }
}

/// An RTSP or RTMP stream that this machine reads and sends to the worker on a video track: for cameras the worker cannot
/// reach.
///
/// It is opened before anything connects. When it breaks later, it is opened again for as long as
/// [`ClientOptions::reconnect`](crate::ClientOptions::reconnect) says; a stream that ends regularly ends the session.
///
/// ```no_run
/// use framewire::{Client, LocalStreamSource, StreamConfig, Workflow};
///
/// let session = Client::new("http://127.0.0.1:9001").stream(
///     LocalStreamSource::new("rtsp://user:password@camera.local/stream1")?,
///     Workflow::by_id("my-space", "count-people"),
///     StreamConfig::new().stream_output(["image"]),
/// )?;
/// session.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalStreamSource {
    pub(crate) url: StreamUrl,
}

impl LocalStreamSource {
    /// A stream at an `rtsp`, `rtsps`, `rtmp` or `rtmps` address. Does no I/O.
    ///
    /// # Errors
    /// Another scheme, or no usable address.
    pub fn new(url: impl Into<String>) -> Result<Self, ConfigError> {
        StreamUrl::new(url.into(), &["rtsp", "rtsps", "rtmp", "rtmps"]).map(|url| Self { url })
    }
}

/// An RTSP stream that the worker reads. The address, credentials included, is told to the worker and to nobody else.
///
/// ```no_run
/// use framewire::{Client, RtspSource, StreamConfig, Workflow};
///
/// let session = Client::new("http://127.0.0.1:9001").stream(
///     RtspSource::new("rtsp://10.0.0.8/stream1")?,
///     Workflow::by_id("my-space", "count-people"),
///     StreamConfig::new().data_output(["predictions"]),
/// )?;
/// session.on_data("predictions", |value, _| println!("{}", value.as_str()));
/// session.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtspSource {
    pub(crate) url: StreamUrl,
}

impl RtspSource {
    /// A stream at an `rtsp` or `rtsps` address. Does no I/O.
    ///
    /// # Errors
    /// Another scheme, or no usable address.
    pub fn new(url: impl Into<String>) -> Result<Self, ConfigError> {
        StreamUrl::new(url.into(), &["rtsp", "rtsps"]).map(|url| Self { url })
    }
}

/// An MJPEG stream over HTTP that the worker reads. The address is told to the worker and to nobody else; which addresses
/// it reads from is the worker's choice.
///
/// ```no_run
/// use framewire::{Client, MjpegSource, StreamConfig, Workflow};
///
/// let session = Client::new("http://127.0.0.1:9001").stream(
///     MjpegSource::new("http://camera.example.com/video.mjpg")?,
///     Workflow::by_id("my-space", "count-people"),
///     StreamConfig::new().stream_output(["image"]),
/// )?;
/// session.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MjpegSource {
    pub(crate) url: StreamUrl,
}

impl MjpegSource {
    /// A stream at an `http` or `https` address. Does no I/O.
    ///
    /// # Errors
    /// Another scheme, or no usable address.
    pub fn new(url: impl Into<String>) -> Result<Self, ConfigError> {
        StreamUrl::new(url.into(), &["http", "https"]).map(|url| Self { url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_checked_whatever_their_case() {
        for url in [
            "rtsp://h/a",
            "RTSPS://h/a",
            "Rtmp://h/app/key",
            "rtmps://h/a",
        ] {
            assert!(LocalStreamSource::new(url).is_ok(), "{url}");
        }
        assert!(RtspSource::new("RTSP://h").is_ok());
        assert!(MjpegSource::new("HTTPS://h/a").is_ok());
        for bad in [
            "",
            "rtsp:",
            "rtsp://",
            "http://h/a",
            "file:///etc/passwd",
            "rtspx://h",
        ] {
            assert!(LocalStreamSource::new(bad).is_err(), "{bad}");
            assert!(RtspSource::new(bad).is_err(), "{bad}");
        }
        assert!(RtspSource::new("rtmp://h/a").is_err());
        assert!(MjpegSource::new("rtsp://h/a").is_err());
        #[cfg(feature = "ffmpeg")]
        assert!(LocalStreamSource::new("RTMP://h/a").unwrap().url.is_rtmp());
    }

    #[test]
    fn credentials_stay_out_of_texts() {
        let source = RtspSource::new("rtsp://user:secret@h/a?token=secret").unwrap();
        assert!(!format!("{source:?}").contains("secret"));
        let error = RtspSource::new("http://user:secret@h/a").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
        assert!(source.url.secret().contains("secret"));
        let rtmp = LocalStreamSource::new("rtmp://h/live/secret-key").unwrap();
        assert!(!format!("{rtmp:?}").contains("secret"));
    }
}
