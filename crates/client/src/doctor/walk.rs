//! The walk itself: which step follows which, how much time each gets, and the list of what was found.
//! Not the steps; each is in the file of its subject.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::report::{DoctorReport, StepReport, StepStatus, WorkerReport};
use super::{LONGEST, Patient, connect, reach, servers, throughput, video};
use crate::diagnosis::{Cause, CheckStep, Diagnosis};
use framewire_protocol::signalling::redact_url;

/// What is told while it goes on.
pub(super) enum Event {
    Begun(CheckStep),
    Done(Box<StepReport>),
}

/// See the module.
pub(super) struct Walk {
    pub(super) patient: Patient,
    pub(super) worker: WorkerReport,
    events: Sender<Event>,
    begun: Instant,
    /// What does not count against the whole.
    excused: Duration,
    steps: Vec<StepReport>,
    /// Steps whose turn has not come.
    held: Option<Vec<StepReport>>,
}

/// A step that was looked at, with its figures.
pub(super) struct Found {
    pub(super) took: Duration,
    pub(super) detail: String,
    pub(super) facts: Value,
}

impl Found {
    pub(super) fn new(took: Duration, detail: impl Into<String>, facts: Value) -> Found {
        Found {
            took,
            detail: detail.into(),
            facts,
        }
    }
}

impl Walk {
    pub(super) fn new(patient: Patient, events: Sender<Event>) -> Walk {
        Walk {
            patient,
            worker: WorkerReport::default(),
            events,
            begun: Instant::now(),
            excused: Duration::ZERO,
            steps: Vec::new(),
            held: None,
        }
    }

