//! A new network path for a running session: the key that names it, and the bodies that ask for the path.
//! Neither randomness nor comparing secrets is here: both are the worker's.

use std::fmt;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::signalling::Secret;

/// Largest body of a restart request: an offer without anything else.
pub const MAX_RESTART_BYTES: usize = 128 * 1024;
/// Bytes of randomness in a session's secret.
pub const SESSION_SECRET_BYTES: usize = 16;
/// What a UUID looks like: digits in groups of these lengths.
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// What a client needs to speak about its session later: `session` and `secret` in the `framewire` key of the answer.
/// `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey {
    id: String,
    secret: String,
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey")
            .field("id", &self.id)
            .field("secret", &"***")
            .finish()
    }
}

impl SessionKey {
    /// Names a session. `None` when `id` is no UUID in lower case.
    pub fn new(id: &str, secret: [u8; SESSION_SECRET_BYTES]) -> Option<SessionKey> {
        is_uuid(id).then(|| SessionKey {
            id: id.to_owned(),
            secret: URL_SAFE_NO_PAD.encode_to_string(secret),
        })
    }

    /// The session, a UUID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The proof that a request is from the session's client, 22 characters of base64url: for the wire, never for logs.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Path of the restart request, below the API URL.
    pub fn restart_path(&self) -> String {
        format!("/webrtc/session/{}/ice", self.id)
    }

    /// Adds the two keys to the value of `framewire`.
    pub(super) fn write(&self, framewire: &mut Map<String, Value>) {
        framewire.insert("session".to_owned(), self.id.clone().into());
        framewire.insert("secret".to_owned(), self.secret.clone().into());
    }

    /// Reads them. `None` when one is missing or is not what it must be: then the session has no key.
    pub(super) fn read(framewire: &Value) -> Option<SessionKey> {
        let id = framewire
            .get("session")?
            .as_str()
            .filter(|id| is_uuid(id))?;
        let secret = framewire.get("secret")?.as_str()?;
        Some(SessionKey {
            id: id.to_owned(),
            secret: is_secret(secret).then(|| secret.to_owned())?,
        })
    }
}

/// Why a restart request is not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RestartError {
    /// Longer than any real one.
    #[error("a restart request has at most {MAX_RESTART_BYTES} bytes")]
    TooLong,
    /// Not JSON or not an object.
    #[error("a restart request is a JSON object")]
    NotAnObject,
    /// A field is missing or not text, or the offer's type is not `offer`.
    #[error("{0:?} is missing or not what it must be")]
    Field(&'static str),
}

/// Body of `POST /webrtc/session/{id}/ice`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestartRequest {
    /// The session's secret as it was sent; compare it in constant time. `None` when there was none.
    pub secret: Option<Secret>,
    /// SDP of the offer.
    pub sdp: String,
    /// The API key, for workers that ask for one, where the session's client puts it into bodies.
    pub api_key: Option<Secret>,
}

impl RestartRequest {
    /// A request with this offer.
    pub fn new(key: &SessionKey, sdp: String, api_key: Option<Secret>) -> RestartRequest {
        RestartRequest {
            secret: Some(Secret::new(key.secret())),
            sdp,
            api_key,
        }
    }

    /// The request body.
    pub fn to_value(&self) -> Value {
        let mut body = json!({
            "secret": self.secret.as_ref().map(Secret::expose),
            "webrtc_offer": {"type": "offer", "sdp": self.sdp},
        });
        if let (Some(key), Some(object)) = (&self.api_key, body.as_object_mut()) {
            object.insert("api_key".to_owned(), key.expose().into());
        }
        body
    }

