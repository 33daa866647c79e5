//! Which API key a request carries, and whether it opens the worker.
//! Not the key store: `keys` compares them.

use axum::http::{HeaderMap, header};
use framewire_protocol::signalling::{RequestError, Secret, effective_key};

use super::errors::ApiError;
use crate::keys::ApiKeys;

/// The key of a request: the header's, else the body's. A query parameter is never looked at; empty is none.
pub(crate) fn request_key(
    headers: &HeaderMap,
    from_headers: bool,
    body: Option<&Secret>,
) -> Option<Secret> {
    let header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    effective_key(header, body, from_headers).filter(|key| !key.expose().trim().is_empty())
}

/// Refuses a request whose key is missing or unknown; an open worker takes any.
pub(crate) fn authorize(keys: &ApiKeys, key: Option<&Secret>) -> Result<(), ApiError> {
    if keys.is_open() || key.is_some_and(|key| keys.accepts(key.expose())) {
        return Ok(());
    }
    let text = "unauthorized: send a key of this worker as `Authorization: Bearer` or as `api_key`";
    Err(RequestError::NotAuthorized(text.into()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_key_only_an_open_worker_is_reached() {
        assert_eq!(request_key(&HeaderMap::new(), true, None), None);
        let empty = Secret::new(" ");
        assert_eq!(request_key(&HeaderMap::new(), true, Some(&empty)), None);
        assert!(authorize(&ApiKeys::default(), None).is_ok());
        let keys = ApiKeys::load(None, &["k".into()]).unwrap();
        assert!(authorize(&keys, None).is_err());
        assert!(authorize(&keys, Some(&Secret::new("x"))).is_err());
        assert!(authorize(&keys, Some(&Secret::new("k"))).is_ok());
    }
}
