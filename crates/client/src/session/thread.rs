//! The session thread from its start to its end: one connection after the other, and nobody left waiting.
//! Not here: what happens on a connection (`driver`), and what is between two (`recover`).

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use framewire_protocol::session::{Input, Output};

use crate::error::{SessionError, Step};
use crate::session::connect::{Connected, Launch, Ready, connect, ready};
use crate::session::driver::Driver;
use crate::session::recover::recover;
use crate::session::shared::Shared;

/// Body of the session thread.
pub(crate) fn run(shared: &Arc<Shared>, launch: Launch) {
    let _net = Net(shared);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return shared.fail(SessionError::Local {
                step: Step::Source,
                reason: error.to_string(),
            });
        }
    };
    runtime.block_on(session(shared, launch));
    // Name lookups and gathering that were given up may still block for a moment.
    runtime.shutdown_background();
}

/// However the thread ends, nobody is left waiting.
struct Net<'a>(&'a Arc<Shared>);

impl Drop for Net<'_> {
    fn drop(&mut self) {
        let broken = || SessionError::Local {
            step: Step::Streaming,
            reason: "the session thread failed inside; please report this".into(),
        };
        if !self.0.has_ended() {
            self.0.fail(broken());
        }
        self.0.live.stop();
        self.0.live.inbox().end();
        self.0.started(self.0.outcome());
        self.0.pipeline.end();
    }
}

async fn session(shared: &Arc<Shared>, launch: Launch) {
    let (ready, mut connected) = match guarded(shared, first(shared, launch)).await {
        Ok(first) => first,
        Err(error) => return shared.fail(error),
    };
    shared.started(Ok(()));
    loop {
        #[cfg(feature = "ffmpeg")]
        shared.start_receiving();
        Driver::new(shared, connected).run().await;
        match recover(shared, &ready).await {
            Some(next) => connected = next,
            None => return,
        }
    }
}

async fn first(shared: &Arc<Shared>, launch: Launch) -> Result<(Ready, Connected), SessionError> {
    let ready = ready(shared, launch).await?;
    let connected = connect(shared, &ready).await?;
    Ok((ready, connected))
}

/// Runs a step of the start; closing and deadlines of the machine interrupt it.
pub(super) async fn guarded<T>(
    shared: &Arc<Shared>,
    work: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    tokio::pin!(work);
    loop {
        while let Some(output) = shared.take_agenda() {
            if output == Output::Release {
                return Err(shared.outcome().err().unwrap_or(SessionError::Closed));
            }
        }
        let wake = shared.promise_wake();
        tokio::select! {
            biased;
            result = &mut work => return result,
            () = shared.attention.notified() => {}
            () = sleep_until(wake) => shared.input(Input::Tick),
        }
    }
}

impl Shared {
    /// What the start came to, judged by the machine.
    fn outcome(&self) -> Result<(), SessionError> {
        match self.verdict() {
            Err(error) => Err(error),
            Ok(_) => Err(SessionError::Closed),
        }
    }
}

pub(in crate::session) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
