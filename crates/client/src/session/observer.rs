//! Figures of a session for whoever watches it from elsewhere.
//! It keeps nothing alive.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::session::shared::Shared;
use crate::stats::SessionStats;

/// Reads the figures of a session from any thread. It keeps neither the session nor its connection alive; once the session
/// was dropped, it repeats what it saw last.
#[derive(Debug)]
pub struct Observer {
    shared: Weak<Shared>,
    last: Mutex<SessionStats>,
}

impl Clone for Observer {
    fn clone(&self) -> Self {
        Observer {
            shared: self.shared.clone(),
            last: Mutex::new(self.stats()),
        }
    }
}

impl Observer {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Observer {
            shared: Arc::downgrade(shared),
            last: Mutex::default(),
        }
    }

    /// A snapshot of the figures; cheap, at any time.
    pub fn stats(&self) -> SessionStats {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = self.shared.upgrade() {
            *last = shared.stats();
        }
        last.clone()
    }
}
