//! What offers and answers say about video, and what each side makes of it.

use framewire_transport::{
    Direction, Endpoint, EndpointConfig, Peer, PeerConfig, VideoCodec, VideoConfig,
};

fn endpoint() -> Endpoint {
    Endpoint::bind(EndpointConfig::default()).expect("bind")
}

fn video(send: bool, receive: bool) -> PeerConfig {
    PeerConfig::default().with_video(VideoConfig::default().with_send(send).with_receive(receive))
}

/// Offer, answer, and both peers.
fn negotiate(client: PeerConfig, worker: PeerConfig) -> (String, String, Peer, Peer) {
    let offer = endpoint()
        .offer(client.with_channel("inference"))
        .expect("offer");
    let offered = offer.sdp().to_owned();
    let (answerer, answer) = endpoint().answer(&offered, worker).expect("answer");
    let offerer = offer.accept_answer(&answer).expect("accept");
    (offered, answer, offerer, answerer)
}

/// The lines of the video section with this index.
fn section(sdp: &str, index: usize) -> Vec<&str> {
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in sdp.lines() {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    let videos = sections.into_iter().filter(|s| s[0].starts_with("m=video"));
    videos.into_iter().nth(index).expect("a video section")
}

fn direction(sdp: &str, index: usize) -> &str {
    let known = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    let lines = section(sdp, index);
    let found: Vec<&str> = lines.into_iter().filter(|l| known.contains(l)).collect();
    assert_eq!(found.len(), 1, "one direction");
    found[0]
}

#[test]
fn every_direction_of_an_offer_is_answered_with_what_both_want() {
    use Direction::{RecvOnly, SendOnly, SendRecv};
    // Client's send and receive, worker's; offer, answer; what each side sees.
    let table = [
        (
            (true, true),
            (true, true),
            "sendrecv",
            "sendrecv",
            Some((SendRecv, SendRecv)),
        ),
        (
            (true, true),
            (false, true),
            "sendrecv",
            "recvonly",
            Some((SendOnly, RecvOnly)),
        ),
        (
            (true, true),
            (true, false),
            "sendrecv",
            "sendonly",
            Some((RecvOnly, SendOnly)),
        ),
        (
            (false, true),
            (true, true),
            "recvonly",
            "sendonly",
            Some((RecvOnly, SendOnly)),
        ),
        ((false, true), (false, true), "recvonly", "inactive", None),
        (
            (true, false),
            (true, true),
            "sendonly",
            "recvonly",
            Some((SendOnly, RecvOnly)),
        ),
        ((true, false), (true, false), "sendonly", "inactive", None),
        ((true, true), (false, false), "sendrecv", "inactive", None),
    ];
    for (client, worker, offered, answered, seen) in table {
        let (offer, answer, one, two) =
            negotiate(video(client.0, client.1), video(worker.0, worker.1));
        let case = format!("{client:?} {worker:?}");
        assert_eq!(direction(&offer, 0), format!("a={offered}"), "{case}");
        assert_eq!(direction(&answer, 0), format!("a={answered}"), "{case}");
        let directions = one.video().zip(two.video());
        let directions = directions.map(|(o, t)| (o.direction(), t.direction()));
        assert_eq!(directions, seen, "{case}");
        assert_eq!(one.video().is_some(), two.video().is_some(), "{case}");
    }
    let (_, answer, one, two) = negotiate(video(true, true), PeerConfig::default());
    assert_eq!(
        direction(&answer, 0),
        "a=inactive",
        "a worker that knows no video"
    );
    assert!(one.video().is_none() && two.video().is_none());
}

#[test]
fn an_offer_without_video_has_no_video_section_and_gives_no_track() {
    for client in [PeerConfig::default(), video(false, false)] {
        let (offer, answer, one, two) = negotiate(client, video(true, true));
        assert!(!offer.contains("m=video") && !answer.contains("m=video"));
        assert!(one.video().is_none() && two.video().is_none());
    }
}

#[test]
fn the_video_section_comes_first_and_names_real_streams_codecs_and_feedback() {
    let (offer, answer, one, two) = negotiate(video(true, true), video(true, true));
    for sdp in [&offer, &answer] {
        assert!(sdp.find("m=video").unwrap() < sdp.find("m=application").unwrap());
        let lines = section(sdp, 0);
        let msid = lines.iter().find_map(|l| l.strip_prefix("a=msid:"));
        let (stream, track) = msid.expect("msid").split_once(' ').expect("two names");
        assert!(stream.len() > 8 && track.len() > 8 && stream != "-");
        let has = |wanted: &str| lines.iter().any(|l| l.contains(wanted));
        for wanted in [
            "VP8/90000",
            "H264/90000",
            "rtx/90000",
            "profile-level-id=42e01f",
            "profile-level-id=42001f",
            "packetization-mode=1",
            "level-asymmetry-allowed=1",
            " nack pli",
            " goog-remb",
            " transport-cc",
            "a=ssrc-group:FID ",
            "a=rtcp-mux",
            "abs-send-time",
        ] {
            assert!(has(wanted), "{wanted} in {lines:#?}");
        }
    }
    let msid = |sdp: &str| {
        let lines = section(sdp, 0);
        lines
            .iter()
            .find(|l| l.starts_with("a=msid:"))
            .map(|l| l.to_string())
    };
    assert_ne!(msid(&offer), msid(&answer), "each side names its own");
    for peer in [one, two] {
        let track = peer.video().unwrap();
        assert_eq!(track.codecs(), [VideoCodec::Vp8, VideoCodec::H264]);
    }
}

#[test]
fn an_answer_keeps_the_offerers_order_of_codecs_and_its_payload_types() {
    let reversed = VideoConfig::default().with_codecs(vec![VideoCodec::H264, VideoCodec::Vp8]);
    let client = PeerConfig::default().with_video(reversed);
    let (offer, answer, one, two) = negotiate(client, video(true, true));
    let payloads = |sdp: &str| section(sdp, 0)[0].to_owned();
    assert_eq!(payloads(&offer), payloads(&answer));
    for peer in [one, two] {
        let track = peer.video().unwrap();
        assert_eq!(track.codecs(), [VideoCodec::H264, VideoCodec::Vp8]);
    }
    let one_codec = VideoConfig::default().with_codecs(vec![VideoCodec::H264]);
    let (_, _, one, two) = negotiate(
        video(true, true),
        PeerConfig::default().with_video(one_codec),
    );
    for peer in [one, two] {
        assert_eq!(peer.video().unwrap().codecs(), [VideoCodec::H264]);
    }
}

#[test]
fn of_two_video_sections_the_first_is_used_and_the_second_inactive() {
    let offer = endpoint()
        .offer(video(true, true).with_channel("inference"))
        .unwrap();
    let text = offer.sdp().to_owned();
    let first = section(&text, 0);
    let mid = first.iter().find(|l| l.starts_with("a=mid:")).unwrap();
    let second: String = first
        .iter()
        .filter(|l| !l.contains("ssrc") && !l.starts_with("a=candidate"))
        .map(|l| {
            if l == mid {
                "a=mid:second\r\n".to_owned()
            } else {
                format!("{l}\r\n")
            }
        })
        .collect();
    let group = text
        .lines()
        .find(|l| l.starts_with("a=group:BUNDLE"))
        .unwrap();
    let text = text.replace(group, &format!("{group} second")) + &second;
    let (peer, answer) = endpoint().answer(&text, video(true, true)).expect("answer");
    assert_eq!(direction(&answer, 0), "a=sendrecv");
    assert_eq!(direction(&answer, 1), "a=inactive");
    assert_eq!(peer.video().unwrap().direction(), Direction::SendRecv);
}

#[test]
fn an_answer_cannot_widen_what_was_offered() {
    let offer = endpoint()
        .offer(video(true, false).with_channel("inference"))
        .unwrap();
    let (_peer, answer) = endpoint().answer(offer.sdp(), video(true, true)).unwrap();
    let widened = answer.replace("a=recvonly", "a=sendrecv");
    let peer = offer.accept_answer(&widened).expect("accepted");
    assert_eq!(peer.video().unwrap().direction(), Direction::SendOnly);
}

#[test]
fn a_section_without_a_codec_of_ours_is_rejected_and_the_answer_stays_usable() {
    let offer = endpoint()
        .offer(video(true, true).with_channel("inference"))
        .unwrap();
    let foreign = offer
        .sdp()
        .replace("VP8/", "VP7/")
        .replace("H264/", "H999/");
    let (peer, answer) = endpoint()
        .answer(&foreign, video(true, true))
        .expect("answer");
    assert!(peer.video().is_none());
    let lines = section(&answer, 0);
    assert!(lines[0].starts_with("m=video 0 "), "{}", lines[0]);
    assert!(
        !lines.iter().any(|l| l.starts_with("a=candidate:")),
        "no transport of its own"
    );
    let application = &answer[answer.find("m=application").unwrap()..];
    assert!(application.contains("a=candidate:"));
}
