//! One connection: tells the protocol machine what the network says and does what the machine asks for.
//! Not here: anything slow. Pictures are decoded and handlers called elsewhere; when they lag, this stops reading.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::job::{FRESH_LABEL, RESULTS_LABEL, UPLOAD_LABEL};
use framewire_protocol::session::{Input, Output, PeerEnd};
use framewire_transport::{ChannelId, ChannelOptions, CloseReason, DataChannel, Peer, PeerEvent};

use crate::error::{About, SessionError, Step};
use crate::http::Signalling;
use crate::session::coming_up::ComingUp;
use crate::session::connect::Connected;
use crate::session::errors::StreamErrorKind;
use crate::session::intake::Intake;
use crate::session::recover::out_of_time;
use crate::session::restart::{Outcome, Restarts};
use crate::session::shared::{Shared, lock};
use crate::session::thread::sleep_until;
use crate::session::upload::{self, Upload, UploadLink};
use crate::session::upload_words::{Hearing, hearing};
use crate::session::verdict::{PeerVerdict, peer_verdict, step_of};

/// After the worker closed the upload channel, how long its reason is waited for.
const UPLOAD_REASON_GRACE: Duration = Duration::from_secs(2);
/// What the transport reports as silence.
const STALL_SILENCE: Duration = Duration::from_secs(3);
/// Longest wait for the closing of the connection to leave.
const CLOSE_WAIT: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Driver<'a> {
    shared: &'a Arc<Shared>,
    peer: Option<Peer>,
    signalling: Signalling,
    coming_up: ComingUp,
    upload: Option<Upload>,
    intake: Intake<'a>,
    results: Option<ChannelId>,
    /// Results without order, if both ends agreed on them.
    fresh: Option<ChannelId>,
    upload_channel: Option<DataChannel>,
    /// Where the upload thread hears what the worker says about the upload; gone when nothing more will be said.
    hearing: Option<Hearing>,
    /// The worker closed the upload channel; its reason should follow.
    upload_lost: Option<Instant>,
    probe: Option<Pin<Box<dyn Future<Output = bool> + Send>>>,
    /// With a worker that gives its sessions new network paths.
    restarts: Option<Restarts>,
    last_ping: Option<Instant>,
    ended: bool,
    /// It ended in a way another connection may mend.
    recoverable: bool,
    released: bool,
    events_over: bool,
}

enum Woken {
    Event(Option<PeerEvent>),
    Probed(bool),
    Restarted(Outcome),
    Time,
    Other,
}

