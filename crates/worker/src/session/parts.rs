//! What a session is handed when it begins.
//! Nothing is done here.

use std::sync::Arc;
use std::time::Duration;

use framewire_protocol::job::Job;
use framewire_transport::Peer;
use uuid::Uuid;

use super::known::Known;
use super::pipeline::Plan;
use super::places::Place;
use super::source::Source;
use crate::metrics::Metrics;
use crate::upload::{UploadOwner, UploadStore};

/// Everything a session is made of.
pub(crate) struct SessionParts {
    pub(crate) place: Place,
    pub(crate) peer: Peer,
    pub(crate) job: Job,
    pub(crate) plan: Plan,
    pub(crate) source: Source,
    /// Where uploads are kept over sessions, and whose this session's are.
    pub(crate) uploads: (UploadStore, UploadOwner),
    pub(crate) metrics: Arc<Metrics>,
    /// Its name, where the client was told one.
    pub(crate) known: Option<Known>,
    /// Its name in the log.
    pub(crate) id: Uuid,
    /// Longest time the last messages get to leave.
    pub(crate) flush: Duration,
    /// Whether the client may measure the connection.
    pub(crate) probe: bool,
}
