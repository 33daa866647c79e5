//! What the threads of one session share: life, frame queue, protocol machine, books.
//! Not here: the threads themselves. No lock is held while user code runs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use framewire_media::{FramePool, PoolLimits};
use framewire_protocol::FrameId;
use framewire_protocol::message::ack_text;
use framewire_protocol::queue::{DeliveryQueue, QueuePolicy};
use framewire_protocol::session::{self as machine, Input, Output};
use framewire_protocol::signalling::SessionKey;
use framewire_transport::{DataChannel, GatherReport};
use tokio::sync::Notify;

use crate::error::{SessionError, WorkerSession};
use crate::http::ApiUrl;
use crate::options::ClientOptions;
use crate::request::Plan;
use crate::session::Ended;
use crate::session::asked::{Asked, frame_outputs};
use crate::session::changed::Changed;
use crate::session::coming_up::EXTENSION;
use crate::session::connect::Launch;
use crate::session::decode::Job;
use crate::session::dispatch::Item;
use crate::session::errors::ErrorLog;
use crate::session::handlers::Handlers;
use crate::session::in_hand::InHand;
use crate::session::ledger::Ledger;
use crate::session::legs::Legs;
use crate::session::life::closed_result;
use crate::session::live::{FrameSlot, Live};
use crate::session::pause::Pause;
use crate::session::pipeline::{Limits, Pipeline};
use crate::session::queue::QueuedFrame;
use crate::session::upload_meter::UploadMeter;
use crate::session::verdict::verdict;
use crate::stats::SessionStats;

/// Realtime on a track: frames that may wait for a consumer that is held up for a moment. Their age is bounded besides.
const LIVE_FRAMES: usize = 4;

/// How long a worker may take to say what it has of a file: it only looks.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(15);

/// Decoded pictures kept ahead of the dispatcher, beside the frame queue: one that waits for it must not keep one of the two
/// decoders from the next.
const DECODED_AHEAD: usize = 3;

/// How far the start is.
#[derive(Debug, Clone)]
pub(super) enum Start {
    Not,
    Running,
    Done(Result<(), SessionError>),
}

/// Life and frame queue; guarded by one lock because consumers wait for both.
#[derive(Debug)]
pub(super) struct State {
    pub(super) start: Start,
    pub(super) closed: bool,
    pub(super) ended: Option<Result<Ended, SessionError>>,
    pub(super) queue: DeliveryQueue<QueuedFrame>,
    pub(super) queued_bytes: usize,
    /// Threads of this session; they must not wait for their own end.
    pub(super) threads: Vec<ThreadId>,
    /// Of them, those that still work; the last one to leave a closed session lets go of the handlers.
    pub(super) inside: usize,
    /// Spawned and not yet finished.
    pub(super) alive: usize,
    /// Threads that still hand out frames.
    pub(super) producers: usize,
    /// Threads that belong to the current connection.
    pub(super) leg_threads: usize,
    /// Gaps whose handlers have returned.
    pub(super) gaps_told: u64,
}

/// The protocol machine and what it asks the session thread to do.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) machine: machine::Session,
    agenda: VecDeque<Output>,
    /// The typed reason of the first failure.
    failure: Option<SessionError>,
    /// How the session ended, when that is not what the machine of the last connection says.
    pub(super) fate: Option<Result<Ended, SessionError>>,
    early_ack: Option<String>,
    /// When the session thread will look at the machine by itself.
    wake: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) state: Mutex<State>,
    /// Taken by the start.
    pub(super) launch: Mutex<Option<Launch>>,
    /// Wakes whoever waits for something in `state`.
    pub(super) changed: Changed,
    pub(super) in_hand: InHand,
    pub(super) control: Mutex<Control>,
    /// Wakes the session thread.
    pub(crate) attention: Notify,
    pub(super) results_channel: Mutex<Option<DataChannel>>,
    /// The session as the worker of the current connection named it.
    pub(super) worker_session: Mutex<Option<WorkerSession>>,
    /// What STUN and TURN servers gave.
    pub(super) gathering: Mutex<GatherReport>,
    pub(super) legs: Mutex<Legs>,
    pub(super) ledger: Mutex<Ledger>,
    pub(crate) pipeline: Pipeline<Job, Item>,
    pub(crate) handlers: Handlers,
    pub(crate) upload: UploadMeter,
    pub(crate) live: Live,
    pub(crate) errors: Arc<ErrorLog>,
    pub(crate) asked: Asked,
    pub(crate) pause: Pause,
    pub(crate) pool: FramePool,
    pub(crate) plan: Plan,
    pub(crate) options: ClientOptions,
    /// Where log lines belong; the worker's name of the session comes with its answer.
    pub(super) span: tracing::Span,
}

