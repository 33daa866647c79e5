//! What an examination found: the steps with their outcome, and what it all means. `docs/doctor.md` shows it as JSON.
//! Not here: finding it.

use std::time::Duration;

use framewire_protocol::signalling::redact_url;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::judge::is_quality;
use crate::diagnosis::{Cause, CheckStep, Diagnosis};

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepStatus {
    /// It works.
    Ok,
    /// It does not, or badly; [`StepReport::diagnosis`] says why. A session may work all the same.
    Failed,
    /// Nothing can be said; [`StepReport::detail`] says why.
    Skipped,
}

impl StepStatus {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            StepStatus::Ok => "ok",
            StepStatus::Failed => "failed",
            StepStatus::Skipped => "skipped",
        }
    }
}

/// One step of an examination. Its texts hold no credentials.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// Which step.
    pub step: CheckStep,
    /// How it went.
    pub status: StepStatus,
    /// How long it took; zero of a step that was skipped.
    pub took: Duration,
    /// What was found, in one line; of a skipped step, why.
    pub detail: String,
    /// Why it failed and what to try: of each failed step.
    pub diagnosis: Option<Diagnosis>,
    /// The figures, by names of the step's own.
    pub facts: Value,
    /// The STUN or TURN server, without credentials, where the step is about one.
    pub url: Option<String>,
}

impl Serialize for StepReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", &self.step)?;
        map.serialize_entry("status", self.status.as_str())?;
        map.serialize_entry("ms", &ms(self.took))?;
        map.serialize_entry("detail", &self.detail)?;
        if let Some(diagnosis) = &self.diagnosis {
            map.serialize_entry("cause", &diagnosis.cause)?;
            map.serialize_entry("problem", &diagnosis.problem)?;
            map.serialize_entry("try", &diagnosis.advice)?;
        }
        map.serialize_entry("facts", &self.facts)?;
        if let Some(url) = &self.url {
            map.serialize_entry("url", url)?;
        }
        map.end()
    }
}

/// What answers at the worker's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum WorkerKind {
    /// A worker of framewire.
    Framewire,
    /// The original inference server.
    Original,
    /// Something that says nothing about itself, or nothing at all.
    #[default]
    Unknown,
}

impl WorkerKind {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerKind::Framewire => "framewire",
            WorkerKind::Original => "original",
            WorkerKind::Unknown => "unknown",
        }
    }
}

/// The worker as it presents itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WorkerReport {
    /// What it is.
    pub kind: WorkerKind,
    /// Its version, when it tells.
    pub version: Option<String>,
}

/// What an examination found. `serde` makes the JSON of `framewire doctor --json` from it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DoctorReport {
    /// A session would work: one was connected, and pictures came back where that was tried. Steps may have failed that it
    /// does not need, such as a STUN server.
    pub ok: bool,
    /// The worker's address, without credentials.
    pub api_url: String,
    /// What answers there.
    pub worker: WorkerReport,
    /// The steps in their order: each once, and those about STUN and TURN servers once for each URL.
    pub steps: Vec<StepReport>,
    /// How long it all took.
    pub took: Duration,
}

impl Serialize for DoctorReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let worker = json!({"kind": self.worker.kind.as_str(), "version": self.worker.version});
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ok", &self.ok)?;
        map.serialize_entry("api_url", &self.api_url)?;
        map.serialize_entry("worker", &worker)?;
        map.serialize_entry("steps", &self.steps)?;
        map.serialize_entry("seconds", &((self.took.as_secs_f64() * 1e3).round() / 1e3))?;
        map.end()
    }
}

impl DoctorReport {
    /// What matters most: why no session would work, or, when one would, the first thing that is wrong all the same.
    pub fn decisive(&self) -> Option<&Diagnosis> {
        let mut found = self.steps.iter().filter_map(|step| {
            let diagnosis = step.diagnosis.as_ref()?;
            let stalled = diagnosis.cause == Cause::Stalled;
            let hinders = (stalled || is_needed(step.step)) && !is_quality(diagnosis.cause);
            Some((!hinders, diagnosis))
        });
        let first = found.clone().find(|(bearable, _)| !bearable);
        first
            .or_else(|| found.next())
            .map(|(_, diagnosis)| diagnosis)
    }

    /// The report on this step; the first of several.
    pub fn step(&self, step: CheckStep) -> Option<&StepReport> {
        self.steps.iter().find(|report| report.step == step)
    }

    pub(super) fn not_begun(api_url: &str, why: &str) -> DoctorReport {
        let step = StepReport {
            step: CheckStep::Address,
            status: StepStatus::Skipped,
            took: Duration::ZERO,
            detail: format!("nothing was examined: {why}"),
            diagnosis: None,
            facts: json!({}),
            url: None,
        };
        DoctorReport {
            ok: false,
            api_url: redact_url(api_url),
            worker: WorkerReport::default(),
            steps: vec![step],
            took: Duration::ZERO,
        }
    }
}

/// Whether a session cannot do without it.
fn is_needed(step: CheckStep) -> bool {
    !matches!(
        step,
        CheckStep::Clock
            | CheckStep::Stun
            | CheckStep::TurnUdp
            | CheckStep::TurnTcp
            | CheckStep::TurnTls
            | CheckStep::ThroughputUp
            | CheckStep::ThroughputDown
    )
}

/// Milliseconds to a tenth.
pub(super) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}
