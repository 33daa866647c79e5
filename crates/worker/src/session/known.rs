//! The running sessions by their names, for requests that speak about one: who may, and its connection.
//! Not the sessions: an entry goes when its session ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use framewire_protocol::signalling::{SESSION_SECRET_BYTES, Secret, SessionKey};
use framewire_transport::IceHandle;
use uuid::Uuid;

use crate::keys::same;

/// The sessions of one worker; as many as have a place.
#[derive(Debug, Default)]
pub(crate) struct KnownSessions(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    key: SessionKey,
    ice: IceHandle,
}

/// A session's entry; dropping it removes the session.
#[derive(Debug)]
pub(crate) struct Known {
    sessions: Arc<KnownSessions>,
    id: String,
}

/// Why a request may not speak about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotYours {
    /// No such session runs.
    Unknown,
    /// The secret is missing or another.
    WrongSecret,
}

impl KnownSessions {
    /// Lets a session be found by its name; the secret nobody can guess.
    pub(crate) fn add(self: &Arc<KnownSessions>, id: Uuid, ice: IceHandle) -> (Known, SessionKey) {
        let secret: [u8; SESSION_SECRET_BYTES] = rand::random();
        let id = id.hyphenated().to_string();
        let key = SessionKey::new(&id, secret).expect("a UUID in its usual form");
        let entry = Entry {
            key: key.clone(),
            ice,
        };
        self.lock().insert(id.clone(), entry);
        let sessions = self.clone();
        (Known { sessions, id }, key)
    }

    /// The connection of the session `id`, for whoever knows its secret. Comparing takes the same time whichever byte
    /// differs.
    pub(crate) fn find(&self, id: &str, secret: Option<&Secret>) -> Result<IceHandle, NotYours> {
        let known = self.lock();
        let entry = known.get(id).ok_or(NotYours::Unknown)?;
        let given = secret.map_or("", Secret::expose);
        if same(entry.key.secret().as_bytes(), given.as_bytes()) {
            Ok(entry.ice.clone())
        } else {
            Err(NotYours::WrongSecret)
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // The map is whole whatever panicked while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewire_transport::{Endpoint, EndpointConfig, PeerConfig};

    #[test]
    fn a_session_is_found_by_its_secret_alone_and_gone_with_its_entry() {
        let endpoint = Endpoint::bind(EndpointConfig::default()).unwrap();
        let offer = endpoint
            .offer(PeerConfig::default().with_channel("x"))
            .unwrap();
        let (peer, _) = endpoint.answer(offer.sdp(), PeerConfig::default()).unwrap();
        let sessions = Arc::new(KnownSessions::default());
        let (known, key) = sessions.add(Uuid::new_v4(), peer.ice());
        let (other, other_key) = sessions.add(Uuid::new_v4(), peer.ice());
        assert_ne!(key, other_key);
        let find = |id: &str, secret: &str| sessions.find(id, Some(&Secret::new(secret))).err();
        assert_eq!(find(key.id(), key.secret()), None);
        assert_eq!(
            find(key.id(), other_key.secret()),
            Some(NotYours::WrongSecret)
        );
        assert_eq!(find(key.id(), ""), Some(NotYours::WrongSecret));
        assert_eq!(
            sessions.find(key.id(), None).err(),
            Some(NotYours::WrongSecret)
        );
        assert_eq!(find("x", key.secret()), Some(NotYours::Unknown));
        assert!(!format!("{sessions:?}").contains(key.secret()));
        drop(known);
        assert_eq!(find(key.id(), key.secret()), Some(NotYours::Unknown));
        drop(other);
        assert!(sessions.lock().is_empty());
    }
}
