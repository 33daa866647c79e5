//! SNAP tokens: an INIT chunk that travels by signalling instead of in a packet.
//! Not the comparison of the two tokens of an association.
use bytes::Bytes;

use super::{Init, Malformed, TLV, kind, padded, u16_at};

/// Longest token that is read.
const MAX_TOKEN: usize = 2048;
/// Smallest receive window that a token may offer: one packet.
const MIN_WINDOW: u32 = 1500;

/// Why a token cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadToken {
    /// Longer than any real one.
    #[error("the token is longer than {MAX_TOKEN} bytes")]
    Long,
    /// Another chunk.
    #[error("the token is not an INIT chunk")]
    NotInit,
    /// Number of the first chunk is 0.
    #[error("the initial TSN is 0")]
    ZeroTsn,
    /// No packet fits the window.
    #[error("the receive window is below {MIN_WINDOW} bytes")]
    SmallWindow,
    /// Not an INIT that could be read.
    #[error("the token cannot be read: {0}")]
    Malformed(#[from] Malformed),
}

/// The token that says what `init` says.
pub(crate) fn token(init: &Init) -> Vec<u8> {
    let mut token = vec![kind::INIT, 0, 0, 0];
    init.write(None, &mut token);
    // Fixed fields and at most three short parameters.
    let len = (token.len() as u16).to_be_bytes();
    token[2..TLV].copy_from_slice(&len);
    token
}

/// Reads a token.
pub(crate) fn parse(token: &[u8]) -> Result<Init, BadToken> {
    if token.len() > MAX_TOKEN {
        return Err(BadToken::Long);
    }
    if token.len() < TLV {
        return Err(Malformed::Length.into());
    }
    if token[0] != kind::INIT {
        return Err(BadToken::NotInit);
    }
    let len = usize::from(u16_at(token, 2));
    if len < TLV || len > token.len() || token.len() > padded(len) {
        return Err(Malformed::Length.into());
    }
    let (init, _) = Init::parse(Bytes::copy_from_slice(&token[TLV..len]))?;
    if init.initial_tsn.0 == 0 {
        return Err(BadToken::ZeroTsn);
    }
    if init.a_rwnd < MIN_WINDOW {
        return Err(BadToken::SmallWindow);
    }
    Ok(init)
}
