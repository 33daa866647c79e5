//! The session thread: carries events from the transport into the job machine and does what the machine says.
//! Not the pipeline's work: nothing here decodes, computes or waits for the client.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::chunk::{CHUNK_SIZE, split_result};
use framewire_protocol::job::{Completion, JobEnd, JobInput, JobOutput, JobWarning};
use framewire_transport::{CloseReason, DataChannel, Peer, PeerEvent};
use tokio::sync::watch;
use uuid::Uuid;

use super::compress::{self, Compression};
use super::control::{Control, number};
use super::ending::{Ending, state_of};
use super::known::Known;
use super::parts::SessionParts;
use super::pipeline::{Pipeline, Plan, Shared, Tally};
use super::probe::Probe;
use super::source::{Source, SourceKind};
use super::upload::Receiving;
use super::waits::{drained, sleep_until};
use crate::metrics::{ErrorKind, Label, SessionState};

/// What the transport has heard nothing for when it says [`PeerEvent::Stalled`].
const STALLED: Duration = Duration::from_secs(3);
/// Warnings of one session in the log; the rest is only counted.
const LOGGED_WARNINGS: u64 = 10;

/// A running session, as its own thread sees it.
pub(crate) struct Session {
    /// Before the peer, so that a session that ends is no longer found.
    known: Option<Known>,
    id: Uuid,
    peer: Peer,
    plan: Option<Plan>,
    source: Option<Source>,
    kind: SourceKind,
    /// Where it is, as the worker's gauges know.
    state: SessionState,
    started: Instant,
    receiving: Receiving,
    probe: Probe,
    flush: Duration,
    shared: Shared,
    pipeline: Option<Pipeline>,
    /// The completion message is queued on it.
    draining: Option<DataChannel>,
    warnings: u64,
    end: Option<JobEnd>,
    /// How the connection ended, if it did so first.
    closed: Option<CloseReason>,
    /// The client hung up.
    left: bool,
}

impl Session {
    /// Starts the session's thread. On failure the connection is dropped with the parts.
    pub(crate) fn spawn(parts: SessionParts) -> io::Result<()> {
        let cut = parts.place.cut_signal();
        let shared = Shared {
            control: Arc::new(Control::new(parts.job)),
            compression: Arc::new(Mutex::new(Compression::new(parts.plan.rules.compress))),
            metrics: parts.metrics,
            tally: Arc::new(Tally::default()),
            place: Arc::new(parts.place),
            // The request's: what is logged before and after the answer has the same fields.
            span: tracing::Span::current(),
        };
        let probe = Probe::new(parts.probe, parts.peer.figures(), shared.metrics.clone());
        let session = Session {
            known: parts.known,
            id: parts.id,
            peer: parts.peer,
            kind: parts.source.kind(),
            state: SessionState::Starting,
            started: Instant::now(),
            plan: Some(parts.plan),
            source: Some(parts.source),
            receiving: Receiving::new(parts.uploads, shared.clone()),
            probe,
            flush: parts.flush,
            shared,
            pipeline: None,
            draining: None,
            warnings: 0,
            end: None,
            closed: None,
            left: false,
        };
        // Tokio gives the waits of this one thread their timer; nothing else runs on it.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        thread::Builder::new()
            .name("fw-session".into())
            .spawn(move || session.run(&runtime, cut))
            .map(drop)
    }

    fn run(mut self, runtime: &tokio::runtime::Runtime, cut: watch::Receiver<bool>) {
        let span = self.shared.span.clone();
        let _entered = span.enter();
        self.begin();
        let drive = AssertUnwindSafe(|| runtime.block_on(self.drive(cut)));
        let panicked = catch_unwind(drive).is_err();
        self.shared.control.stop();
        if let Some(pipeline) = &self.pipeline {
            pipeline.halt();
        }
        self.flush_upload();
        self.shared.metrics.remove_link(self.shared.place.id());
        self.receiving.end(self.end.as_ref(), self.left);
        self.is_at(SessionState::Ending);
        self.log_end(self.started.elapsed(), panicked);
    }

    fn begin(&mut self) {
        self.is_at(SessionState::Connecting);
        let metrics = &self.shared.metrics;
        metrics.sessions_started.of(self.kind).add(1);
        let track = self.peer.video();
        tracing::info!(
            video = track
                .as_ref()
                .map(|track| format!("{:?}", track.direction())),
            codec = self
                .plan
                .as_ref()
                .and_then(|plan| plan.video.as_ref())
                .map(|out| out.codec.to_string()),
            "session started"
        );
        metrics.add_link(self.shared.place.id(), self.peer.figures(), track);
    }

