//! What makes an upload the same one over several connections: its name, and the hash of the file as far as it was read.
//! Not the reading.

use std::sync::{Arc, Mutex};

use framewire_protocol::upload::UploadId;
use sha2::{Digest, Sha256};

/// Clones are the same upload. Made once for a session, or by the user for several.
#[derive(Debug, Clone)]
pub(crate) struct UploadIdentity {
    pub(crate) id: UploadId,
    pub(crate) hash: Arc<Mutex<FileHash>>,
}

impl UploadIdentity {
    /// That name, or one nobody can guess.
    pub(crate) fn new(id: Option<UploadId>) -> Self {
        UploadIdentity {
            id: id.unwrap_or_else(|| UploadId::from_random(rand::random())),
            hash: Arc::default(),
        }
    }
}

/// SHA-256 of a file from its start on. It goes on where it stopped when a part is read again on another connection.
#[derive(Debug, Default)]
pub(crate) struct FileHash {
    hasher: Sha256,
    hashed: u64,
}

impl FileHash {
    /// Takes the part of `data`, which lies at `offset`, that is not in yet. What comes after a gap is not taken.
    pub(crate) fn add(&mut self, offset: u64, data: &[u8]) {
        let known = self.hashed.checked_sub(offset);
        let new = known
            .and_then(|known| usize::try_from(known).ok())
            .and_then(|known| data.get(known..));
        if let Some(new) = new {
            self.hasher.update(new);
            self.hashed += new.len() as u64;
        }
    }

    /// Bytes from the start that are in.
    pub(crate) fn hashed(&self) -> u64 {
        self.hashed
    }

    /// The hash of these bytes.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.hasher.clone().finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_read_again_count_once_and_gaps_are_left_for_later() {
        let mut hash = FileHash::default();
        hash.add(0, b"abc");
        hash.add(5, b"fg");
        assert_eq!(hash.hashed(), 3);
        hash.add(1, b"bcde");
        hash.add(0, b"ab");
        hash.add(5, b"fg");
        assert_eq!(hash.hashed(), 7);
        let whole: [u8; 32] = Sha256::digest(b"abcdefg").into();
        assert_eq!(hash.digest(), whole);
    }

    #[test]
    fn each_session_has_a_name_of_its_own_unless_it_is_given_one() {
        let given = UploadId::from_random(5);
        assert_eq!(UploadIdentity::new(Some(given)).id, given);
        assert_ne!(UploadIdentity::new(None).id, UploadIdentity::new(None).id);
    }
}
