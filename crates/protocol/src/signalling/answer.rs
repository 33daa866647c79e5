//! The answer of a worker to a signalling request.
//! The SDP in it stays text.

use serde_json::{Value, json};
use thiserror::Error;

use crate::signalling::{Agreement, SessionKey};

/// Why a 200 body is not an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not JSON or not an object.
    #[error("the worker's answer is not a JSON object")]
    NotAnObject,
    /// `sdp` or `type` is missing or not text.
    #[error("the worker's answer has no text {0:?}; is this URL a framewire or inference worker?")]
    Missing(&'static str),
    /// `type` is not `answer`.
    #[error("the worker's answer has the type {0:?} instead of \"answer\"")]
    WrongType(String),
}

/// A worker's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The answer's SDP.
    pub sdp: String,
    /// Present when the worker is one of ours.
    pub framewire: Option<Agreement>,
    /// Names the session, when the worker is one of ours and lets it be spoken about.
    pub session: Option<SessionKey>,
}

impl Answer {
    /// An answer with this SDP.
    pub fn new(sdp: String, framewire: Option<Agreement>) -> Self {
        Answer {
            sdp,
            framewire,
            session: None,
        }
    }

    /// Names the session. Without an agreement nothing of it is sent.
    #[must_use]
    pub fn with_session(mut self, key: SessionKey) -> Self {
        self.session = Some(key);
        self
    }

    /// The response body.
    pub fn to_value(&self) -> Value {
        let mut body = json!({
            "status": "success",
            "context": {"request_id": null, "pipeline_id": null},
            "sdp": self.sdp,
            "type": "answer",
        });
        if let (Some(agreement), Some(object)) = (&self.framewire, body.as_object_mut()) {
            let mut framewire = agreement.to_value();
            if let (Some(key), Some(framewire)) = (&self.session, framewire.as_object_mut()) {
                key.write(framewire);
            }
            object.insert("framewire".to_owned(), framewire);
        }
        body
    }

    /// Reads a response body; only `sdp` and `type` are needed.
    pub fn parse(body: &[u8]) -> Result<Answer, AnswerError> {
        let value: Value = serde_json::from_slice(body).map_err(|_| AnswerError::NotAnObject)?;
        let object = value.as_object().ok_or(AnswerError::NotAnObject)?;
        let text = |name| {
            object
                .get(name)
                .and_then(Value::as_str)
                .ok_or(AnswerError::Missing(name))
        };
        let (sdp, kind) = (text("sdp")?, text("type")?);
        if kind != "answer" {
            return Err(AnswerError::WrongType(kind.chars().take(40).collect()));
        }
        let key = object.get("framewire");
        let framewire = key.and_then(Agreement::from_value);
        Ok(Answer {
            sdp: sdp.to_owned(),
            session: key
                .filter(|_| framewire.is_some())
                .and_then(SessionKey::read),
            framewire,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_round_trip_with_and_without_agreement() {
        for agreement in [None, Some(Agreement::default())] {
            let answer = Answer::new("v=0\r\n".into(), agreement);
            let body = serde_json::to_vec(&answer.to_value()).unwrap();
            assert_eq!(Answer::parse(&body), Ok(answer));
        }
    }

    #[test]
    fn a_session_is_named_only_within_an_agreement() {
        let id = "0a1b2c3d-4e5f-4678-9abc-def012345678";
        let key = SessionKey::new(id, [1; 16]).unwrap();
        let named = |agreement| Answer::new("v=0".into(), agreement).with_session(key.clone());
        let parsed =
            |answer: &Answer| Answer::parse(&serde_json::to_vec(&answer.to_value()).unwrap());
        let answer = named(Some(Agreement::default()));
        assert_eq!(parsed(&answer), Ok(answer.clone()));
        assert_eq!(parsed(&named(None)).unwrap().session, None);
        let other = json!({"sdp": "", "type": "answer",
            "framewire": {"v": 2, "session": id, "secret": key.secret()}});
        let other = Answer::parse(&serde_json::to_vec(&other).unwrap()).unwrap();
        assert_eq!((other.framewire, other.session), (None, None));
    }

    #[test]
    fn other_bodies_say_what_is_missing() {
        assert_eq!(Answer::parse(b"<html>"), Err(AnswerError::NotAnObject));
        assert_eq!(
            Answer::parse(b"{\"type\": \"answer\"}"),
            Err(AnswerError::Missing("sdp"))
        );
        assert_eq!(
            Answer::parse(b"{\"sdp\": \"\", \"type\": \"offer\"}"),
            Err(AnswerError::WrongType("offer".into()))
        );
    }
}
