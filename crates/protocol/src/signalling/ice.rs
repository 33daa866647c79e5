//! ICE server lists: the shapes users and services give them in, one shape inside.
//! It contacts no server.

use std::fmt;

use serde_json::{Value, json};
use thiserror::Error;

use crate::signalling::{IceScheme, IceUrl, Secret};

/// Servers accepted in one configuration.
pub const MAX_ICE_SERVERS: usize = 32;

/// URLs accepted for one server.
pub const MAX_ICE_URLS: usize = 16;

/// One server, reachable under several URLs.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceServer {
    /// Its URLs, at least one.
    pub urls: Vec<String>,
    /// User name, for TURN.
    pub username: Option<String>,
    /// Password, for TURN.
    pub credential: Option<Secret>,
}

impl IceServer {
    /// A server without credentials.
    pub fn new(urls: Vec<String>) -> Self {
        IceServer {
            urls,
            username: None,
            credential: None,
        }
    }

    /// Adds credentials.
    #[must_use]
    pub fn with_credentials(
        mut self,
        username: Option<String>,
        credential: Option<String>,
    ) -> Self {
        self.username = username;
        self.credential = credential.map(Secret::new);
        self
    }

    /// The entry of `webrtc_config.iceServers`: `urls` always a list, credentials possibly null.
    pub fn to_value(&self) -> Value {
        json!({
            "urls": self.urls,
            "username": self.username,
            "credential": self.credential.as_ref().map(Secret::expose),
        })
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

/// Why a value is no ICE configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IceConfigError {
    /// None of the accepted shapes.
    #[error(
        "an ICE configuration is {{\"iceServers\": [...]}}, a list of servers, or one server with \"urls\""
    )]
    Shape,
    /// A server without usable `urls`.
    #[error("ICE server {index} needs \"urls\": a text or a list of texts")]
    Urls {
        /// Position in the list.
        index: usize,
    },
    /// A server with credentials that are not texts.
    #[error("ICE server {index} has a {field} that is not a text")]
    Credential {
        /// Position in the list.
        index: usize,
        /// `username` or `credential`.
        field: &'static str,
    },
    /// Too many servers or URLs.
    #[error(
        "an ICE configuration has at most {MAX_ICE_SERVERS} servers with {MAX_ICE_URLS} URLs each"
    )]
    TooMany,
}

/// Brings any accepted shape into a list, in its order. Credentials are optional.
pub fn normalize_ice(value: &Value) -> Result<Vec<IceServer>, IceConfigError> {
    let one;
    let servers: &[Value] = match value {
        Value::Array(servers) => servers,
        Value::Object(object) => match object.get("iceServers") {
            Some(Value::Array(servers)) => servers,
            Some(_) => return Err(IceConfigError::Shape),
            None if object.contains_key("urls") => {
                one = [value.clone()];
                &one
            }
            None => return Err(IceConfigError::Shape),
        },
        _ => return Err(IceConfigError::Shape),
    };
    if servers.len() > MAX_ICE_SERVERS {
        return Err(IceConfigError::TooMany);
    }
    servers
        .iter()
        .enumerate()
        .map(|(index, server)| read_server(index, server))
        .collect()
}

fn read_server(index: usize, server: &Value) -> Result<IceServer, IceConfigError> {
    let object = server.as_object().ok_or(IceConfigError::Shape)?;
    let texts = |list: &Vec<Value>| {
        list.iter()
            .map(|url| url.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    };
    let urls = match object.get("urls") {
        Some(Value::String(url)) => Some(vec![url.clone()]),
        Some(Value::Array(list)) if list.len() > MAX_ICE_URLS => {
            return Err(IceConfigError::TooMany);
        }
        Some(Value::Array(list)) => texts(list),
        _ => None,
    };
    let urls = urls
        .filter(|urls| !urls.is_empty())
        .ok_or(IceConfigError::Urls { index })?;
    let text = |field: &'static str| match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(IceConfigError::Credential { index, field }),
    };
    Ok(IceServer::new(urls).with_credentials(text("username")?, text("credential")?))
}

