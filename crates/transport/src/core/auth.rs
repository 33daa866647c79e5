//! Whether a STUN message really is from the peer: its integrity under the passwords of the session.
//! The engine checks again what it acts on; this check decides about routing and liveness.

use stun_proto::types::attribute::Username;
use stun_proto::types::message::{
    IntegrityAlgorithm, IntegrityKey, Message, MessageClass, ShortTermCredentials,
};

/// The keys of one session.
#[derive(Debug)]
pub(crate) struct Auth {
    /// Signs the peer's requests.
    ours: IntegrityKey,
    /// Signs the peer's responses.
    theirs: IntegrityKey,
}

impl Auth {
    pub(crate) fn new(our_pwd: &str, their_pwd: &str) -> Auth {
        let key = |pwd: &str| ShortTermCredentials::new(pwd.to_owned()).make_key();
        Auth {
            ours: key(our_pwd),
            theirs: key(their_pwd),
        }
    }

    pub(crate) fn is_authentic(&self, datagram: &[u8]) -> bool {
        let Ok(message) = Message::from_bytes(datagram) else {
            return false;
        };
        let key = match message.class() {
            MessageClass::Request => &self.ours,
            MessageClass::Success | MessageClass::Error => &self.theirs,
            MessageClass::Indication => return false,
        };
        matches!(
            message.validate_integrity_with_key(key),
            Ok(IntegrityAlgorithm::Sha1 | IntegrityAlgorithm::Sha256)
        )
    }
}

/// The receiver's half of the user name of a STUN request: our ufrag.
pub(crate) fn request_ufrag(datagram: &[u8]) -> Option<String> {
    let message = Message::from_bytes(datagram).ok()?;
    if !message.has_class(MessageClass::Request) {
        return None;
    }
    let username = message.attribute::<Username>().ok()?;
    let (local, _) = username.username().split_once(':')?;
    Some(local.to_owned())
}
