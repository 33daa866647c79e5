//! The bodies of an ICE restart, byte for byte as they are written down.

use framewire_protocol::signalling::{
    Agreement, Answer, Feature, RestartRequest, Secret, SessionKey,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/ice_restart.json")).unwrap()
}

fn key() -> SessionKey {
    let secret = std::array::from_fn(|index| index as u8);
    SessionKey::new("0a1b2c3d-4e5f-4678-9abc-def012345678", secret).unwrap()
}

#[test]
fn the_answer_names_the_session_as_written_down() {
    let agreement = Agreement::new([Feature::Ledger, Feature::IceRestart]);
    let answer = Answer::new("v=0\r\n".into(), Some(agreement)).with_session(key());
    assert_eq!(
        answer.to_value().to_string(),
        golden()["answer"].to_string()
    );
    let read = Answer::parse(golden()["answer"].to_string().as_bytes()).unwrap();
    assert_eq!(read, answer);
    assert_eq!(key().restart_path(), golden()["restart_path"]);
}

#[test]
fn the_restart_is_asked_for_and_answered_as_written_down() {
    for (name, api_key) in [
        ("restart_request", None),
        ("restart_request_with_key", Some(Secret::new("k"))),
    ] {
        let request = RestartRequest::new(&key(), "v=0\r\n".into(), api_key);
        assert_eq!(request.to_value().to_string(), golden()[name].to_string());
        let read = RestartRequest::parse(golden()[name].to_string().as_bytes());
        assert_eq!(read, Ok(request));
    }
    let answer = Answer::parse(golden()["restart_answer"].to_string().as_bytes()).unwrap();
    assert_eq!(answer, Answer::new("v=0\r\n".into(), None));
}