impl Shared {
    pub(crate) fn new(
        plan: Plan,
        options: ClientOptions,
        slot: Arc<FrameSlot>,
        launch: Launch,
    ) -> Self {
        let limits = machine::StepLimits::default()
            // The client's own deadlines come first and give better errors; these are the net below.
            .with(
                machine::Step::Gathering,
                options.gather_timeout.max(options.reach_timeout) * 2,
            )
            .with(machine::Step::Signalling, options.signalling_timeout * 2)
            .with(
                machine::Step::Connecting,
                options.connect_timeout * (EXTENSION + 1),
            )
            .with(
                machine::Step::Opening,
                options.connect_timeout * (EXTENSION + 1),
            )
            .with(
                machine::Step::Announcing,
                options.upload_stall_timeout.min(ANNOUNCE_TIMEOUT),
            )
            .with(machine::Step::Uploading, options.upload_stall_timeout)
            .with(machine::Step::Verifying, options.upload_stall_timeout)
            .with(machine::Step::FirstResult, options.initial_frame_timeout);
        let mut config = machine::SessionConfig::new(plan.realtime)
            .with_frame_outputs(frame_outputs(&plan, &plan.selection))
            .with_limits(limits)
            .with_lost_after(options.lost_after(false));
        if plan.uploads {
            config = config.with_upload();
        }
        if plan.media.sends {
            let drain = machine::DrainLimits::new(
                options.drain_timeout,
                options.initial_frame_timeout.max(options.drain_timeout),
            );
            config = config.with_track_source().with_drain(drain);
        }
        if plan.media.receives {
            config = config.with_track_frames();
        }
        let capacity = if plan.realtime && plan.media.receives {
            options.frame_queue.min(LIVE_FRAMES)
        } else {
            options.frame_queue
        };
        let policy = if plan.realtime {
            QueuePolicy::NewestWins
        } else {
            QueuePolicy::Lossless
        };
        let pipeline = Limits {
            items: options.result_queue,
            bytes: options.result_queue_bytes,
            ahead: DECODED_AHEAD.min(options.result_queue),
        };
        let errors = Arc::new(ErrorLog::default());
        Shared {
            // An error's level: it must be there wherever one is logged.
            span: tracing::error_span!(parent: None, "session", session = tracing::field::Empty),
            state: Mutex::new(State {
                start: Start::Not,
                closed: false,
                ended: None,
                queue: DeliveryQueue::new(capacity, policy),
                queued_bytes: 0,
                threads: Vec::new(),
                inside: 0,
                alive: 0,
                // The dispatcher.
                producers: 1,
                leg_threads: 0,
                gaps_told: 0,
            }),
            launch: Mutex::new(Some(launch)),
            changed: Changed::default(),
            in_hand: InHand::default(),
            control: Mutex::new(Control {
                machine: machine::Session::new(config),
                agenda: VecDeque::new(),
                failure: None,
                fate: None,
                early_ack: None,
                wake: None,
            }),
            attention: Notify::new(),
            results_channel: Mutex::default(),
            worker_session: Mutex::default(),
            gathering: Mutex::default(),
            legs: Mutex::new(Legs::new(&options)),
            ledger: Mutex::default(),
            pipeline: Pipeline::new(pipeline),
            handlers: Handlers::new(errors.clone()),
            upload: UploadMeter::default(),
            live: Live::new(slot),
            errors,
            asked: Asked::new(plan.selection.clone()),
            pause: Pause::default(),
            pool: FramePool::new(
                PoolLimits::default().with_max_live_bytes(options.frame_pool_bytes),
            ),
            plan,
            options,
        }
    }

    /// Tells the machine something and does, or queues, what it asks for.
    pub(crate) fn control<T>(&self, tell: impl FnOnce(&mut machine::Session) -> T) -> T {
        let mut control = lock(&self.control);
        let result = tell(&mut control.machine);
        self.follow(&mut control);
        result
    }

    pub(crate) fn input(&self, input: Input) {
        self.control(|machine| machine.handle(Instant::now(), input));
    }

    /// The source of this side has ended, well or with an error; what was sent is still waited for.
    #[cfg(feature = "ffmpeg")]
    pub(crate) fn source_ended(&self, error: Option<SessionError>) {
        let mut control = lock(&self.control);
        let text = error.as_ref().map(ToString::to_string);
        if let Some(error) = error {
            control.failure.get_or_insert(error);
        }
        let ended = Input::SourceEnded { error: text };
        control.machine.handle(Instant::now(), ended);
        self.follow(&mut control);
    }

    /// The source ended and everything that was sent has come back: no need to wait for more.
    pub(crate) fn drained(&self) {
        self.input(Input::Drained);
    }

    /// Ends the session with this error, unless it ended before.
    pub(crate) fn fail(&self, error: SessionError) {
        let mut control = lock(&self.control);
        let text = error.to_string();
        control.failure.get_or_insert(error);
        control.machine.handle(Instant::now(), Input::Failed(text));
        self.follow(&mut control);
    }

    /// The machine's next deadline; the session thread promises to be awake then.
    pub(crate) fn promise_wake(&self) -> Option<Instant> {
        let mut control = lock(&self.control);
        control.wake = control.machine.poll_timeout();
        control.wake
    }