/// Every URL that is a usable TURN server, in order, with the position of its server. URLs that are not are skipped.
pub fn turn_candidates(servers: &[IceServer]) -> Vec<(usize, IceUrl)> {
    let mut candidates = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let urls = server
            .urls
            .iter()
            .filter_map(|url| url.parse::<IceUrl>().ok());
        candidates.extend(
            urls.filter(|url| matches!(url.scheme(), IceScheme::Turn | IceScheme::Turns))
                .map(|u| (index, u)),
        );
    }
    candidates
}

/// Puts the chosen candidate of [`turn_candidates`] in front, as a copy of its server with that URL alone. Nothing changes
/// when it is the first already, or does not exist.
pub fn prefer_turn(servers: &[IceServer], chosen: usize) -> Vec<IceServer> {
    let mut all = servers.to_vec();
    let candidates = turn_candidates(servers);
    if let Some((index, url)) = candidates.get(chosen).filter(|_| chosen > 0)
        && let Some(server) = servers.get(*index)
    {
        let mut first = server.clone();
        first.urls = vec![url.as_str().to_owned()];
        all.insert(0, first);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_shape_gives_the_same_list() {
        let server = json!({"urls": "turn:a", "username": "u", "credential": "c"});
        let list = vec![
            IceServer::new(vec!["turn:a".into()])
                .with_credentials(Some("u".into()), Some("c".into())),
        ];
        for shape in [
            json!({"iceServers": [server]}),
            json!([server]),
            server.clone(),
        ] {
            assert_eq!(normalize_ice(&shape), Ok(list.clone()));
        }
        assert_eq!(normalize_ice(&json!({"iceServers": []})), Ok(vec![]));
        let bare = normalize_ice(&json!({"urls": ["stun:a", "stun:b"]})).unwrap();
        assert_eq!(
            bare[0].to_value(),
            json!({"urls": ["stun:a", "stun:b"], "username": null, "credential": null})
        );
        assert!(!format!("{list:?}").contains("credential: "));
    }

    #[test]
    fn other_shapes_are_refused() {
        for shape in [
            json!(1),
            json!(null),
            json!("turn:a"),
            json!({}),
            json!({"iceServers": 1}),
            json!([1]),
        ] {
            assert_eq!(normalize_ice(&shape), Err(IceConfigError::Shape), "{shape}");
        }
        for shape in [
            json!([{}]),
            json!([{"urls": 1}]),
            json!([{"urls": []}]),
            json!([{"urls": [1]}]),
        ] {
            assert_eq!(
                normalize_ice(&shape),
                Err(IceConfigError::Urls { index: 0 }),
                "{shape}"
            );
        }
        let shape = json!([{"urls": "turn:a", "username": 1}]);
        assert_eq!(
            normalize_ice(&shape),
            Err(IceConfigError::Credential {
                index: 0,
                field: "username"
            })
        );
    }

    #[test]
    fn numbers_of_servers_and_urls_are_bounded() {
        let server = json!({"urls": "stun:a"});
        assert!(normalize_ice(&json!(vec![server.clone(); MAX_ICE_SERVERS])).is_ok());
        assert_eq!(
            normalize_ice(&json!(vec![server; MAX_ICE_SERVERS + 1])),
            Err(IceConfigError::TooMany)
        );
        assert!(normalize_ice(&json!({"urls": vec!["stun:a"; MAX_ICE_URLS]})).is_ok());
        let many = json!({"urls": vec!["stun:a"; MAX_ICE_URLS + 1]});
        assert_eq!(normalize_ice(&many), Err(IceConfigError::TooMany));
    }

    #[test]
    fn the_chosen_turn_server_comes_first_and_the_rest_stays() {
        let servers = vec![
            IceServer::new(vec!["stun:s".into(), "turn:a".into()]),
            IceServer::new(vec!["turn:b?transport=tcp".into(), "nonsense".into()]),
        ];
        let candidates = turn_candidates(&servers);
        assert_eq!(
            candidates
                .iter()
                .map(|(at, url)| (*at, url.as_str()))
                .collect::<Vec<_>>(),
            [(0, "turn:a"), (1, "turn:b?transport=tcp")]
        );
        assert_eq!(prefer_turn(&servers, 0), servers);
        assert_eq!(prefer_turn(&servers, 9), servers);
        let preferred = prefer_turn(&servers, 1);
        assert_eq!(preferred[0].urls, ["turn:b?transport=tcp"]);
        assert_eq!(preferred[1..], servers);
    }
}
