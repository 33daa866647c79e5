//! One stream to one worker: handlers, consuming, closing.
//! Not here: what happens on the session's own threads (`driver`, `upload`, `decode`, `dispatch`).

mod asked;
mod background;
mod changed;
mod coming_up;
mod connect;
mod decode;
mod delivery;
mod dispatch;
mod driver;
mod errors;
mod event;
mod file_hash;
mod file_job;
mod frames;
mod handlers;
mod in_hand;
mod intake;
mod ledger;
mod legs;
mod life;
#[cfg_attr(
    not(feature = "ffmpeg"),
    allow(dead_code, reason = "without codecs no track is ever used")
)]
mod live;
mod network;
mod no_picture;
mod observer;
mod pause;
mod pipeline;
mod queue;
mod recover;
mod restart;
mod shared;
mod stages;
mod stream;
mod tasks;
mod thread;
mod upload;
mod upload_meter;
mod upload_progress;
mod upload_words;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_protocol::message::VideoMetadata;

use crate::client::ApiKeyTransport;
use crate::error::{SessionError, Step, WaitError};
use crate::http::ApiUrl;
use crate::json::{Json, Outputs};
use crate::options::ClientOptions;
use crate::recovery::Gap;
use crate::request::Plan;
use crate::session::connect::Launch;
use crate::session::life::{Started, closed_result};
use crate::session::queue::Next;
use crate::session::shared::Shared;
use crate::source::Source;
use crate::stats::SessionStats;

pub use asked::Reconfigure;
pub use background::wait_for_background;
pub(crate) use changed::Changed;
pub(crate) use connect::{chain, names};
pub use delivery::Delivery;
pub use errors::{StreamError, StreamErrorKind};
pub use event::{FrameEvent, ResultEvent};
pub(crate) use file_hash::FileHash;
pub use frames::Frames;
pub(crate) use live::{FrameSlot, Put};
pub(crate) use network::servers;
pub use observer::Observer;
pub use stream::FrameStream;

/// Everything a session is made of before it starts.
pub(crate) struct Blueprint {
    pub(crate) api: ApiUrl,
    pub(crate) api_key: Option<String>,
    pub(crate) transport: ApiKeyTransport,
    pub(crate) options: ClientOptions,
    pub(crate) plan: Plan,
    pub(crate) source: Source,
}

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionState {
    /// Nothing was connected yet.
    NotStarted,
    /// Connecting, streaming, or ended and not yet closed.
    Started,
    /// Over; it cannot be started again.
    Closed,
}

impl SessionState {
    /// The name the original SDK uses.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionState::NotStarted => "not_started",
            SessionState::Started => "started",
            SessionState::Closed => "closed",
        }
    }
}

/// How a stream ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndKind {
    /// The worker processed everything.
    Complete,
    /// The worker stopped because its processing time was used up.
    ProcessingTimeout,
    /// The session was closed from this side.
    Closed,
}

/// The end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// How it ended.
    pub kind: EndKind,
    /// The worker's reason, when it gave one.
    pub termination_reason: Option<String>,
}

/// A stream to a worker. Made by [`Client::stream`](crate::Client::stream); connects on first use of [`run`](Self::run),
/// [`wait`](Self::wait) or [`frames`](Self::frames), and cannot be restarted.
///
/// All methods take `&self` and may be called from any thread. Data and error handlers run on a thread of the session, in
/// order, whether or not anybody consumes frames; frame handlers run inside [`run`](Self::run). A handler that panics is
/// logged and counted, and the session goes on. Dropping the session closes it.
///
/// In batch mode nothing is lost however slow handlers and consumers are: the worker is told to wait. In realtime mode the
/// newest frame wins, and what it replaces is counted in [`SessionStats`].
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
}

/// Closes a session from elsewhere: another thread, a handler, a signal handler's thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Closer {
    shared: Arc<Shared>,
}