    /// Next thing for the session thread to do.
    pub(crate) fn take_agenda(&self) -> Option<Output> {
        lock(&self.control).agenda.pop_front()
    }

    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.control).machine.end().is_some()
    }

    /// Acknowledges the first frame on arrival. An original paces only after the first acknowledgement; without this one a
    /// slow first handler would let it run away and give frames up.
    pub(crate) fn start_pacing(&self, frame: FrameId) {
        let mut control = lock(&self.control);
        if !control.machine.is_batch() || frame.0 == 0 || control.early_ack.is_some() {
            return;
        }
        let text = ack_text(frame);
        self.send_text(&text);
        control.early_ack = Some(text);
    }

    pub(crate) fn set_results_channel(&self, channel: DataChannel) {
        let _control = lock(&self.control);
        *lock(&self.results_channel) = Some(channel);
        self.tell_asked();
    }

    /// A new connection begins: a machine that knows nothing of the one before but the totals.
    pub(super) fn renew_control(&self) {
        let mut control = lock(&self.control);
        control.machine.reconnect();
        control.agenda.clear();
        control.failure = None;
        control.early_ack = None;
        control.wake = None;
        *lock(&self.results_channel) = None;
        *lock(&self.worker_session) = None;
        *lock(&self.gathering) = GatherReport::default();
    }

    /// The session is over, whatever the machine of the last connection says. Only the first reason counts.
    pub(super) fn settle(&self, error: SessionError) {
        // Whoever closed does not care what else went wrong meanwhile.
        let fate = match error {
            SessionError::Closed => closed_result(None),
            _ if self.is_closed() => closed_result(None),
            error => Err(self.in_session(error)),
        };
        let mut control = lock(&self.control);
        control.fate.get_or_insert(fate);
        control.machine.handle(Instant::now(), Input::Close);
        self.follow(&mut control);
        drop(control);
        // Between two connections the machine has nothing to say.
        self.attention.notify_one();
    }

    /// Whether no further connection is wanted: the session was closed, or its end is settled.
    pub(super) fn is_over(&self) -> bool {
        let settled = lock(&self.control).fate.is_some();
        settled || self.is_closed()
    }

    /// Remembers what the worker calls the session: its log is searched by that.
    pub(super) fn named_session(&self, key: Option<&SessionKey>, api: &ApiUrl) {
        let session = key.map(|key| WorkerSession {
            id: key.id().to_owned(),
            url: api.shown(),
        });
        if let Some(session) = &session {
            self.span.record("session", session.id.as_str());
            tracing::info!(
                session = session.id,
                url = session.url,
                "the worker took the session"
            );
        }
        *lock(&self.worker_session) = session;
    }

    fn in_session(&self, error: SessionError) -> SessionError {
        error.in_session(lock(&self.worker_session).as_ref())
    }

    fn follow(&self, control: &mut Control) {
        // Another thread may have brought a deadline closer than the one the session thread sleeps for.
        let due = control.machine.poll_timeout();
        let mut attention = due.is_some_and(|due| control.wake.is_none_or(|wake| due < wake));
        while let Some(output) = control.machine.poll() {
            match output {
                Output::SendText(text) if control.early_ack.as_ref() == Some(&text) => {}
                // Under the lock, so that acknowledgements leave in order; sending never blocks.
                Output::SendText(text) => self.send_text(&text),
                other => {
                    control.agenda.push_back(other);
                    attention = true;
                }
            }
        }
        if attention {
            self.attention.notify_one();
        }
    }

    pub(super) fn send_text(&self, text: &str) {
        if let Some(channel) = lock(&self.results_channel).as_ref()
            && let Err(error) = channel.send_text(text.to_owned())
        {
            // The connection is ending; its end is reported as an event.
            tracing::debug!("a control message was not sent: {error}");
        }
    }

    /// How the session ended, by the machine.
    pub(crate) fn verdict(&self) -> Result<Ended, SessionError> {
        let control = lock(&self.control);
        if let Some(fate) = &control.fate {
            return fate.clone();
        }
        let verdict = verdict(control.machine.end(), control.failure.as_ref());
        verdict.map_err(|error| self.in_session(error))
    }

    pub(crate) fn ledger<T>(&self, write: impl FnOnce(&mut Ledger) -> T) -> T {
        write(&mut lock(&self.ledger))
    }

    pub(crate) fn stats(&self) -> SessionStats {
        let now = Instant::now();
        let mut stats = lock(&self.ledger).snapshot(now);
        stats.handler_panics = self.handlers.panics();
        stats.stream_errors = self.errors.counts();
        stats.upload = self.upload.snapshot(now);
        self.live.fill(&mut stats, self.plan.media.sends);
        stats
    }

    /// Waits for a change of `state`; `None` when the deadline passed.
    pub(super) fn wait<'a>(
        &self,
        guard: MutexGuard<'a, State>,
        deadline: Option<Instant>,
    ) -> Option<MutexGuard<'a, State>> {
        match deadline {
            None => Some(
                self.changed
                    .wait(guard)
                    .unwrap_or_else(PoisonError::into_inner),
            ),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                Some(
                    self.changed
                        .wait_timeout(guard, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0,
                )
            }
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks runs foreign code, so a poisoned one still holds consistent data.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
