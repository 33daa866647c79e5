//! What is known of an error besides its kind: the diagnosis, and which session of which worker it was.
//! Not here: finding either out.

use crate::diagnosis::Diagnosis;

/// What is known of an error besides its kind. `Display` gives the end of the error's sentence: what to try, and the session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    diagnosis: Option<Box<Diagnosis>>,
    session: Option<Box<WorkerSession>>,
}

/// A session by the name its worker gave it; the worker's log has the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerSession {
    /// The worker's name for the session.
    pub id: String,
    /// The worker's address, without credentials.
    pub url: String,
}

impl About {
    /// Why it went wrong and what to try, where that is known.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        self.diagnosis.as_deref()
    }

    /// The session; none before the worker named one, and with originals, which name none.
    pub fn session(&self) -> Option<&WorkerSession> {
        self.session.as_deref()
    }

    pub(crate) fn set_diagnosis(&mut self, diagnosis: Diagnosis) {
        self.diagnosis = Some(Box::new(diagnosis));
    }

    pub(crate) fn set_session(&mut self, session: WorkerSession) {
        self.session.get_or_insert(Box::new(session));
    }
}

impl From<Diagnosis> for About {
    fn from(diagnosis: Diagnosis) -> Self {
        About {
            diagnosis: Some(Box::new(diagnosis)),
            session: None,
        }
    }
}

impl std::fmt::Display for WorkerSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session {} at {}", self.id, self.url)
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(diagnosis) = &self.diagnosis {
            write!(f, "; {}", diagnosis.advice)?;
        }
        if let Some(session) = &self.session {
            write!(f, " ({session})")?;
        }
        Ok(())
    }
}
