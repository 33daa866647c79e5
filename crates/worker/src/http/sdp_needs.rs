//! What an offer asks for, as far as a worker must know before it answers: data, video to receive, video to send.
//! Not an SDP parser: the transport reads the rest and refuses what it cannot use.

use framewire_protocol::output::{DataOutput, StreamOutput};
use framewire_protocol::signalling::RequestError;

/// Sections of an offer. Only the first video section counts: one is supported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SdpNeeds {
    pub(crate) data: bool,
    /// The video section would take a track of ours.
    pub(crate) wants_video: bool,
    /// The video section brings the client's own track.
    pub(crate) sends_video: bool,
}

/// What the session does with the video section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VideoRoles {
    /// The mode in force: the one asked for, or none where the offer cannot carry it.
    pub(crate) stream: StreamOutput,
    /// Take the client's track: it is the source.
    pub(crate) receive: bool,
    /// Why `stream` is less than what was asked for.
    pub(crate) fallback: Option<&'static str>,
}

impl VideoRoles {
    /// Send processed video.
    pub(crate) fn send(&self) -> bool {
        self.stream.has_video()
    }
}

impl SdpNeeds {
    pub(crate) fn of(sdp: &str) -> SdpNeeds {
        let mut needs = SdpNeeds::default();
        let bundle_only = sdp.contains("a=bundle-only");
        let mut session_direction = "sendrecv";
        let mut video: Option<&str> = None;
        let mut seen_video = false;
        let mut in_media = false;
        for line in sdp.lines().map(str::trim_end) {
            if let Some(media) = line.strip_prefix("m=") {
                needs.take_video(video.take());
                in_media = true;
                let mut parts = media.split(' ');
                let (kind, port) = (parts.next(), parts.next());
                let rejected = port == Some("0") && !bundle_only;
                match kind {
                    Some("application") if !rejected => needs.data = true,
                    Some("video") if !rejected && !seen_video => {
                        seen_video = true;
                        video = Some(session_direction);
                    }
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
        needs.take_video(video);
        needs
    }

    /// What comes of the offer and the request's outputs; refuses what would silently never happen. `pulled`: the source
    /// is a URL of the request, so a track of the client is not needed.
    pub(crate) fn roles(
        self,
        stream: &StreamOutput,
        data: &DataOutput,
        pulled: bool,
    ) -> Result<VideoRoles, RequestError> {
        if !self.data {
            return Err(RequestError::Offer(
                "it has no data-channel section; create the channel `inference` before the offer"
                    .into(),
            ));
        }
        let mut roles = VideoRoles {
            stream: stream.clone(),
            receive: self.sends_video && !pulled,
            fallback: None,
        };
        if stream.has_video() && !self.wants_video {
            roles.give_up_sending(data, NO_SECTION)?;
        }
        Ok(roles)
    }

    fn take_video(&mut self, direction: Option<&str>) {
        self.wants_video |= matches!(direction, Some("sendrecv" | "recvonly"));
        self.sends_video |= matches!(direction, Some("sendrecv" | "sendonly"));
    }
}

impl VideoRoles {
    /// Goes on without a track of ours, if anything is left to send then.
    pub(crate) fn give_up_sending(
        &mut self,
        data: &DataOutput,
        reason: &'static str,
    ) -> Result<(), RequestError> {
        if matches!(self.stream, StreamOutput::Named(_)) && *data == DataOutput::None {
            return Err(RequestError::Configuration(format!(
                "`stream_output` asks for a video track, but {reason}, and `data_output` names nothing; \
                 offer a video section with recvonly or sendrecv, or name outputs in `data_output`"
            )));
        }
        self.stream = StreamOutput::None;
        self.fallback = Some(reason);
        Ok(())
    }
}

fn direction(line: &str) -> Option<&str> {
    let name = line.strip_prefix("a=")?;
    matches!(name, "sendrecv" | "sendonly" | "recvonly" | "inactive").then_some(name)
}

const NO_SECTION: &str = "the offer has no video section that takes one";

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";

    fn with_video(direction: &str) -> SdpNeeds {
        SdpNeeds::of(&format!(
            "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 97\r\n{direction}{DATA}a=sendrecv\r\n"
        ))
    }

    fn named() -> StreamOutput {
        StreamOutput::Named("image".into())
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
        let second = SdpNeeds::of(&format!(
            "m=video 9 X 97\r\na=inactive\r\nm=video 9 X 97\r\na=sendrecv\r\n{DATA}"
        ));
        assert!(
            !second.wants_video && !second.sends_video,
            "one video section"
        );
    }

    #[test]
    fn every_source_gets_the_roles_of_its_offer() {
        let camera = with_video("a=sendrecv\r\n");
        let roles = camera.roles(&named(), &DataOutput::None, false).unwrap();
        assert!(roles.send() && roles.receive);
        let roles = camera
            .roles(&StreamOutput::None, &DataOutput::All, false)
            .unwrap();
        assert!(!roles.send() && roles.receive);
        let file = with_video("a=recvonly\r\n");
        let roles = file
            .roles(&StreamOutput::AutoDetect, &DataOutput::None, false)
            .unwrap();
        assert!(roles.send() && !roles.receive);
        let roles = file
            .roles(&StreamOutput::None, &DataOutput::All, true)
            .unwrap();
        assert!(!roles.send() && !roles.receive);
        let pulled = camera.roles(&named(), &DataOutput::None, true).unwrap();
        assert!(pulled.send() && !pulled.receive, "the URL is the source");
    }

    #[test]
    fn a_track_that_cannot_be_carried_falls_back_to_data_or_is_refused() {
        for offer in [SdpNeeds::of(DATA), with_video("a=inactive\r\n")] {
            let roles = offer.roles(&named(), &DataOutput::All, false).unwrap();
            assert!(!roles.send() && roles.fallback.is_some());
            assert!(offer.roles(&named(), &DataOutput::None, false).is_err());
            let auto = offer.roles(&StreamOutput::AutoDetect, &DataOutput::None, false);
            assert!(!auto.unwrap().send(), "nothing was promised");
        }
        let camera = with_video("a=sendonly\r\n");
        let roles = camera.roles(&named(), &DataOutput::All, false).unwrap();
        assert!(!roles.send() && roles.receive);
        assert!(
            SdpNeeds::of("v=0")
                .roles(&StreamOutput::None, &DataOutput::None, false)
                .is_err()
        );
    }
}
