//! What a run came to: its status, its sentence, its summary.
//! Not here: running it.

use std::time::Duration;

use framewire::{EndKind, ErrorKind, LatencySummary, SessionError, SessionStats};
use framewire_protocol::signalling::redact;

use super::plan::Plan;
use super::source::SourceSpec;
use super::stop::Reason;
use crate::args::RunArgs;
use crate::output::summary::{Ended, Frames, Latency, Pairing, Summary, Upload, rounded};
use crate::{exit, usage};

/// What a run's figures are judged by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub(super) realtime: bool,
    pub(super) track: bool,
}

impl Facts {
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            realtime: plan.realtime,
            track: plan.track,
        }
    }
}

/// How the run is judged: summary word, exit status, error text.
pub(super) struct Verdict {
    pub(super) ended: Ended,
    pub(super) status: u8,
    pub(super) error: Option<String>,
}

impl Verdict {
    pub(super) fn new(
        facts: Facts,
        result: Result<framewire::Ended, SessionError>,
        files: anyhow::Result<()>,
        reason: Option<Reason>,
        stats: &SessionStats,
    ) -> Self {
        let ended = |ended, status| Self {
            ended,
            status,
            error: None,
        };
        let failed = |status, error: String| Self {
            ended: Ended::Error,
            status,
            error: Some(error),
        };
        // A session that was told to stop may report it as a closed session; who asked decides.
        let mut verdict = match (reason, result) {
            (Some(Reason::Interrupted), _) => ended(Ended::Interrupted, exit::INTERRUPTED),
            (Some(Reason::Terminated), _) => ended(Ended::Interrupted, exit::TERMINATED),
            (Some(Reason::Timeout), _) => ended(Ended::Timeout, exit::OK),
            (Some(Reason::Enough | Reason::PipeClosed), _) => ended(Ended::Closed, exit::OK),
            (Some(Reason::OutputFailed) | None, Err(error)) => {
                let status = match error.kind() {
                    ErrorKind::Input => exit::UNUSABLE_INPUT,
                    ErrorKind::Connect => exit::NOT_CONNECTED,
                    _ => exit::STREAM_FAILED,
                };
                failed(status, format!("{:#}", anyhow::Error::new(error)))
            }
            (Some(Reason::OutputFailed), Ok(_)) => ended(Ended::Error, exit::STREAM_FAILED),
            (None, Ok(end)) => match end.kind {
                EndKind::ProcessingTimeout => ended(Ended::ProcessingTimeout, exit::STREAM_FAILED),
                EndKind::Closed => ended(Ended::Closed, exit::OK),
                _ if !facts.realtime && !facts.track && lost(stats) > 0 => failed(
                    exit::STREAM_FAILED,
                    format!(
                        "{} of {} frames were lost",
                        lost(stats),
                        stats.frames.produced
                    ),
                ),
                _ => ended(Ended::Complete, exit::OK),
            },
        };
        if let Err(error) = files {
            let text = format!("{error:#}");
            if verdict.status == exit::OK {
                verdict.status = exit::STREAM_FAILED;
            }
            verdict.ended = if verdict.ended == Ended::Complete {
                Ended::Error
            } else {
                verdict.ended
            };
            verdict.error.get_or_insert(text);
        }
        verdict
    }

    pub(super) fn sentence(&self, stats: &SessionStats) -> String {
        let figures = format!(
            "{} of {} frames delivered",
            stats.frames.delivered, stats.frames.produced
        );
        match (&self.error, self.ended) {
            (Some(error), _) if stats.frames.produced == 0 => error.clone(),
            (Some(error), _) => format!("{error} ({figures})"),
            (None, Ended::Complete) => format!("complete: {figures}"),
            (None, Ended::Closed) => format!("ended early as asked: {figures}"),
            (None, Ended::Timeout) => format!("the time given with --timeout is over: {figures}"),
            (None, Ended::ProcessingTimeout) => {
                format!("the worker's processing time is used up: {figures}")
            }
            (None, Ended::Interrupted) => format!("interrupted: {figures}"),
            (None, Ended::Error) => format!("an output failed: {figures}"),
        }
    }
}

/// Frames of a complete batch run that were produced and did not reach us.
fn lost(stats: &SessionStats) -> u64 {
    stats.frames.dropped.values().sum()
}

pub(super) fn summary(
    args: &RunArgs,
    facts: Facts,
    ended: Ended,
    error: Option<String>,
    stats: &SessionStats,
) -> Summary {
    let ms = |duration: Duration| rounded(duration.as_secs_f64() * 1e3);
    let begun = stats.upload.bytes + stats.upload.resumed_bytes > 0;
    let upload = begun.then(|| Upload {
        bytes: stats.upload.bytes,
        resumed_bytes: stats.upload.resumed_bytes,
        seconds: rounded(stats.upload.elapsed.as_secs_f64()),
        mb_per_s: rounded(stats.upload.rate().unwrap_or(0.0) / 1e6),
    });
    let shown = |l: LatencySummary| Latency {
        p50: ms(l.p50),
        p95: ms(l.p95),
        p99: ms(l.p99),
        n: l.n,
    };
    Summary {
        ended,
        error,
        source: SourceSpec::shown(&args.source),
        api_url: args
            .api_url
            .as_deref()
            .map_or_else(|| "embedded".to_owned(), redact),
        frames: Frames {
            produced: stats.frames.produced,
            delivered: stats.frames.delivered,
            dropped: stats
                .frames
                .dropped
                .iter()
                .map(|(reason, count)| (reason.as_str().to_owned(), *count))
                .collect(),
        },
        results: stats.results,
        errors: stats.errors,
        fps: stats.fps.map(rounded),
        seconds: rounded(stats.elapsed.as_secs_f64()),
        connect_ms: stats.connect.map(ms),
        first_frame_ms: stats.first_frame.map(ms),
        latency_ms: stats.latency.filter(|_| facts.realtime).map(shown),
        stages_ms: stats
            .stages
            .iter()
            .map(|(stage, latency)| (stage.as_str(), shown(*latency)))
            .collect(),
        pairing: facts.track.then_some(Pairing {
            exact: stats.pairing.exact,
            nearest: stats.pairing.nearest,
            unpaired: stats.pairing.unpaired,
        }),
        upload,
        reconnects: (stats.reconnects > 0).then_some(stats.reconnects),
        cpu_seconds: rounded(usage::cpu_seconds()),
        max_rss_mb: rounded(usage::max_rss_mb()),
    }
}