    /// Reads a request body.
    pub fn parse(body: &[u8]) -> Result<RestartRequest, RestartError> {
        if body.len() > MAX_RESTART_BYTES {
            return Err(RestartError::TooLong);
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| RestartError::NotAnObject)?;
        let object = value.as_object().ok_or(RestartError::NotAnObject)?;
        let secret = |name| match object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(Secret::new(text))),
            Some(_) => Err(RestartError::Field(name)),
        };
        let offer = object.get("webrtc_offer");
        let text = |name| {
            offer
                .and_then(|offer| offer.get(name))
                .and_then(Value::as_str)
        };
        if text("type") != Some("offer") {
            return Err(RestartError::Field("webrtc_offer"));
        }
        Ok(RestartRequest {
            secret: secret("secret")?,
            sdp: text("sdp")
                .ok_or(RestartError::Field("webrtc_offer"))?
                .to_owned(),
            api_key: secret("api_key")?,
        })
    }
}

fn is_uuid(text: &str) -> bool {
    let digits = |group: &str| {
        group
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    text.split('-').map(str::len).eq(UUID_GROUPS) && text.split('-').all(digits)
}

fn is_secret(text: &str) -> bool {
    let decoded = URL_SAFE_NO_PAD.decode_to_vec(text);
    decoded.is_ok_and(|bytes| bytes.len() == SESSION_SECRET_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0a1b2c3d-4e5f-4678-9abc-def012345678";

    #[test]
    fn a_key_travels_and_never_shows_its_secret() {
        let key = SessionKey::new(ID, [255; SESSION_SECRET_BYTES]).unwrap();
        assert_eq!(key.secret(), "_____________________w");
        let mut framewire = Map::new();
        key.write(&mut framewire);
        assert_eq!(SessionKey::read(&framewire.into()), Some(key.clone()));
        assert_eq!(key.restart_path(), format!("/webrtc/session/{ID}/ice"));
        assert!(!format!("{key:?}").contains("____"));
    }

    #[test]
    fn what_is_no_key_is_none() {
        let secret = "AAAAAAAAAAAAAAAAAAAAAA";
        assert!(SessionKey::read(&json!({"session": ID, "secret": secret})).is_some());
        for (id, secret) in [
            (json!("../../x"), json!(secret)),
            (json!(ID.to_uppercase()), json!(secret)),
            (json!(ID.replace('-', "0")), json!(secret)),
            (json!(7), json!(secret)),
            (json!(ID), json!("AAAA")),
            (json!(ID), json!("AAAAAAAAAAAAAAAAAAAAA!")),
            (json!(ID), json!(null)),
        ] {
            assert_eq!(
                SessionKey::read(&json!({"session": id, "secret": secret})),
                None
            );
        }
        assert_eq!(SessionKey::new("", [0; SESSION_SECRET_BYTES]), None);
    }

    #[test]
    fn requests_round_trip_and_strange_ones_are_told_apart() {
        let key = SessionKey::new(ID, [7; SESSION_SECRET_BYTES]).unwrap();
        for api_key in [None, Some(Secret::new("k"))] {
            let request = RestartRequest::new(&key, "v=0\r\n".into(), api_key);
            let body = serde_json::to_vec(&request.to_value()).unwrap();
            assert_eq!(RestartRequest::parse(&body), Ok(request));
        }
        let error = |body: &str| RestartRequest::parse(body.as_bytes()).unwrap_err();
        assert_eq!(error("[]"), RestartError::NotAnObject);
        assert_eq!(error("{}"), RestartError::Field("webrtc_offer"));
        let offer = |rest: &str| format!("{{\"webrtc_offer\": {{\"sdp\": \"\", \"type\": {rest}");
        assert_eq!(
            error(&offer("\"answer\"}}")),
            RestartError::Field("webrtc_offer")
        );
        assert_eq!(
            error(&offer("\"offer\"}, \"secret\": 5}")),
            RestartError::Field("secret")
        );
        assert_eq!(
            error(&" ".repeat(MAX_RESTART_BYTES + 1)),
            RestartError::TooLong
        );
        let without = RestartRequest::parse(offer("\"offer\"}}").as_bytes()).unwrap();
        assert_eq!(without.secret, None, "which no worker lets through");
    }
}
