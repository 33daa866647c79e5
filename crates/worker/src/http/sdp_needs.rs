//! What an offer asks for, as far as a worker must know before it answers: data, video to receive, video to send.
//! Not an SDP parser: the transport reads the rest and refuses what it cannot use.

use framewire_protocol::output::StreamOutput;
use framewire_protocol::signalling::RequestError;

/// Sections of an offer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SdpNeeds {
    pub(crate) data: bool,
    /// A video section that would take a track of ours.
    pub(crate) wants_video: bool,
    /// A video section that brings the client's own track.
    pub(crate) sends_video: bool,
}

impl SdpNeeds {
    pub(crate) fn of(sdp: &str) -> SdpNeeds {
        let mut needs = SdpNeeds::default();
        let mut session_direction = "sendrecv";
        let mut video: Option<&str> = None;
        let mut in_media = false;
        for line in sdp.lines().map(str::trim_end) {
            if let Some(media) = line.strip_prefix("m=") {
                needs.add_video(video.take());
                in_media = true;
                let mut parts = media.split(' ');
                let (kind, port) = (parts.next(), parts.next());
                let rejected = port == Some("0") && !sdp.contains("a=bundle-only");
                match kind {
                    Some("application") if !rejected => needs.data = true,
                    Some("video") if !rejected => video = Some(session_direction),
                    _ => {}
                }
            } else if let Some(direction) = direction(line) {
                if !in_media {
                    session_direction = direction;
                } else if video.is_some() {
                    video = Some(direction);
                }
            }
        }
        needs.add_video(video);
        needs
    }

    /// Refuses what this worker would silently never do.
    pub(crate) fn check(self, stream: &StreamOutput) -> Result<(), RequestError> {
        let refuse = |text: &str| Err(RequestError::Configuration(text.to_owned()));
        if !self.data {
            return Err(RequestError::Offer(
                "it has no data-channel section; create the channel `inference` before the offer"
                    .into(),
            ));
        }
        match stream {
            StreamOutput::Named(_) => refuse(
                "a video track was asked for with `stream_output`, which this version does not send; \
                 leave it empty and name the image in `data_output`",
            ),
            StreamOutput::AutoDetect if self.wants_video => refuse(
                "the offer has a video section that waits for a track, which this version does not send; \
                 set `stream_output` to [] and name the image in `data_output`",
            ),
            _ if self.sends_video => refuse(
                "the offer sends a video track, which this version does not take; upload a video file instead",
            ),
            _ => Ok(()),
        }
    }

    fn add_video(&mut self, direction: Option<&str>) {
        self.wants_video |= matches!(direction, Some("sendrecv" | "recvonly"));
        self.sends_video |= matches!(direction, Some("sendrecv" | "sendonly"));
    }
}

fn direction(line: &str) -> Option<&str> {
    let name = line.strip_prefix("a=")?;
    matches!(name, "sendrecv" | "sendonly" | "recvonly" | "inactive").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";

    fn with_video(direction: &str) -> SdpNeeds {
        SdpNeeds::of(&format!(
            "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 97\r\n{direction}{DATA}a=sendrecv\r\n"
        ))
    }

    #[test]
    fn sections_and_directions_are_seen() {
        let needs = with_video("a=recvonly\r\n");
        assert!(needs.data && needs.wants_video && !needs.sends_video);
        let needs = with_video("");
        assert!(
            needs.wants_video && needs.sends_video,
            "sendrecv is the default"
        );
        let needs = with_video("a=sendonly\r\n");
        assert!(!needs.wants_video && needs.sends_video);
        let needs = with_video("a=inactive\r\n");
        assert!(!needs.wants_video && !needs.sends_video);
        assert_eq!(SdpNeeds::of("garbage"), SdpNeeds::default());
    }

    #[test]
    fn a_track_that_would_never_come_is_refused() {
        let data = SdpNeeds::of(DATA);
        let named = StreamOutput::Named("image".into());
        assert!(data.check(&StreamOutput::None).is_ok());
        assert!(data.check(&StreamOutput::AutoDetect).is_ok());
        assert!(data.check(&named).is_err());
        let receiving = with_video("a=recvonly\r\n");
        assert!(receiving.check(&StreamOutput::None).is_ok());
        assert!(receiving.check(&StreamOutput::AutoDetect).is_err());
        assert!(
            with_video("a=sendonly\r\n")
                .check(&StreamOutput::None)
                .is_err()
        );
        assert!(SdpNeeds::of("v=0").check(&StreamOutput::None).is_err());
    }
}
