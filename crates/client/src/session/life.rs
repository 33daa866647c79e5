//! Starting and closing a session, and keeping count of its threads.
//! Not here: what the threads do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use framewire_protocol::session::{FrameDrop, Input};

use crate::error::{SessionError, Step};
use crate::session::ledger::Closing;
use crate::session::shared::{Shared, Start, State, lock};
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

    /// Starts the session if it is not, and waits for the outcome.
    pub(crate) fn ensure_started(
        self: &Arc<Self>,
        deadline: Option<Instant>,
    ) -> Result<Started, SessionError> {
        self.begin_start()?;
        let mut state = lock(&self.state);
        loop {
            if let Some(outcome) = state.start_outcome() {
                return outcome;
            }
            let Some(guard) = self.wait(state, deadline) else {
                return Ok(Started::Timeout);
            };
            state = guard;
        }
    }

    /// Starts the session if nobody did, and does not wait; an error for a session that is over.
    pub(crate) fn begin_start(self: &Arc<Self>) -> Result<(), SessionError> {
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
            if let Err(error) = self.launch() {
                self.started(Err(error));
            }
        }
        Ok(())
    }

    /// Waits until the worker can take frames of this side's track.
    pub(crate) fn wait_sending(&self) -> Result<(), SessionError> {
        let mut state = lock(&self.state);
        loop {
            if let Some(outcome) = self.sending(&state) {
                return outcome;
            }
            // Ends at the latest with the time limits of connecting.
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether the worker can take frames by now, or never will.
    pub(super) fn sending(&self, state: &State) -> Option<Result<(), SessionError>> {
        if self.live.has_begun() {
            return Some(Ok(()));
        }
        match &state.ended {
            Some(Err(error)) => Some(Err(error.clone())),
            _ if state.closed => Some(Err(SessionError::Closed)),
            Some(Ok(_)) => Some(Ok(())),
            None => None,
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
        match self.begin_close() {
            Closes::FromWithin => return,
            Closes::Now => return self.handlers.clear(),
            Closes::Later => {}
        }
        let mut state = lock(&self.state);
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

    /// Closes without waiting; says what is left to wait for.
    pub(super) fn begin_close(&self) -> Closes {
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
            // Between two connections no machine hears of it.
            self.attention.notify_one();
            self.live.stop();
            self.pipeline.shut();
            // A session that never started lets go of its source here.
            drop(lock(&self.launch).take());
            self.changed.notify_all();
            state = lock(&self.state);
        }
        if state.threads.contains(&std::thread::current().id()) {
            Closes::FromWithin
        } else if state.alive > 0 {
            Closes::Later
        } else {
            Closes::Now
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
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
                let span = shared.span.clone();
                let _entered = span.enter();
                let _member = Member::enter(shared.clone());
                body(&shared);
            });
        if spawned.is_err() {
            lock(&self.state).alive -= 1;
        }
        spawned.map(drop)
    }

    /// The same for a thread that ends with the current connection.
    pub(super) fn spawn_for_leg(
        self: &Arc<Self>,
        name: &str,
        body: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> std::io::Result<()> {
        lock(&self.state).leg_threads += 1;
        let member = LegThread(self.clone());
        self.spawn(name, move |shared| {
            let _member = member;
            body(shared);
        })
    }
}

impl State {
    /// What became of a start that was begun; none while it is under way.
    pub(super) fn start_outcome(&self) -> Option<Result<Started, SessionError>> {
        match &self.start {
            Start::Done(Ok(())) => Some(Ok(Started::Yes)),
            Start::Done(Err(SessionError::Closed)) => Some(Ok(Started::Closed)),
            Start::Done(Err(error)) => Some(Err(error.clone())),
            _ if self.closed => Some(Ok(Started::Closed)),
            _ => None,
        }
    }
}

/// What a closing still waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closes {
    /// Nothing.
    Now,
    /// Threads of the session.
    Later,
    /// Its caller is one of those threads: waiting for itself would never end.
    FromWithin,
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

/// Counts a thread of a connection, from before it starts until it ends or could not be started.
struct LegThread(Arc<Shared>);

impl Drop for LegThread {
    fn drop(&mut self) {
        lock(&self.0.state).leg_threads -= 1;
        self.0.attention.notify_one();
    }
}

/// Registers the current thread as one of the session for as long as it lives.
struct Member(Arc<Shared>);

impl Member {
    fn enter(shared: Arc<Shared>) -> Self {
        let mut state = lock(&shared.state);
        state.threads.push(std::thread::current().id());
        state.inside += 1;
        drop(state);
        Member(shared)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whoever waits for this thread's work would wait for ever, and no other connection brings it back.
            self.0.settle(SessionError::Local {
                step: Step::Streaming,
                reason: "a thread of the session failed inside; please report this".into(),
            });
        }
        let mut state = lock(&self.0.state);
        state.inside -= 1;
        if state.closed && state.inside == 0 {
            drop(state);
            // Whoever closed from within did not wait for this. Dropping handlers runs foreign code: a panic there is theirs.
            let _ = catch_unwind(AssertUnwindSafe(|| self.0.handlers.clear()));
            state = lock(&self.0.state);
        }
        let me = std::thread::current().id();
        state.threads.retain(|thread| *thread != me);
        state.alive -= 1;
        drop(state);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, RtspSource, Session, StreamConfig, Workflow};
    use framewire_protocol::session::PeerEnd;
    use serde_json::json;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    fn session() -> Session {
        let source = RtspSource::new("rtsp://user:hunter2@camera.example/1").unwrap();
        let config = StreamConfig::new()
            .turn_server(
                json!({"urls": "turn:t.example", "username": "u", "credential": "hunter2"}),
            )
            .request_override("api_key", json!("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
        Client::new("http://127.0.0.1:9")
            .with_api_key("hunter2")
            .stream(source, Workflow::inline(json!({})), config)
            .unwrap()
    }

    #[test]
    fn no_debug_text_of_a_session_shows_a_password_or_key() {
        let session = session();
        for text in [
            format!("{session:?}"),
            format!("{:?}", session.closer()),
            format!("{:?}", session.frames()),
            format!("{:?}", session.observer()),
            format!("{:?}", session.frame_stream()),
        ] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_thread_that_fails_between_two_connections_ends_the_session() {
        let session = session();
        let shared = &session.shared;
        shared.input(Input::Start);
        shared.input(Input::PeerEnded(PeerEnd::Remote));
        let (told, over) = channel::<()>();
        shared
            .spawn("failing", move |_| {
                let _told = told;
                panic!("inside");
            })
            .unwrap();
        over.recv().unwrap_err();
        let mut state = lock(&shared.state);
        while state.alive > 0 {
            state = shared.wait(state, None).unwrap();
        }
        drop(state);
        assert!(!shared.begin_leg(), "there is no next connection");
        assert!(matches!(shared.verdict(), Err(SessionError::Local { .. })));
    }

    #[test]
    fn a_session_closed_from_within_lets_go_of_its_handlers() {
        let session = session();
        let shared = &session.shared;
        let (held, gone) = channel::<()>();
        session.on_frame(move |_| held.send(()).unwrap());
        let (go, wait) = channel::<()>();
        shared
            .spawn("closing", move |shared| {
                shared.close();
                wait.recv().unwrap_err();
            })
            .unwrap();
        drop(go);
        // The sender lives as long as the handler.
        let gone = gone.recv_timeout(Duration::from_secs(30));
        assert_eq!(gone, Err(RecvTimeoutError::Disconnected));
    }
}
