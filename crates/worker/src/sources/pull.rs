//! One source to pull: what a request asks for, checked, and opened as often as it takes.
//! Not the reading of frames, and not the decision to try again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use framewire_media::{
    FramePool, Interrupt, LiveError, LiveFrame, LiveInput, LiveOptions, MjpegKind,
};
use framewire_protocol::signalling::{self, PulledSource, WorkerRequest};
use tokio::sync::watch;
use url::Url;

use super::SourceError;
use super::address::Reach;
use super::gate::RtspGate;
use super::http_body::{HttpBody, HttpLimits, resolve};
use crate::config::WorkerConfig;
use crate::session::SourceKind;

/// What to pull. The URL may hold a password, so nothing of it is ever shown.
#[derive(Clone)]
pub(crate) struct PullSpec {
    kind: SourceKind,
    url: Url,
    reach: Reach,
    open: Duration,
    silence: Duration,
}

impl fmt::Debug for PullSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullSpec")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Ends whatever a source is blocked in, from another thread.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    interrupt: Interrupt,
    cut: Arc<watch::Sender<bool>>,
}

/// An open source.
pub(crate) struct Opened {
    input: LiveInput,
    /// Read while opening, to see that there are pictures.
    first: Option<LiveFrame>,
    /// Carries an RTSP source's connection, for as long as it is read.
    gate: Option<RtspGate>,
}

/// A source that was opened before its session was answered.
pub(crate) struct Pulled {
    pub(crate) spec: PullSpec,
    pub(crate) stop: Stop,
    pub(crate) opened: Opened,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop {
            interrupt: Interrupt::new(),
            cut: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Stop {
    pub(crate) fn fire(&self) {
        self.interrupt.interrupt();
        self.cut.send_replace(true);
    }
}

impl PullSpec {
    /// The URL of a request, if it has one; RTSP wins over MJPEG.
    pub(crate) fn of_request(
        config: &WorkerConfig,
        request: &WorkerRequest,
    ) -> Result<Option<PullSpec>, SourceError> {
        let placeholder = config.env.rtsp_placeholder.as_ref();
        let placeholder = placeholder.map(|known| signalling::RtspPlaceholder {
            name: &known.text,
            url: &known.url,
        });
        let (field, kind, text) = match request.pulled_source(placeholder) {
            Some(PulledSource::Rtsp(text)) => ("rtsp_url", SourceKind::Rtsp, text),
            Some(PulledSource::Mjpeg(text)) => ("mjpeg_url", SourceKind::Mjpeg, text),
            _ => return Ok(None),
        };
        let (schemes, reach): (&[&str], Reach) = if kind == SourceKind::Rtsp {
            let reach = Reach {
                private: !config.deny_private_sources,
                hint: " (this worker denies private sources)",
            };
            (&["rtsp", "rtsps"], reach)
        } else {
            let reach = Reach {
                private: config.env.mjpeg_allow_non_global,
                hint: " (unless the worker's WEBRTC_MJPEG_ALLOW_NON_GLOBAL_ADDRESSES is true)",
            };
            (&["http", "https"], reach)
        };
        let url = parse(text, schemes).map_err(|reason| SourceError::Url { field, reason })?;
        Ok(Some(PullSpec {
            kind,
            url,
            reach,
            open: config.limits.source_open,
            silence: config.limits.source_silence,
        }))
    }

    pub(crate) fn kind(&self) -> SourceKind {
        self.kind
    }

    /// Resolves, checks, dials what was checked, and waits for the first picture. Blocks for at most the time to open a
    /// source, or `limit` if that is less.
    pub(crate) fn open(
        &self,
        limit: Duration,
        pool: &FramePool,
        stop: &Stop,
    ) -> Result<Opened, SourceError> {
        let limit = limit.min(self.open);
        let options = LiveOptions::default()
            .with_open_timeout(limit)
            .with_read_timeout(self.silence)
            .with_picture_timeout(self.silence.max(limit));
        if self.kind == SourceKind::Rtsp {
            return self.open_rtsp(limit, &options, pool, stop);
        }
        let limits = HttpLimits {
            reach: self.reach,
            open: limit,
            silence: self.silence,
        };
        let (body, multipart) = HttpBody::open(&self.url, limits, stop.cut.subscribe())?;
        let kind = if multipart {
            MjpegKind::Multipart
        } else {
            MjpegKind::Plain
        };
        let input = LiveInput::mjpeg(Box::new(body), kind, &options, pool, &stop.interrupt);
        let mut opened = Opened {
            input,
            first: None,
            gate: None,
        };
        match opened.read()? {
            Some(frame) => opened.first = Some(frame),
            None => {
                return Err(SourceError::Stream(
                    "it ends before its first picture".into(),
                ));
            }
        }
        Ok(opened)
    }

    fn open_rtsp(
        &self,
        limit: Duration,
        options: &LiveOptions,
        pool: &FramePool,
        stop: &Stop,
    ) -> Result<Opened, SourceError> {
        let addresses = resolved(&self.url, limit, stop)?;
        self.reach.check(&addresses)?;
        let mut last = SourceError::NoAddress("the name has none".into());
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            let gate = RtspGate::open(&self.url, address, limit)?;
            match LiveInput::rtsp(gate.url(), options, pool, &stop.interrupt) {
                Ok(input) => {
                    return Ok(Opened {
                        input,
                        first: None,
                        gate: Some(gate),
                    });
                }
                Err(error) => last = gate.refusal().unwrap_or_else(|| error.into()),
            }
            if !last.is_passing() {
                break;
            }
        }
        Err(last)
    }
}

impl Opened {
    /// The next frame; `None` at the source's own end. Blocks for at most the silence a source may keep.
    pub(crate) fn read(&mut self) -> Result<Option<LiveFrame>, SourceError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match self.input.read() {
            Ok(frame) => Ok(frame),
            Err(LiveError::Interrupted) => Err(SourceError::Stopped),
            // What the gate saw is the cause of what the reader met.
            Err(error) => {
                let refusal = self.gate.as_ref().and_then(RtspGate::refusal);
                Err(refusal.unwrap_or_else(|| error.into()))
            }
        }
    }