    fn is_at(&mut self, state: SessionState) {
        if state == self.state {
            return;
        }
        let came_up = matches!(state, SessionState::Uploading | SessionState::Running);
        if came_up && self.state == SessionState::Connecting {
            self.shared.metrics.connected(self.started.elapsed());
        }
        self.state = state;
        self.shared.place.is_at(state, Some(self.kind));
    }

    async fn drive(&mut self, mut cut: watch::Receiver<bool>) {
        let control = self.shared.control.clone();
        let events = self.peer.events().clone();
        let mut peer_ended = false;
        let mut cut_seen = false;
        loop {
            let (deadline, phase) = loop {
                let (output, deadline, phase) = control.poll();
                match output {
                    Some(output) => self.act(output),
                    None => break (deadline, phase),
                }
            };
            if self.end.is_some() {
                return;
            }
            self.is_at(state_of(phase));
            if phase.is_ending() {
                control.stop();
                if let Some(pipeline) = &self.pipeline {
                    pipeline.halt();
                }
            }
            let draining = self.draining.clone();
            tokio::select! {
                event = events.recv(), if !peer_ended => match event {
                    Some(event) => self.event(event),
                    None => {
                        peer_ended = true;
                        control.handle(JobInput::PeerEnded);
                    }
                },
                () = control.outputs_ready() => {}
                () = drained(draining.as_ref()), if draining.is_some() => {
                    self.draining = None;
                    control.handle(JobInput::Drained);
                }
                () = self.probe.ready() => self.probe.turn(),
                () = self.receiving.replaced() => self.receiving.give_up(),
                () = sleep_until(self.receiving.due()), if self.receiving.due().is_some() => self.flush_upload(),
                () = sleep_until(deadline), if deadline.is_some() => control.handle(JobInput::Tick),
                _ = cut.wait_for(|cut| *cut), if !cut_seen => {
                    cut_seen = true;
                    control.handle(JobInput::Shutdown);
                }
            }
        }
    }

    fn event(&mut self, event: PeerEvent) {
        let control = self.shared.control.clone();
        match event {
            PeerEvent::Connected => control.handle(JobInput::Connected),
            PeerEvent::ChannelOpen(channel) => {
                let Some(channel) = self.probe.opened(channel) else {
                    return;
                };
                let label = channel.label().to_owned();
                let id = number(&channel);
                control.add_channel(channel);
                control.handle(JobInput::ChannelOpen { channel: id, label });
            }
            PeerEvent::ChannelClosed(id) if self.probe.closed(id) => {}
            PeerEvent::ChannelClosed(id) => {
                let channel = u64::from(id.0);
                self.left |= control.with_job(|job| job.results_channel() == Some(channel));
                control.remove_channel(channel);
                control.handle(JobInput::ChannelClosed { channel });
            }
            PeerEvent::Message {
                channel,
                data,
                text,
            } => {
                if self.probe.message(channel, &data, text) {
                    return;
                }
                let channel = u64::from(channel.0);
                if control.with_job(|job| job.results_channel() == Some(channel)) {
                    self.shared.metrics.control_messages.add(1);
                    self.shared.tally.control_messages.add(1);
                }
                control.handle(JobInput::Message { channel, data });
            }
            PeerEvent::BufferedAmountLow(id) => {
                // Unless the next body is on its way already: then the channel never rested.
                let channel = control.channel(u64::from(id.0));
                if channel.is_some_and(|channel| channel.buffered_amount() == 0) {
                    compress::lock(&self.shared.compression).drained(Instant::now());
                }
            }
            PeerEvent::Stalled => control.handle(JobInput::Stalled(STALLED)),
            PeerEvent::Resumed => control.handle(JobInput::Resumed),
            PeerEvent::Closed(reason) => {
                self.left |= matches!(reason, CloseReason::Remote);
                self.closed = Some(reason);
                control.handle(JobInput::PeerEnded);
            }
            _ => {}
        }
    }