impl Session {
    pub(crate) fn new(blueprint: Blueprint) -> Self {
        let Blueprint {
            api,
            api_key,
            transport,
            options,
            plan,
            source,
        } = blueprint;
        let slot = source.slot();
        let launch = Launch {
            api,
            api_key,
            transport,
            source,
        };
        Session {
            shared: Arc::new(Shared::new(plan, options, slot, launch)),
        }
    }

    /// Adds a frame handler. Frame handlers run inside [`run`](Self::run), in order of registration, on its thread.
    pub fn on_frame(&self, handler: impl FnMut(&FrameEvent) + Send + 'static) {
        self.shared.handlers.add_frame(handler);
    }

    /// Adds a handler for whole results, as [`ResultEvent`]s. It runs once for each result, on a thread of the session: after
    /// the error handlers and after the frame of the result was handed on, before [`on_any_data`](Self::on_any_data) and
    /// [`on_data`](Self::on_data).
    pub fn on_result(&self, handler: impl FnMut(&ResultEvent<'_>) + Send + 'static) {
        self.shared.handlers.add_result(handler);
    }

    /// Adds a handler for one output, pictures included. Called only for results that have it.
    pub fn on_data(
        &self,
        field: impl Into<String>,
        handler: impl FnMut(&Json, Option<&VideoMetadata>) + Send + 'static,
    ) {
        self.shared.handlers.add_field(field.into(), handler);
    }

    /// Sets the handler for whole results; the last one set wins. Called for every result, with `None` when it has no
    /// outputs; outputs that travel as frames are left out.
    pub fn on_any_data(
        &self,
        handler: impl FnMut(Option<&Outputs>, Option<&VideoMetadata>) + Send + 'static,
    ) {
        self.shared.handlers.set_any(handler);
    }

    /// Adds a handler for errors of single frames. Errors that end the session are returned to whoever consumes it.
    pub fn on_error(
        &self,
        handler: impl FnMut(&[String], Option<&VideoMetadata>) + Send + 'static,
    ) {
        self.shared.handlers.add_error(handler);
    }

    /// Adds a handler for stretches without a link that the session survived ([`ClientOptions::recovery`]). It runs on the
    /// thread of data and error handlers, before the first result and the first frame of the new connection.
    pub fn on_gap(&self, handler: impl FnMut(&Gap) + Send + 'static) {
        self.shared.handlers.add_gap(handler);
    }

    /// Connects, if nothing did before; blocks until offer and answer are exchanged, and with a source of this side until
    /// the worker can take frames. [`run`](Self::run), [`wait`](Self::wait) and [`frames`](Self::frames) connect
    /// themselves; this is for whoever wants to know when to begin, such as the user of a
    /// [`ManualSource`](crate::ManualSource). Does not close the session.
    ///
    /// # Errors
    /// The start failed, no connection came about, or the session was closed.
    pub fn start(&self) -> Result<(), SessionError> {
        match self.shared.ensure_started(None)? {
            Started::Yes if self.shared.plan.media.sends => self.shared.wait_sending(),
            Started::Yes => Ok(()),
            Started::Closed | Started::Timeout => Err(SessionError::Closed),
        }
    }

    /// Streams until the end, calling frame handlers on this thread; blocks, and closes the session on every way out.
    ///
    /// When the session is closed meanwhile, at most the current frame is finished and the result is
    /// [`EndKind::Closed`].
    ///
    /// # Errors
    /// The start failed, the stream ended with an error (frames received before it are delivered first), or the session
    /// was closed before the call.
    pub fn run(&self) -> Result<Ended, SessionError> {
        let _closing = CloseOnExit(&self.shared);
        if self.shared.ensure_started(None)? == Started::Closed {
            return closed_result(None);
        }
        loop {
            match self.shared.next_frame(None, true) {
                Next::Frame(event, ticket) => {
                    self.shared.handlers.call_frame(&event);
                    self.shared.tell_errors();
                    self.shared.consumed(ticket);
                }
                Next::End(result) => return result,
                Next::Timeout => {}
            }
        }
    }

    /// Streams until the end, taking frames and throwing them away; frame handlers are not called. Blocks for at most
    /// `timeout`, counted over the whole call, start included. Does not close the session.
    ///
    /// # Errors
    /// [`WaitError::Timeout`], or what [`run`](Self::run) would return.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<Ended, WaitError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let late = || WaitError::Timeout(timeout.unwrap_or_default());
        match self.shared.ensure_started(deadline)? {
            Started::Yes => {}
            Started::Closed => return Ok(closed_result(None)?),
            Started::Timeout => return Err(late()),
        }
        loop {
            // Also between frames: a stream that never pauses must not outlast the deadline.
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(late());
            }
            match self.shared.next_frame(deadline, false) {
                Next::Frame(_, ticket) => self.shared.consumed(ticket),
                Next::End(result) => return Ok(result?),
                Next::Timeout => return Err(late()),
            }
        }
    }

    /// Iterates over the frames; the session starts with the first `next`. A frame counts as handled when the next one is
    /// asked for, or when another consumer waits for one. Ends with the stream or when the session is closed; an error is the last item. Does not close the
    /// session and does not call frame handlers.
    pub fn frames(&self) -> Frames<'_> {
        Frames::new(self)
    }

    /// The original SDK's name of [`frames`](Self::frames).
    pub fn video(&self) -> Frames<'_> {
        self.frames()
    }

    /// Closes the session, also while it is starting. Returns when everything is released, at the latest after
    /// [`ClientOptions::shutdown_timeout`]; at once when called from a data, error or progress handler. Calling it again
    /// does no harm.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Another name of [`close`](Self::close).
    pub fn stop(&self) {
        self.close();
    }

    /// A handle that closes the session from elsewhere.
    pub fn closer(&self) -> Closer {
        Closer {
            shared: self.shared.clone(),
        }
    }

    /// Where the session is in its life.
    pub fn state(&self) -> SessionState {
        self.shared.session_state()
    }

    /// A handle for the figures, to be read while another thread runs the session.
    pub fn observer(&self) -> Observer {
        Observer::new(&self.shared)
    }

    /// A snapshot of the figures; cheap, at any time.
    pub fn stats(&self) -> SessionStats {
        self.shared.stats()
    }
}

