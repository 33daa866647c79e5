//! The source a request asks the worker to read itself.
//! It opens nothing; addresses are checked where they are dialled.

use std::fmt;

use crate::signalling::{WorkerRequest, redact_url};

/// A stream the worker reads.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PulledSource<'a> {
    /// An RTSP address.
    Rtsp(&'a str),
    /// An HTTP address of motion JPEG.
    Mjpeg(&'a str),
}

impl<'a> PulledSource<'a> {
    /// The address, credentials included: for dialling, never for showing.
    pub fn url(self) -> &'a str {
        match self {
            PulledSource::Rtsp(url) | PulledSource::Mjpeg(url) => url,
        }
    }
}

impl fmt::Debug for PulledSource<'_> {
    /// The address as it may be shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            PulledSource::Rtsp(_) => "Rtsp",
            PulledSource::Mjpeg(_) => "Mjpeg",
        };
        write!(f, "{name}({})", redact_url(self.url()))
    }
}

/// A stand-in for an RTSP address, so that requests need not name the real one (`WEBRTC_MODAL_RTSP_PLACEHOLDER` and
/// `WEBRTC_MODAL_RTSP_PLACEHOLDER_URL`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RtspPlaceholder<'a> {
    /// What requests say.
    pub name: &'a str,
    /// What it means.
    pub url: &'a str,
}

impl fmt::Debug for RtspPlaceholder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} for {}", self.name, redact_url(self.url))
    }
}

impl WorkerRequest {
    /// The source the worker is asked to read: RTSP wins over MJPEG, empty texts count as absent, and an RTSP address that is
    /// the placeholder is replaced by what it stands for.
    pub fn pulled_source<'a>(
        &'a self,
        placeholder: Option<RtspPlaceholder<'a>>,
    ) -> Option<PulledSource<'a>> {
        let given =
            |url: &'a Option<String>| url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        if let Some(url) = given(&self.rtsp_url) {
            let real = placeholder.filter(|p| !p.name.is_empty() && p.name == url);
            return Some(PulledSource::Rtsp(real.map_or(url, |p| p.url)));
        }
        given(&self.mjpeg_url).map(PulledSource::Mjpeg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signalling::WorkflowConfiguration;

    fn request(rtsp: Option<&str>, mjpeg: Option<&str>) -> WorkerRequest {
        let mut request = WorkerRequest::new(WorkflowConfiguration::by_id("w", "f"), "v=0");
        request.rtsp_url = rtsp.map(str::to_owned);
        request.mjpeg_url = mjpeg.map(str::to_owned);
        request
    }

    #[test]
    fn rtsp_wins_and_empty_texts_are_absent() {
        let both = request(Some("rtsp://a/1"), Some("http://b/2"));
        assert_eq!(
            both.pulled_source(None),
            Some(PulledSource::Rtsp("rtsp://a/1"))
        );
        let mjpeg = request(Some("  "), Some("http://b/2"));
        assert_eq!(
            mjpeg.pulled_source(None),
            Some(PulledSource::Mjpeg("http://b/2"))
        );
        assert_eq!(request(None, Some("")).pulled_source(None), None);
    }

    #[test]
    fn the_placeholder_is_replaced_and_nothing_shows_the_credentials() {
        let placeholder = RtspPlaceholder {
            name: "rtsp://placeholder",
            url: "rtsp://u:secret@cam/1",
        };
        let asked = request(Some("rtsp://placeholder"), None);
        let source = asked.pulled_source(Some(placeholder)).unwrap();
        assert_eq!(source, PulledSource::Rtsp("rtsp://u:secret@cam/1"));
        assert_eq!(format!("{source:?}"), "Rtsp(rtsp://cam/1)");
        assert!(!format!("{placeholder:?}").contains("secret"));
        let other = request(Some("rtsp://else"), None);
        assert_eq!(
            other.pulled_source(Some(placeholder)),
            Some(PulledSource::Rtsp("rtsp://else"))
        );
        let empty = RtspPlaceholder {
            name: "",
            ..placeholder
        };
        assert_eq!(request(Some(""), None).pulled_source(Some(empty)), None);
    }
}