    fn act(&mut self, output: JobOutput) {
        let control = self.shared.control.clone();
        if !matches!(output, JobOutput::Write(_)) {
            self.flush_upload(); // whatever is done next may need what came before it
        }
        match output {
            JobOutput::Echo { channel, data } => {
                if let Some(channel) = control.channel(channel) {
                    let _ = channel.send(data); // a ping whose answer does not fit is no loss
                }
            }
            JobOutput::SendText(text) => {
                if let Some(channel) = control.results_channel()
                    && let Err(error) = channel.send_text(text)
                {
                    // The client's own wait for it ends with an error that names the step.
                    tracing::warn!(%error, "a message about an upload was not sent");
                }
            }
            JobOutput::OpenUpload { id, plan } => {
                self.source = self.receiving.open(id, plan).map(Source::Upload);
            }
            JobOutput::VerifyUpload { sha256 } => self.receiving.verify(sha256),
            JobOutput::Write(write) => {
                if let Some(Source::Upload(file)) = &self.source
                    && !self.receiving.take(file, write)
                {
                    self.source = None;
                }
            }
            JobOutput::Start => self.start(),
            JobOutput::Warning(warning) => self.warn(&warning),
            JobOutput::Complete(completion) => self.complete(&completion),
            JobOutput::Close => self.peer.close(self.flush),
            JobOutput::Ended(end) => self.end = Some(end),
            _ => {} // the pipeline was woken by the input that changed its gate or its modes
        }
    }

    fn flush_upload(&mut self) {
        if let Some(Source::Upload(file)) = &self.source
            && !self.receiving.flush(file)
        {
            self.source = None;
        }
    }

    fn start(&mut self) {
        let (Some(plan), Some(source)) = (self.plan.take(), self.source.take()) else {
            return; // the last write failed; the machine knows
        };
        tracing::debug!("source ready");
        match Pipeline::start(plan, source, &self.shared) {
            Ok(pipeline) => self.pipeline = Some(pipeline),
            Err(error) => {
                tracing::error!(%error, "cannot start the threads of a session");
                let error = Some("the worker has no thread left for this session".to_owned());
                self.shared.control.handle(JobInput::SourceEnded { error });
            }
        }
    }

    fn complete(&mut self, completion: &Completion) {
        let Some(channel) = self.shared.control.results_channel() else {
            return self.shared.control.handle(JobInput::Drained);
        };
        let mut completion = completion.clone();
        for error in &mut completion.errors {
            tracing::warn!(error, "the client is told what went wrong");
            // Who was told the session's name in the answer adds it without our help.
            if self.known.is_none() {
                error.push_str(&format!(" (session {})", self.id));
            }
        }
        let body = completion.body(chrono::Local::now().naive_local());
        let frame = completion.header_frame();
        let sent = split_result(frame, Bytes::from(body), CHUNK_SIZE)
            .map_err(|error| error.to_string())
            .and_then(|mut chunks| {
                chunks.try_for_each(|chunk| channel.send(chunk).map_err(|error| error.to_string()))
            });
        if let Err(error) = sent {
            tracing::warn!(error, "the completion message could not be sent");
        }
        self.draining = Some(channel);
    }

    fn warn(&mut self, warning: &JobWarning) {
        if matches!(warning, JobWarning::Control(_) | JobWarning::NegativeAck) {
            self.shared.metrics.control_rejected.add(1);
            self.shared.metrics.errors.of(ErrorKind::Control).add(1);
            self.shared.tally.control_rejected.add(1);
        }
        self.warnings += 1;
        if self.warnings <= LOGGED_WARNINGS {
            tracing::warn!("{warning}");
        }
    }

    fn log_end(&self, took: Duration, panicked: bool) {
        let tally = &self.shared.tally;
        let how = Ending {
            end: self.end.as_ref(),
            closed: self.closed.as_ref(),
            panicked,
        };
        let (end, reason) = (how.text(), how.reason());
        self.shared.metrics.ended(reason, took);
        let data = self.peer.figures().stats().data;
        let track = self.peer.video().map(|track| track.stats());
        let track = track.as_ref();
        tracing::info!(
            end,
            reason = reason.as_str(),
            seconds = took.as_secs_f64(),
            frames = tally.frames.get(),
            frame_errors = tally.frame_errors.get(),
            dropped = tally.dropped.get(),
            skipped = tally.skipped.get(),
            decoded = tally.decoded.get(),
            streamed = tally.streamed.get(),
            not_streamed = tally.not_streamed.get(),
            reconnects = tally.reconnects.get(),
            track_received = track.map(|stats| stats.frames_received),
            track_lost_packets = track.map(|stats| stats.packets_lost),
            track_dropped =
                track.map(|stats| stats.dropped_incomplete + stats.dropped_late_consumer),
            track_nacks = track.map(|stats| stats.nacks_sent + stats.nacks_received),
            track_bitrate = track.map(|stats| stats.target_bitrate),
            rtt_ms = data.rtt.as_secs_f64() * 1e3,
            data_lost = data.lost,
            data_retransmitted = data.retransmitted,
            upload_bytes = tally.upload_bytes.get(),
            result_bytes = tally.result_bytes.get(),
            control_messages = tally.control_messages.get(),
            control_rejected = tally.control_rejected.get(),
            warnings = self.warnings,
            "session ended"
        );
    }
}
