//! `POST /webrtc/session/{id}/ice`: every status and body, and a session that goes on over its new path.
//! Not how a path dies: the transport's scenarios and the client's do that.

use std::net::SocketAddr;

use framewire_protocol::signalling::{Answer, RestartRequest, Secret, SessionKey};
use framewire_transport::{IceHandle, IceRestart, Peer, PeerEvent};
use framewire_worker::Worker;
use serde_json::{Value, json};

use crate::common::http::{Response, get, post, post_with};
use crate::common::peer::{PATH, offer_with};
use crate::common::{PATIENCE, deadline, request, worker, worker_with};
use crate::keys;

const ASKED: &str = "framewire";

/// A session with a name, connected.
struct Named {
    peer: Peer,
    key: SessionKey,
    address: SocketAddr,
}

fn agreement() -> Value {
    json!({"v": 1, "features": ["ice_restart"]})
}

fn start(worker: &Worker, headers: &[(&str, &str)]) -> Named {
    let (offer, sdp) = offer_with(&["inference", "video_upload"], |_| {});
    let mut body = request(&sdp);
    body[ASKED] = agreement();
    let response = post_with(worker.local_addr(), PATH, headers, &body);
    assert_eq!(response.status, 200, "{}", response.body);
    let answer = Answer::parse(response.body.as_bytes()).unwrap();
    let peer = offer.accept_answer(&answer.sdp).unwrap();
    let is_open = |label: &str| peer.channel(label).is_some_and(|c| c.is_open());
    while !(is_open("inference") && is_open("video_upload")) {
        peer.events().recv_deadline(deadline()).unwrap();
    }
    Named {
        peer,
        key: answer.session.expect("the answer names the session"),
        address: worker.local_addr(),
    }
}

impl Named {
    fn ice(&self) -> IceHandle {
        self.peer.ice()
    }

    fn offer(&self) -> IceRestart {
        self.ice().restart(PATIENCE).unwrap()
    }

    fn body(&self, sdp: &str) -> Value {
        RestartRequest::new(&self.key, sdp.to_owned(), None).to_value()
    }

    fn post(&self, body: &Value) -> Response {
        post(self.address, &self.key.restart_path(), body)
    }

    /// An echo of the worker proves that data goes both ways.
    fn is_alive(&self) {
        let channel = self.peer.channel("video_upload").unwrap();
        channel.send(vec![0].into()).unwrap();
        loop {
            match self.peer.events().recv_deadline(deadline()).unwrap() {
                PeerEvent::Message { .. } => return,
                PeerEvent::Closed(reason) => panic!("closed: {reason}"),
                _ => {}
            }
        }
    }
}

#[test]
fn a_session_goes_on_over_a_new_path() {
    let worker = worker();
    let session = start(&worker, &[]);
    for round in 1..=3u64 {
        let offer = session.offer();
        let answer = session.post(&session.body(offer.sdp()));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(keys(&answer.json()), ["sdp", "type"]);
        let answer = Answer::parse(answer.body.as_bytes()).unwrap();
        offer.accept_answer(&answer.sdp).unwrap();
        session.is_alive();
        assert_eq!(session.peer.stats().ice_restarts, round);
    }
    let metrics = get(worker.local_addr(), "/metrics").body;
    assert!(metrics.contains("\nframewire_ice_restarts_total 3\n"));
    assert!(metrics.contains("\nframewire_ice_restarts_refused_total 0\n"));
    assert_eq!(worker.stats().sessions_started, 1);
}

