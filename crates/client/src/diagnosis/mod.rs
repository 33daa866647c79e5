//! What is wrong with a connection, from the evidence: which step, why, in one sentence, and what to try.
//! Pure functions and words; whoever has the evidence (a session, `doctor`) collects it. Never with credentials.

mod connection;
mod http;
mod ice;
mod loss;
mod names;
mod server;

use std::time::Duration;

pub(crate) use connection::{Evidence, HttpNow, WorkerSeen, of_connection, of_missing_relay};
pub(crate) use http::{Refusal, Request, of_answer, of_refusal, of_request};
pub(crate) use loss::of_loss;
pub use names::{Cause, CheckStep};
pub(crate) use server::{of_server, step_of};

/// Why no connection came about, or why one broke, with what to do about it. Costs a few hundred bytes; holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The step that failed.
    pub step: CheckStep,
    /// The likely cause.
    pub cause: Cause,
    /// What was found, with addresses, counts and times: one sentence without a final full stop.
    pub problem: String,
    /// What to try: one sentence without a final full stop.
    pub advice: String,
}

impl Diagnosis {
    /// Puts one together. Texts are taken as they are.
    pub fn new(
        step: CheckStep,
        cause: Cause,
        problem: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Diagnosis {
            step,
            cause,
            problem: problem.into(),
            advice: advice.into(),
        }
    }
}

/// Problem and advice in one line.
impl std::fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.problem, self.advice)
    }
}

/// A time as people read it.
fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds >= 1.0 {
        format!("{} s", (seconds * 10.0).round() / 10.0)
    } else {
        format!("{} ms", (seconds * 1e3).round())
    }
}
