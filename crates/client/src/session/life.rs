//! Starting and closing a session, and keeping count of its threads.
//! Not here: what the threads do.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use framewire_protocol::session::{FrameDrop, Input};

use crate::error::{SessionError, Step};
use crate::session::ledger::Closing;
use crate::session::shared::{Shared, Start, lock};
use crate::session::{EndKind, Ended, SessionState};
use crate::stats::DropReason;

impl Shared {
    pub(crate) fn session_state(&self) -> SessionState {
        let state = lock(&self.state);
        match (&state.start, state.closed) {
            (_, true) => SessionState::Closed,
            (Start::Not, false) => SessionState::NotStarted,
            (Start::Running | Start::Done(_), false) => SessionState::Started,
        }
    }

    /// Starts the session if it is not, and waits for the outcome. `launch` runs at most once.
    pub(crate) fn ensure_started(
        &self,
        deadline: Option<Instant>,
        launch: impl FnOnce() -> Result<(), SessionError>,
    ) -> Result<Started, SessionError> {
        let mut state = lock(&self.state);
        if state.closed {
            // Whoever comes after a failed start learns why it failed.
            return Err(match &state.start {
                Start::Done(Err(error)) => error.clone(),
                _ => SessionError::Closed,
            });
        }
        if matches!(state.start, Start::Not) {
            state.start = Start::Running;
            drop(state);
            if let Err(error) = launch() {
                self.started(Err(error));
            }
            state = lock(&self.state);
        }
        loop {
            match &state.start {
                Start::Done(Ok(())) => return Ok(Started::Yes),
                Start::Done(Err(SessionError::Closed)) => return Ok(Started::Closed),
                Start::Done(Err(error)) => return Err(error.clone()),
                _ if state.closed => return Ok(Started::Closed),
                _ => {}
            }
            let Some(guard) = self.wait(state, deadline) else {
                return Ok(Started::Timeout);
            };
            state = guard;
        }
    }

    /// Waits until the worker can take frames of this side's track.
    pub(crate) fn wait_sending(&self) -> Result<(), SessionError> {
        let mut state = lock(&self.state);
        loop {
            if self.live.has_begun() {
                return Ok(());
            }
            match &state.ended {
                Some(Err(error)) => return Err(error.clone()),
                _ if state.closed => return Err(SessionError::Closed),
                Some(Ok(_)) => return Ok(()),
                None => {}
            }
            // Ends at the latest with the time limits of connecting.
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The handshake is over; only the first report counts.
    pub(crate) fn started(&self, result: Result<(), SessionError>) {
        let mut state = lock(&self.state);
        if matches!(state.start, Start::Done(_)) {
            return;
        }
        if let Err(error) = &result {
            state.closed = true;
            state.ended.get_or_insert(Err(error.clone()));
            state.queue.end();
        }
        state.start = Start::Done(result);
        drop(state);
        self.changed.notify_all();
    }

    /// Closes; returns at once from threads of the session, else when everything is released or after the shutdown timeout.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        if !state.closed {
            state.closed = true;
            let left = state.queue.close();
            state.queued_bytes = 0;
            drop(state);
            lock(&self.ledger).close(Instant::now(), Closing::Closed);
            // The books are closed: this only settles what is owed for each frame.
            for frame in left {
                self.drop_frame(frame.ticket, FrameDrop::Closed, DropReason::Closed);
            }
            self.input(Input::Close);
            self.live.stop();
            self.pipeline.shut();
            self.changed.notify_all();
            state = lock(&self.state);
        }
        if state.threads.contains(&std::thread::current().id()) {
            return;
        }
        let deadline = Instant::now() + self.options.shutdown_timeout;
        while state.alive > 0 {
            match self.wait(state, Some(deadline)) {
                Some(guard) => state = guard,
                None => {
                    tracing::warn!(
                        "a handler or internal thread did not finish within {} s of closing; it is left behind",
                        self.options.shutdown_timeout.as_secs_f64()
                    );
                    break;
                }
            }
        }
        self.handlers.clear();
    }

    /// Spawns a thread that counts as part of the session.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        name: &str,
        body: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> std::io::Result<()> {
        let shared = self.clone();
        lock(&self.state).alive += 1;
        let spawned = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _member = Member::enter(shared.clone());
                body(&shared);
            });
        if spawned.is_err() {
            lock(&self.state).alive -= 1;
        }
        spawned.map(drop)
    }
}

/// Outcome of asking for a start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Started {
    Yes,
    Closed,
    Timeout,
}

/// A closed session ended by being closed, unless it had failed before.
pub(crate) fn closed_result(
    ended: Option<&Result<Ended, SessionError>>,
) -> Result<Ended, SessionError> {
    match ended {
        Some(Err(error)) if *error != SessionError::Closed => Err(error.clone()),
        _ => Ok(Ended {
            kind: EndKind::Closed,
            termination_reason: None,
        }),
    }
}

/// Registers the current thread as one of the session for as long as it lives.
struct Member(Arc<Shared>);

impl Member {
    fn enter(shared: Arc<Shared>) -> Self {
        lock(&shared.state)
            .threads
            .push(std::thread::current().id());
        Member(shared)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whoever waits for this thread's work would wait for ever.
            self.0.fail(SessionError::Local {
                step: Step::Streaming,
                reason: "a thread of the session failed inside; please report this".into(),
            });
        }
        let me = std::thread::current().id();
        let mut state = lock(&self.0.state);
        state.threads.retain(|thread| *thread != me);
        state.alive -= 1;
        drop(state);
        self.0.changed.notify_all();
    }
}