#[test]
fn refusals_have_their_status_and_change_nothing() {
    let worker = worker();
    let session = start(&worker, &[]);
    let offer = session.offer();
    let good = session.body(offer.sdp());
    let changed = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        session.post(&body)
    };
    for secret in [json!("AAAAAAAAAAAAAAAAAAAAAA"), json!(""), json!(null)] {
        assert_eq!(changed("secret", secret).status, 403);
    }
    let refused = changed("secret", json!(7));
    assert_eq!(
        (refused.status, keys(&refused.json())),
        (400, vec!["message"])
    );
    for offer in [
        json!(null),
        json!({"type": "answer", "sdp": "v=0"}),
        json!({"type": "offer", "sdp": "v=0"}),
        json!({"type": "offer", "sdp": offer.sdp().replace("sha-256 ", "sha-256 00:")}),
        json!({"type": "offer", "sdp": " ".repeat(200_000)}),
    ] {
        let refused = changed("webrtc_offer", offer);
        assert_eq!(
            (refused.status, keys(&refused.json())),
            (400, vec!["message"])
        );
    }
    let elsewhere = "/webrtc/session/0a1b2c3d-4e5f-4678-9abc-def012345678/ice";
    let unknown = post(session.address, elsewhere, &good);
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["error_type"], "SessionNotFound");
    assert_eq!(
        get(session.address, &session.key.restart_path()).status,
        405
    );
    session.is_alive();
    assert_eq!(
        session.post(&good).status,
        200,
        "and the sound one is taken"
    );
    assert_eq!(session.post(&good).status, 400, "once");
}

#[test]
fn a_session_that_ended_is_no_longer_known() {
    let worker = worker();
    let session = start(&worker, &[]);
    let body = session.body(session.offer().sdp());
    session.peer.close(std::time::Duration::ZERO);
    assert!(worker.wait_idle(PATIENCE));
    assert_eq!(session.post(&body).status, 404);
}

#[test]
fn a_session_that_is_not_connected_has_no_path_to_change_yet() {
    let worker = worker();
    let (_offer, sdp) = offer_with(&["inference", "video_upload"], |_| {});
    let mut body = request(&sdp);
    body[ASKED] = agreement();
    let answer = post(worker.local_addr(), PATH, &body);
    let answer = Answer::parse(answer.body.as_bytes()).unwrap();
    let key = answer.session.expect("the answer names the session");
    let other = sdp.replace("a=ice-ufrag:", "a=ice-ufrag:new");
    let body = RestartRequest::new(&key, other, None).to_value();
    let refused = post(worker.local_addr(), &key.restart_path(), &body);
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(keys(&refused.json()), ["message"]);
}

#[test]
fn a_worker_with_keys_asks_for_one_here_too() {
    let worker = worker_with(|config| config.api_keys = vec!["k".into()]);
    let header = [("Authorization", "Bearer k")];
    let session = start(&worker, &header);
    let offer = session.offer();
    let without = session.body(offer.sdp());
    assert_eq!(session.post(&without).status, 401);
    let wrong = RestartRequest::new(&session.key, offer.sdp().into(), Some(Secret::new("x")));
    assert_eq!(session.post(&wrong.to_value()).status, 401);
    let right = RestartRequest::new(&session.key, offer.sdp().into(), Some(Secret::new("k")));
    assert_eq!(session.post(&right.to_value()).status, 200);
}

#[test]
fn an_original_is_told_no_name_and_no_secret() {
    let worker = worker();
    let (_offer, sdp) = offer_with(&["inference", "video_upload"], |_| {});
    let original = post(worker.local_addr(), PATH, &request(&sdp)).json();
    assert!(original.get(ASKED).is_none());
    let (_offer, sdp) = offer_with(&["inference", "video_upload"], |_| {});
    let mut body = request(&sdp);
    body[ASKED] = json!({"v": 1, "features": ["ledger"]});
    let other = post(worker.local_addr(), PATH, &body).json();
    assert_eq!(keys(&other[ASKED]), ["v", "features"]);
}

#[test]
fn only_one_restart_of_a_session_is_prepared_at_a_time() {
    let worker = worker();
    let session = start(&worker, &[]);
    let first = session.offer();
    let second = session.ice().restart(PATIENCE);
    assert!(
        matches!(second, Err(framewire_transport::RestartError::Busy)),
        "{second:?}"
    );
    drop(first);
    session.offer();
    session.is_alive();
}