    /// Walks to the end.
    pub(super) fn run(mut self) -> DoctorReport {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                return DoctorReport::not_begun(&self.patient.api_url, &error.to_string());
            }
        };
        runtime.block_on(self.walk());
        // A name lookup that hangs must not hold us.
        runtime.shutdown_background();
        DoctorReport {
            ok: self.is_ok(),
            api_url: redact_url(&self.patient.api_url)
                .trim_end_matches('/')
                .to_owned(),
            worker: self.worker,
            steps: self.steps,
            took: self.begun.elapsed(),
        }
    }

    async fn walk(&mut self) {
        let reached = reach::address(self).await;
        // Beside everything else: a silent server takes as long as it may.
        let asked = servers::ask(self, reached.as_ref());
        let reached = match reached {
            Some(at) => reach::worker(self, at).await,
            None => {
                for step in [
                    CheckStep::Http,
                    CheckStep::Worker,
                    CheckStep::ApiKey,
                    CheckStep::Clock,
                ] {
                    self.skip(step, "the address leads nowhere");
                }
                None
            }
        };
        let late = servers::report(self, asked).await;
        let linked = match reached {
            Some(at) => connect::connect(self, at).await,
            None => {
                self.skip_from(
                    CheckStep::Candidates,
                    "there is no worker to ask for a session",
                );
                None
            }
        };
        if let Some(asked) = late {
            servers::report_late(self, asked).await;
        }
        let Some((at, link)) = linked else { return };
        throughput::measure(self, link).await;
        video::check(self, &at).await;
    }

    /// Of the time this step wants, as much as is left of the whole.
    pub(super) fn allow(&self, wanted: Duration) -> Duration {
        wanted.min(self.left())
    }

    pub(super) fn left(&self) -> Duration {
        (LONGEST + self.excused).saturating_sub(self.begun.elapsed())
    }

    /// This time does not count against the whole.
    pub(super) fn excuse(&mut self, time: Duration) {
        self.excused += time;
    }

    /// A step begins that takes a while.
    pub(super) fn begin(&self, step: CheckStep) {
        // Nobody listens any more: the walk goes on to its end, which is near.
        let _ = self.events.send(Event::Begun(step));
    }

    pub(super) fn ok(&mut self, step: CheckStep, found: Found) {
        self.add(step, found, None, None);
    }

    pub(super) fn fail(&mut self, step: CheckStep, found: Found, diagnosis: Diagnosis) {
        self.add(step, found, Some(diagnosis), None);
    }

    pub(super) fn skip(&mut self, step: CheckStep, why: &str) {
        self.push(StepReport {
            step,
            status: StepStatus::Skipped,
            took: Duration::ZERO,
            detail: why.to_owned(),
            diagnosis: None,
            facts: json!({}),
            url: None,
        });
    }

    /// This step and all after it.
    pub(super) fn skip_from(&mut self, step: CheckStep, why: &str) {
        for step in CheckStep::ALL.iter().filter(|other| **other >= step) {
            self.skip(*step, why);
        }
    }

    /// A step with or without a finding, about a server or not.
    pub(super) fn add(
        &mut self,
        step: CheckStep,
        found: Found,
        diagnosis: Option<Diagnosis>,
        url: Option<String>,
    ) {
        self.push(StepReport {
            step,
            status: match diagnosis {
                Some(_) => StepStatus::Failed,
                None => StepStatus::Ok,
            },
            took: found.took,
            detail: found.detail,
            diagnosis,
            facts: found.facts,
            url,
        });
    }

    /// From now on steps are kept back, because one before them is not done.
    pub(super) fn hold(&mut self) {
        self.held = Some(Vec::new());
    }

    /// The steps kept back; no further ones are.
    pub(super) fn release(&mut self) -> Vec<StepReport> {
        self.held.take().unwrap_or_default()
    }

    pub(super) fn push(&mut self, step: StepReport) {
        if let Some(held) = &mut self.held {
            return held.push(step);
        }
        let _ = self.events.send(Event::Done(Box::new(step.clone())));
        self.steps.push(step);
    }

    /// Whether the path was found to be lossy or long.
    pub(super) fn has_poor_path(&self) -> bool {
        let found = self
            .steps
            .iter()
            .filter_map(|report| report.diagnosis.as_ref());
        let mut causes = found.map(|diagnosis| diagnosis.cause);
        causes.any(|cause| matches!(cause, Cause::LossyPath | Cause::SlowPath))
    }

    /// A connection came about, and pictures came back where that was tried.
    fn is_ok(&self) -> bool {
        let status = |step| {
            let step = self.steps.iter().find(|report| report.step == step);
            step.map(|report| report.status)
        };
        status(CheckStep::Dtls) == Some(StepStatus::Ok)
            && status(CheckStep::DataChannel) != Some(StepStatus::Skipped)
            && !self.has_dead_channel()
            && match status(CheckStep::Video) {
                Some(StepStatus::Ok) => true,
                Some(StepStatus::Failed) => false,
                _ => !self.has_stalled(),
            }
    }

    /// Data was sent through an open channel, and none arrived.
    fn has_stalled(&self) -> bool {
        let mut found = self
            .steps
            .iter()
            .filter_map(|report| report.diagnosis.as_ref());
        found.any(|diagnosis| diagnosis.cause == Cause::Stalled)
    }

    /// A slow one is no dead one.
    fn has_dead_channel(&self) -> bool {
        let causes = self
            .steps
            .iter()
            .filter(|report| report.step == CheckStep::DataChannel);
        causes
            .filter_map(|report| report.diagnosis.as_ref())
            .any(|diagnosis| !super::judge::is_quality(diagnosis.cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ApiKeyTransport;
    use crate::options::ClientOptions;

    #[test]
    fn a_standstill_is_forgiven_only_where_pictures_came_back() {
        let report = |status, cause: Option<Cause>, step| StepReport {
            step,
            status,
            took: Duration::ZERO,
            detail: String::new(),
            diagnosis: cause.map(|cause| Diagnosis::new(step, cause, "it", "this")),
            facts: json!({}),
            url: None,
        };
        let is_ok = |up: Option<Cause>, video| {
            let patient = Patient {
                api_url: "http://192.0.2.1".into(),
                api_key: None,
                transport: ApiKeyTransport::default(),
                options: ClientOptions::default(),
                ice: None,
                throughput: true,
            };
            let mut walk = Walk::new(patient, std::sync::mpsc::channel().0);
            walk.push(report(StepStatus::Ok, None, CheckStep::Dtls));
            walk.push(report(StepStatus::Ok, None, CheckStep::DataChannel));
            walk.push(report(StepStatus::Ok, up, CheckStep::ThroughputUp));
            walk.push(report(video, None, CheckStep::Video));
            walk.is_ok()
        };
        for (up, video, expected) in [
            (None, StepStatus::Ok, true),
            (None, StepStatus::Skipped, true),
            (None, StepStatus::Failed, false),
            (Some(Cause::LossyPath), StepStatus::Skipped, true),
            (Some(Cause::Stalled), StepStatus::Ok, true),
            (Some(Cause::Stalled), StepStatus::Skipped, false),
        ] {
            assert_eq!(is_ok(up, video), expected, "{up:?} {video:?}");
        }
    }
}