impl<'a> Driver<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, connected: Connected) -> Self {
        Driver {
            shared,
            peer: Some(connected.peer),
            coming_up: connected.coming_up,
            signalling: connected.signalling,
            restarts: connected.restarts,
            upload: connected.upload,
            intake: Intake::new(shared),
            results: None,
            fresh: None,
            upload_channel: None,
            hearing: None,
            upload_lost: None,
            probe: None,
            last_ping: None,
            ended: false,
            recoverable: false,
            released: false,
            events_over: false,
        }
    }

    /// Until the connection is released. What it ended with is the machine's.
    pub(super) async fn run(mut self) {
        loop {
            while let Some(output) = self.shared.take_agenda() {
                self.perform(output);
            }
            self.intake.place_pending();
            if self.ended && !self.intake.is_blocked() {
                if !self.recoverable {
                    self.shared.last_gap();
                    self.shared.pipeline.end();
                }
                self.shared.live.inbox().end();
                if self.released {
                    return;
                }
            }
            match self.wait().await {
                Woken::Event(Some(event)) => self.on_event(event),
                Woken::Event(None) => self.events_over = true,
                Woken::Probed(gone) => {
                    self.probe = None;
                    if gone {
                        self.shared.input(Input::WorkerRefused);
                    }
                }
                // It may have been another worker behind the same address that said so, while ours is only unreachable.
                // Ending at once is a gain where a new connection follows; else silence decides.
                Woken::Restarted(Outcome::SessionGone) if self.shared.may_reconnect() => {
                    self.shared.input(Input::PeerEnded(PeerEnd::Remote));
                }
                Woken::Time => self.on_time(),
                Woken::Restarted(_) | Woken::Other => {}
            }
        }
    }

    async fn wait(&mut self) -> Woken {
        let wake = [
            self.shared.promise_wake(),
            self.ping_at(),
            self.coming_up.wake().filter(|_| !self.ended),
            self.upload_lost,
            self.recovery_deadline(),
        ];
        let wake = wake.into_iter().flatten().min();
        let blocked = self.intake.is_blocked();
        let events = self
            .peer
            .as_ref()
            .map(Peer::events)
            .filter(|_| !blocked && !self.events_over);
        tokio::select! {
            biased;
            () = self.shared.attention.notified() => Woken::Other,
            event = async { match events { Some(events) => events.recv().await, None => std::future::pending().await } } => {
                Woken::Event(event)
            }
            () = self.shared.pipeline.room(), if blocked => Woken::Other,
            gone = async { match &mut self.probe { Some(probe) => probe.await, None => std::future::pending().await } } => {
                Woken::Probed(gone)
            }
            () = self.coming_up.heard() => Woken::Other,
            outcome = async { match &mut self.restarts { Some(restarts) => restarts.outcome().await, None => std::future::pending().await } } => {
                Woken::Restarted(outcome)
            }
            () = sleep_until(wake) => Woken::Time,
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::StartUpload => self.start_upload(),
            Output::ProbeWorker if self.probe.is_none() => {
                let signalling = self.signalling.clone();
                self.probe = Some(Box::pin(async move { signalling.is_gone().await }));
            }
            Output::Stalled(silence) => {
                tracing::warn!(
                    "nothing heard from the worker for {} s; waiting",
                    silence.as_secs_f64()
                );
                let text = format!("nothing heard for {} s", silence.as_secs_f64());
                self.shared.report(StreamErrorKind::Stalled, None, text);
            }
            Output::Resumed => tracing::info!("the worker is heard again"),
            Output::Ended => {
                self.ended = true;
                self.hearing = None;
                self.recoverable = self.shared.is_recoverable();
                if self.recoverable {
                    // After a completion the machine leaves the connection to whoever closes; here that is this side.
                    self.shared.input(Input::Close);
                }
            }
            Output::Release => self.release(),
            _ => {}
        }
    }

    fn start_upload(&mut self) {
        self.shared
            .ledger(|ledger| ledger.connected(Instant::now()));
        let (Some(upload), Some(channel)) = (self.upload.take(), self.upload_channel.clone())
        else {
            return;
        };
        self.shared.upload.begin(Instant::now());
        let agreed = self.shared.live.link().is_some_and(|link| link.upload);
        let (hearing, replies) = agreed.then(|| hearing(&upload)).unzip();
        self.hearing = hearing;
        let link = UploadLink { channel, replies };
        let spawned = self
            .shared
            .spawn_for_leg("framewire-upload", move |shared| {
                upload::run(shared, upload, &link)
            });
        if let Err(error) = spawned {
            self.shared.fail(SessionError::Local {
                step: Step::Uploading,
                reason: error.to_string(),
            });
        }
    }

    fn release(&mut self) {
        self.released = true;
        self.restarts = None;
        self.upload = None;
        self.hearing = None;
        if self.recoverable {
            self.shared.live.stop_leg();
        } else {
            self.shared.live.stop();
        }
        if let Some(peer) = self.peer.take() {
            peer.close(Duration::ZERO);
            if !peer.wait_closed(Instant::now() + CLOSE_WAIT) {
                tracing::debug!("the connection did not report its end in time");
            }
        }
        // An upload that waits for the end of a pause looks at its channel again.
        drop(lock(&self.shared.state));
        self.shared.changed.notify_all();
    }

    fn on_event(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Connected => self.shared.input(Input::Connected),
            PeerEvent::ChannelOpen(channel) => self.channel_open(channel),
            PeerEvent::Message {
                channel,
                data,
                text,
            } if self.results == Some(channel) => self.on_message(data, text),
            PeerEvent::Message { channel, data, .. } if self.fresh == Some(channel) => {
                self.intake.fresh(data);
            }
            PeerEvent::Stalled => {
                self.shared
                    .silent_since(Instant::now().checked_sub(STALL_SILENCE));
                self.shared.input(Input::Stalled(STALL_SILENCE));
                if let Some(restarts) = &mut self.restarts {
                    restarts.begin();
                }
            }
            PeerEvent::Resumed => {
                self.shared.silent_since(None);
                self.shared.input(Input::Resumed);
                if let Some(restarts) = &mut self.restarts {
                    restarts.stop();
                }
            }
            PeerEvent::ChannelClosed(id) if self.results == Some(id) => {
                self.shared.input(Input::PeerEnded(PeerEnd::Remote));
            }
            PeerEvent::ChannelClosed(id) if self.is_unfinished_upload(id) => {
                self.upload_lost = Some(Instant::now() + UPLOAD_REASON_GRACE);
            }
            PeerEvent::Closed(reason) => self.on_closed(&reason),
            // Echoes of keep-alive pings, and channels nobody asked for.
            _ => {}
        }
    }

    fn on_message(&mut self, data: Bytes, text: bool) {
        let about_upload = text && self.is_upload_word(&data);
        if !about_upload {
            self.intake.message(data, text);
        }
    }

    /// Whether the worker says something about the upload; the upload thread hears it.
    fn is_upload_word(&self, text: &[u8]) -> bool {
        match self.hearing.as_ref().map(|hearing| hearing.hear(text)) {
            None => false,
            Some(Ok(heard)) => heard,
            Some(Err(error)) => {
                self.shared.fail(error);
                true
            }
        }
    }

    fn is_unfinished_upload(&self, id: ChannelId) -> bool {
        let ours = self
            .upload_channel
            .as_ref()
            .is_some_and(|upload| upload.id() == id);
        ours && !self.shared.upload.snapshot(Instant::now()).complete
    }

    fn on_closed(&mut self, reason: &CloseReason) {
        self.events_over = true;
        let step = self
            .shared
            .control(|machine| machine.current_step().map_or(Step::Connecting, step_of));
        if let (Step::Connecting, Some(peer)) = (step, &self.peer)
            && *reason != CloseReason::Local
        {
            let gathering = lock(&self.shared.gathering).clone();
            let failed = self.coming_up.failed(&peer.report(), &gathering, reason);
            return self.shared.fail(failed);
        }
        match peer_verdict(reason, step) {
            PeerVerdict::Ours => {}
            PeerVerdict::Machine(end) => self.shared.input(Input::PeerEnded(end)),
            PeerVerdict::Error(error) => self.shared.fail(error),
        }
    }

    fn channel_open(&mut self, channel: DataChannel) {
        match channel.label() {
            RESULTS_LABEL if self.results.is_none() => {
                self.results = Some(channel.id());
                self.open_fresh();
                self.shared.set_results_channel(channel);
                self.shared.leg_up(Instant::now());
                self.shared.input(Input::ResultsOpen);
                if !self.shared.plan.uploads {
                    self.shared
                        .ledger(|ledger| ledger.connected(Instant::now()));
                }
                #[cfg(feature = "ffmpeg")]
                self.shared.start_sending();
            }
            UPLOAD_LABEL if self.upload_channel.is_none() => {
                self.upload_channel = Some(channel);
                self.shared.input(Input::UploadOpen);
            }
            FRESH_LABEL if self.fresh == Some(channel.id()) => {}
            label => tracing::debug!("ignoring data channel {label:?}"),
        }
    }

    /// Asks for the channel that results may be lost on. Without it they come on the ordered one.
    fn open_fresh(&mut self) {
        let link = self.shared.live.link();
        let lifetime = link.and_then(|link| link.fresh);
        let (Some(lifetime), Some(peer)) = (lifetime, &self.peer) else {
            return;
        };
        let options = ChannelOptions::default()
            .with_ordered(false)
            .with_max_lifetime(lifetime);
        match peer.open_channel(FRESH_LABEL, options) {
            // Results may come before the news that it is open.
            Ok(channel) => {
                self.fresh = Some(channel.id());
                self.intake.expect_disorder();
            }
            Err(error) => tracing::warn!("results come in order only: {error}"),
        }
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        let due = self.coming_up.wake().is_some_and(|at| at <= now);
        if let Some(peer) = self.peer.as_ref().filter(|_| due && !self.ended)
            && let Some(reason) = self.coming_up.look(now, &peer.report(), &self.signalling)
        {
            self.on_closed(&reason);
        }
        if self.upload_lost.is_some_and(|at| at <= now) {
            self.upload_lost = None;
            self.shared.fail(SessionError::Transport {
                step: Step::Uploading,
                reason: "the worker closed the upload channel".into(),
                about: About::default(),
            });
        }
        if self.ping_at().is_some_and(|at| at <= now) {
            self.last_ping = Some(now);
            self.ping();
        }
        if self.recovery_deadline().is_some_and(|at| at <= now) {
            self.shared
                .fail(out_of_time(self.shared.options.recovery.total));
        }
        self.shared.input(Input::Tick);
    }

    /// When an outage has lasted for too long; none while there is none, or once this connection has ended.
    fn recovery_deadline(&self) -> Option<Instant> {
        if self.ended {
            return None;
        }
        self.shared.recovery_deadline()
    }

    /// When the upload has stood still for so long that the worker must hear something.
    fn ping_at(&self) -> Option<Instant> {
        let idle = self.shared.upload.idle_since()?;
        let since = self.last_ping.map_or(idle, |ping| ping.max(idle));
        (!self.ended).then(|| since + self.shared.options.upload_ping_interval)
    }

    fn ping(&self) {
        // With bytes still queued the network is what stands still, and a ping would only queue behind them.
        if let Some(channel) = self
            .upload_channel
            .as_ref()
            .filter(|channel| channel.buffered_amount() == 0)
            && let Err(error) = channel.send(Bytes::from_static(&[0]))
        {
            tracing::debug!("a keep-alive ping was not sent: {error}");
        }
    }
}
