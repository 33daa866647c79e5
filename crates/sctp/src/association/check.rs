//! Holds the parts of an association against each other. For tests and fuzz bodies: looks at everything.
//! Not used while packets flow.

use super::{Association, streams::MAX_BY_PEER};

impl Association {
    /// The first contradiction between the parts; panics where the receiver's own counts are wrong.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let transfer = self.transfer.as_ref()?;
        transfer.receiver.check();
        if self.streams.by_peer() > MAX_BY_PEER {
            return Some("the peer has opened too many streams".into());
        }
        transfer.sender.contradiction()
    }
}
