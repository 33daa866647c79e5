//! STUN/TURN configuration as users and platforms write it, brought into one shape.
//! Not here: using the servers, which is the transport's.

use serde_json::{Value, json};

use crate::error::ConfigError;

/// Servers accepted from one configuration. More would only slow gathering down.
const MAX_SERVERS: usize = 32;
/// Addresses accepted for one server.
const MAX_URLS: usize = 32;
/// The default of the original's WebRTC stack.
pub(crate) const DEFAULT_STUN: &str = "stun:stun.l.google.com:19302";

/// A configuration in use; it may hold no server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IceConfig {
    pub(crate) servers: Vec<IceServer>,
}

/// One server with its addresses.
#[derive(Clone, PartialEq)]
pub(crate) struct IceServer {
    pub(crate) urls: Vec<String>,
    pub(crate) username: Option<String>,
    pub(crate) credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

impl IceConfig {
    /// Reads what a user gave; an empty value means "not given".
    pub(crate) fn from_user(value: &Value) -> Result<Option<Self>, ConfigError> {
        let empty = match value {
            Value::Null => true,
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if empty {
            return Ok(None);
        }
        Self::parse(value)
            .map(Some)
            .map_err(|reason| ConfigError::IceServers { reason })
    }

    /// Reads any of the three shapes.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let entries: Vec<&Value> = match value {
            Value::Array(entries) => entries.iter().collect(),
            Value::Object(fields) => match fields.get("iceServers") {
                Some(Value::Array(entries)) => entries.iter().collect(),
                Some(_) => return Err("`iceServers` is not an array".into()),
                None if fields.contains_key("urls") => vec![value],
                None => return Err("it has neither `iceServers` nor `urls`".into()),
            },
            _ => return Err("it is neither an object nor an array".into()),
        };
        if entries.len() > MAX_SERVERS {
            return Err(format!("it lists more than {MAX_SERVERS} servers"));
        }
        let servers = entries.into_iter().enumerate().map(|(index, entry)| {
            server(entry).map_err(|reason| format!("server {index}: {reason}"))
        });
        Ok(IceConfig {
            servers: servers.collect::<Result<_, _>>()?,
        })
    }

    /// As the transport takes them.
    pub(crate) fn for_transport(&self) -> Vec<framewire_transport::IceServer> {
        let server = |server: &IceServer| {
            framewire_transport::IceServer::new(server.urls.clone())
                .with_credentials(server.username.clone(), server.credential.clone())
        };
        self.servers.iter().map(server).collect()
    }

    /// `webrtc_config` of the request.
    pub(crate) fn to_request(&self) -> Value {
        let servers: Vec<Value> = self
            .servers
            .iter()
            .map(|server| {
                json!({"urls": server.urls, "username": server.username, "credential": server.credential})
            })
            .collect();
        json!({ "iceServers": servers })
    }
}

fn server(entry: &Value) -> Result<IceServer, String> {
    let Value::Object(fields) = entry else {
        return Err("it is not an object".into());
    };
    let text = |key: &str| match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{key}` is not text")),
    };
    let urls: Vec<String> = match fields.get("urls") {
        Some(Value::String(url)) => vec![url.clone()],
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|item| item.as_str().map(str::to_owned));
            texts
                .collect::<Option<_>>()
                .ok_or("`urls` holds something that is not text")?
        }
        _ => return Err("`urls` is missing or not text".into()),
    };
    if urls.is_empty() || urls.len() > MAX_URLS {
        return Err(format!("`urls` must hold 1 to {MAX_URLS} addresses"));
    }
    let (username, credential) = (text("username")?, text("credential")?);
    for url in &urls {
        check_url(url)?;
        if url.to_ascii_lowercase().starts_with("turn")
            && (username.is_none() || credential.is_none())
        {
            return Err("a TURN server needs `username` and `credential`".into());
        }
    }
    Ok(IceServer {
        urls,
        username,
        credential,
    })
}

fn check_url(url: &str) -> Result<(), String> {
    let (scheme, rest) = url.split_once(':').ok_or("an address has no scheme")?;
    if !matches!(
        scheme.to_ascii_lowercase().as_str(),
        "stun" | "stuns" | "turn" | "turns"
    ) {
        return Err("an address starts with none of stun:, stuns:, turn:, turns:".into());
    }
    let host = rest.split(['?', ':']).next().unwrap_or_default();
    if host.is_empty() || rest.contains('@') {
        return Err("an address names no host, or credentials stand in it".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_shapes_become_one() {
        let server = json!({"urls": "turn:t.example:3478", "username": "u", "credential": "c"});
        let wanted = json!({"iceServers": [{"urls": ["turn:t.example:3478"], "username": "u", "credential": "c"}]});
        for shape in [
            json!({"iceServers": [server]}),
            json!([server]),
            server.clone(),
        ] {
            let config = IceConfig::from_user(&shape).unwrap().unwrap();
            assert_eq!(config.to_request(), wanted);
        }
    }

    #[test]
    fn missing_credentials_of_stun_are_sent_as_null() {
        let config = IceConfig::parse(&json!({"urls": ["stun:s.example"]})).unwrap();
        let sent = config.to_request();
        assert_eq!(sent["iceServers"][0]["username"], Value::Null);
        assert_eq!(sent["iceServers"][0]["urls"], json!(["stun:s.example"]));
    }

    #[test]
    fn nothing_given_is_nothing_and_an_empty_list_is_a_choice() {
        assert_eq!(IceConfig::from_user(&Value::Null).unwrap(), None);
        assert_eq!(IceConfig::from_user(&json!({})).unwrap(), None);
        assert!(
            IceConfig::from_user(&json!({"iceServers": []}))
                .unwrap()
                .unwrap()
                .servers
                .is_empty()
        );
    }

    #[test]
    fn other_shapes_are_refused_without_showing_credentials() {
        for bad in [
            json!(7),
            json!({"servers": []}),
            json!({"iceServers": {}}),
            json!([1]),
            json!({"urls": []}),
            json!({"urls": [1]}),
            json!({"urls": "http://h"}),
            json!({"urls": "turn:h", "username": "secret"}),
            json!({"urls": "turn:secret@h", "username": "secret", "credential": "secret"}),
            json!({"urls": "stun:"}),
            json!({"urls": "stun:h", "username": 5}),
            Value::Array(vec![json!({"urls": "stun:h"}); MAX_SERVERS + 1]),
        ] {
            let text = IceConfig::from_user(&bad).unwrap_err().to_string();
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