impl Shared {
    /// Starts the threads of the session. Called once.
    fn launch(self: &Arc<Self>) -> Result<(), SessionError> {
        let Some(launch) = shared::lock(&self.launch).take() else {
            return Err(SessionError::Closed);
        };
        let local = |error: std::io::Error| SessionError::Local {
            step: Step::Source,
            reason: error.to_string(),
        };
        self.spawn("framewire-dispatch", dispatch::run)
            .map_err(local)?;
        self.live.open(!self.plan.realtime);
        for _ in 0..DECODERS {
            let decode = |shared: &Arc<Shared>| {
                let work = |job: decode::Job| dispatch::Item::Result(job.work(&shared.pool));
                shared.pipeline.work(work);
            };
            self.spawn("framewire-decode", decode).map_err(local)?;
        }
        self.spawn("framewire-session", move |shared| {
            thread::run(shared, launch)
        })
        .map_err(local)
    }
}

/// Threads that decode pictures. Two keep up with anything one worker sends and leave the rest to the user.
const DECODERS: usize = 2;

impl Drop for Session {
    fn drop(&mut self) {
        // One that ended with an error was told so; there is nothing left to close properly.
        if self.state() == SessionState::Started && !self.shared.has_ended() {
            tracing::warn!("a session was dropped without being closed; closing it");
        }
        self.close();
    }
}

impl Closer {
    /// Closes the session; see [`Session::close`].
    pub fn close(&self) {
        self.shared.close();
    }
}

struct CloseOnExit<'a>(&'a Shared);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
