//! The state cookie: what the answering side knows of a handshake, signed and kept by the peer until it comes back.
//! It is no secret: the peer may read it, but only its maker can write one.

use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::serial::Tsn;
use crate::time::Time;

/// How long a cookie is good for.
pub(crate) const LIFE: Duration = Duration::from_secs(60);

const BODY: usize = 39;
const SIGNATURE: usize = 32;
/// Bytes of a cookie.
pub(crate) const SIZE: usize = BODY + SIGNATURE;

/// What a cookie holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cookie {
    /// When it was made.
    pub(crate) made: Time,
    /// The tag the peer has to use.
    pub(crate) local_tag: u32,
    /// The first TSN of its maker.
    pub(crate) local_tsn: Tsn,
    /// What the peer said of itself.
    pub(crate) peer: PeerInfo,
    /// The tags of the association that existed when it was made: its maker's and the peer's; zeros if there was none.
    pub(crate) tie_tags: (u32, u32),
}

/// What a peer says of itself, as far as it matters later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerInfo {
    /// The tag this side has to use.
    pub(crate) tag: u32,
    /// The peer's first TSN.
    pub(crate) initial_tsn: Tsn,
    /// The peer's receive window at the beginning.
    pub(crate) window: u32,
    /// Streams the peer is ready to receive.
    pub(crate) inbound: u16,
    /// The peer understands FORWARD-TSN.
    pub(crate) forward_tsn: bool,
    /// The peer understands RE-CONFIG.
    pub(crate) reconfig: bool,
}

/// Signs cookies and checks them.
pub(crate) struct Key([u8; 32]);

/// Keeps the key out of every log.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.0).expect("HMAC takes keys of any length")
    }

    /// The bytes of a cookie.
    pub(crate) fn seal(&self, cookie: &Cookie) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let peer = &cookie.peer;
        let flags = u8::from(peer.forward_tsn) | u8::from(peer.reconfig) << 1;
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&cookie.made.0.to_be_bytes());
        put(&cookie.local_tag.to_be_bytes());
        put(&cookie.local_tsn.0.to_be_bytes());
        put(&peer.tag.to_be_bytes());
        put(&peer.initial_tsn.0.to_be_bytes());
        put(&peer.window.to_be_bytes());
        put(&peer.inbound.to_be_bytes());
        put(&[flags]);
        put(&cookie.tie_tags.0.to_be_bytes());
        put(&cookie.tie_tags.1.to_be_bytes());
        let mut mac = self.mac();
        mac.update(&bytes[..BODY]);
        bytes[BODY..].copy_from_slice(&mac.finalize().into_bytes());
        bytes
    }

    /// The cookie, if this key signed it. Its age is for the caller to judge.
    pub(crate) fn open(&self, bytes: &[u8]) -> Option<Cookie> {
        let body: &[u8; BODY] = bytes.get(..BODY)?.try_into().ok()?;
        let mut mac = self.mac();
        mac.update(body);
        mac.verify_slice(bytes.get(BODY..)?).ok()?;
        let number =
            |at: usize| u32::from_be_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
        Some(Cookie {
            made: Time(u64::from(number(0)) << 32 | u64::from(number(4))),
            local_tag: number(8),
            local_tsn: Tsn(number(12)),
            peer: PeerInfo {
                tag: number(16),
                initial_tsn: Tsn(number(20)),
                window: number(24),
                inbound: u16::from_be_bytes([body[28], body[29]]),
                forward_tsn: body[30] & 1 != 0,
                reconfig: body[30] & 2 != 0,
            },
            tie_tags: (number(31), number(35)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie() -> Cookie {
        Cookie {
            made: Time(0x0102_0304_0506_0708),
            local_tag: 1,
            local_tsn: Tsn(2),
            peer: PeerInfo {
                tag: 3,
                initial_tsn: Tsn(u32::MAX),
                window: 5,
                inbound: 65_535,
                forward_tsn: true,
                reconfig: false,
            },
            tie_tags: (6, 7),
        }
    }

    #[test]
    fn a_cookie_comes_back_as_it_was_made() {
        let key = Key::new([7; 32]);
        assert_eq!(key.open(&key.seal(&cookie())), Some(cookie()));
    }

    #[test]
    fn a_cookie_that_was_changed_or_cut_or_signed_by_another_is_refused() {
        let key = Key::new([7; 32]);
        let sealed = key.seal(&cookie());
        for at in 0..SIZE {
            let mut changed = sealed;
            changed[at] ^= 1;
            assert_eq!(key.open(&changed), None, "byte {at}");
            assert_eq!(key.open(&sealed[..at]), None, "length {at}");
        }
        assert_eq!(Key::new([8; 32]).open(&sealed), None);
    }
}