    pub(crate) fn fps(&self) -> Option<f64> {
        self.input.info().fps.filter(|fps| *fps > 0.0)
    }
}

impl From<LiveError> for SourceError {
    /// Only what happened: the input's name holds an address nobody asked for.
    fn from(error: LiveError) -> SourceError {
        match error {
            LiveError::Interrupted => SourceError::Stopped,
            LiveError::Unauthorized { .. } => SourceError::Unauthorized,
            LiveError::Refused { reason, .. } => SourceError::Unreachable(reason),
            LiveError::TimedOut { step, after, .. } => SourceError::TimedOut { step, limit: after },
            LiveError::NoVideo { .. } => SourceError::Unusable("it has no video".into()),
            LiveError::Codec { codec, .. } => {
                SourceError::Unusable(format!("it sends {codec}, which cannot be decoded here"))
            }
            LiveError::Open { reason, .. } => {
                SourceError::Stream(format!("it cannot be read: {reason}"))
            }
            LiveError::Broken { reason, .. } => {
                SourceError::Stream(format!("it broke off: {reason}"))
            }
            other => SourceError::Unusable(other.to_string()),
        }
    }
}

/// Resolves within a limit, also when the system's resolver hangs.
fn resolved(
    url: &Url,
    limit: Duration,
    stop: &Stop,
) -> Result<Vec<std::net::SocketAddr>, SourceError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| SourceError::Unreachable(error.to_string()))?;
    let mut cut = stop.cut.subscribe();
    let found = runtime.block_on(async {
        tokio::select! {
            found = tokio::time::timeout(limit, resolve(url)) => {
                found.unwrap_or(Err(SourceError::TimedOut { step: "resolving its host", limit }))
            }
            _ = cut.wait_for(|stop| *stop) => Err(SourceError::Stopped),
        }
    });
    runtime.shutdown_background();
    found
}

fn parse(text: &str, schemes: &[&str]) -> Result<Url, String> {
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = &authority[..authority.find(['/', '?', '#']).unwrap_or(authority.len())];
    if text.len() > MAX_URL_BYTES || authority.contains('\\') {
        // Readers disagree about where the host ends when there is a backslash before it.
        return Err("is no usable URL".into());
    }
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!("must begin with {}://", schemes.join(":// or ")));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no host".into());
    }
    Ok(url)
}

/// Longest URL that is looked at.
const MAX_URL_BYTES: usize = 4096;
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_hosts_and_tricks_are_checked_and_nothing_is_repeated() {
        let rtsp = &["rtsp", "rtsps"];
        assert!(parse("RTSP://u:secret@10.0.0.1/live", rtsp).is_ok());
        assert!(parse("rtsps://camera.example:322/x?token=secret", rtsp).is_ok());
        for text in [
            "http://u:secret@h/x",
            "secret",
            "rtsp:///secret",
            "rtsp://good.example\\@u:secret@evil/x",
            "rtsp://u:secret@h:99999/",
            "file:///secret",
        ] {
            let error = parse(text, rtsp).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_url() {
        let spec = PullSpec {
            kind: SourceKind::Rtsp,
            url: Url::parse("rtsp://u:secret@h/x").unwrap(),
            reach: Reach {
                private: false,
                hint: "",
            },
            open: Duration::ZERO,
            silence: Duration::ZERO,
        };
        assert!(!format!("{spec:?}").contains("secret"));
    }
}
