//! A connection on its way up: when to stop waiting for it, and what else to find out meanwhile for the case that it fails.
//! Not here: what the findings mean (`diagnosis`).

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::{Duration, Instant};

use framewire_transport::{
    CloseReason, ConnectStep, ConnectionReport, GatherReport, PairOutcome, PairReport, Progress,
};

use crate::diagnosis::{Evidence, HttpNow, WorkerSeen, of_connection};
use crate::error::SessionError;
use crate::http::Signalling;

/// Longest wait for the worker's HTTP side, and how many times longer than the first time it may take.
const ASK: Duration = Duration::from_secs(2);
const ASK_FACTOR: u32 = 4;

/// How much longer a connection may take for which datagrams still come in: on a path that loses many it takes its time.
pub(crate) const EXTENSION: u32 = 2;

/// See the module.
pub(super) struct ComingUp {
    limit: Duration,
    /// When to look at it again; none once there is nothing more to decide here.
    next: Option<Instant>,
    /// How far it was at half of the time.
    half: Option<Far>,
    seen: WorkerSeen,
    /// How long HTTP took at first.
    reach: Duration,
    asked: Option<Pin<Box<dyn Future<Output = HttpNow> + Send>>>,
}

/// A step that is not done, and what has come in for it.
type Far = (ConnectStep, u64);

impl ComingUp {
    /// Begins now; `limit` is how long it may take while nothing comes in.
    /// `reach` is what the first HTTP answer took.
    pub(super) fn new(now: Instant, limit: Duration, seen: WorkerSeen, reach: Duration) -> Self {
        ComingUp {
            limit,
            next: Some(now + limit / 2),
            half: None,
            seen,
            reach,
            asked: None,
        }
    }

    /// When to [`look`](Self::look).
    pub(super) fn wake(&self) -> Option<Instant> {
        self.next
    }

    /// Asks the worker's HTTP side at half of the time; at its end gives up if nothing came in since.
    pub(super) fn look(
        &mut self,
        now: Instant,
        report: &ConnectionReport,
        signalling: &Signalling,
    ) -> Option<CloseReason> {
        self.next.filter(|next| *next <= now)?;
        let Some(far) = far(report) else {
            self.next = None;
            return None;
        };
        match self.half {
            None => {
                self.half = Some(far);
                self.next = Some(now + self.limit / 2);
                let patience = ASK.max(self.reach * ASK_FACTOR).min(self.limit / 2);
                let (signalling, limit) = (signalling.clone(), patience);
                self.asked = Some(Box::pin(async move { signalling.still_there(limit).await }));
                None
            }
            // The transport's own limit comes later.
            Some(half) => {
                self.next = None;
                (half == far).then_some(CloseReason::ConnectTimeout {
                    step: far.0,
                    after: self.limit,
                    detail: None,
                })
            }
        }
    }

    /// Waits for what the worker's HTTP side says, for ever if it was not asked. Cancel-safe.
    pub(super) async fn heard(&mut self) {
        match &mut self.asked {
            Some(asked) => {
                self.seen.http = asked.as_mut().await;
                self.asked = None;
            }
            None => pending().await,
        }
    }

    /// The error of a connection that ended like this before it was up.
    pub(super) fn failed(
        &self,
        report: &ConnectionReport,
        gathering: &GatherReport,
        ended: &CloseReason,
    ) -> SessionError {
        let diagnosis = of_connection(&Evidence {
            report,
            gathering,
            ended,
            worker: self.seen,
        });
        SessionError::Connect {
            problem: diagnosis.problem.clone(),
            about: diagnosis.into(),
        }
    }
}

/// None: all of it is done.
fn far(report: &ConnectionReport) -> Option<Far> {
    let steps = [
        (ConnectStep::Ice, report.ice),
        (ConnectStep::Dtls, report.dtls),
        (ConnectStep::Channels, report.channels),
    ];
    let (step, progress) = steps
        .into_iter()
        .find(|(_, progress)| !progress.is_done())?;
    let received = match progress {
        // The worker's checks arrive for as long as it lives; only answers to ours lead to a path.
        Progress::UnderWay { .. } if step == ConnectStep::Ice => {
            let answered =
                |pair: &&PairReport| matches!(pair.outcome, PairOutcome::Answered { .. });
            report.pairs.iter().filter(answered).count() as u64
        }
        Progress::UnderWay { received, .. } => received,
        _ => 0,
    };
    Some((step, received))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    fn signalling() -> Signalling {
        let api = crate::http::ApiUrl::parse("http://127.0.0.1:9").unwrap();
        let transport = crate::client::ApiKeyTransport::default();
        Signalling::new(api, None, transport, LIMIT, LIMIT).unwrap()
    }

    fn at(received: u64) -> ConnectionReport {
        let mut report = ConnectionReport::default();
        report.ice = Progress::Done { took: LIMIT };
        report.dtls = Progress::UnderWay { sent: 9, received };
        report
    }

    /// What is decided at half of the time and at its end, with these datagrams received.
    fn decided(half: &ConnectionReport, end: &ConnectionReport) -> Option<CloseReason> {
        let begun = Instant::now();
        let mut coming = ComingUp::new(begun, LIMIT, WorkerSeen::default(), Duration::ZERO);
        assert_eq!(coming.look(begun, half, &signalling()), None);
        let later = coming.wake().unwrap();
        assert_eq!(later, begun + LIMIT / 2);
        assert_eq!(coming.look(later, half, &signalling()), None);
        let last = coming.wake().unwrap();
        assert_eq!(last, begun + LIMIT);
        let decided = coming.look(last, end, &signalling());
        assert_eq!(coming.wake(), None);
        decided
    }

    #[test]
    fn a_connection_is_given_up_when_nothing_came_in_for_half_of_its_time() {
        let gave_up = decided(&at(3), &at(3));
        let Some(CloseReason::ConnectTimeout { step, after, .. }) = gave_up else {
            panic!("{gave_up:?}");
        };
        assert_eq!((step, after), (ConnectStep::Dtls, LIMIT));
        assert_eq!(decided(&at(3), &at(4)), None, "something comes in");
        let mut next = at(0);
        next.dtls = Progress::Done { took: LIMIT };
        assert_eq!(decided(&at(3), &next), None, "it is a step further");
    }

    #[test]
    fn checks_of_the_worker_are_no_step_towards_a_path() {
        let searching = |received| {
            let mut report = at(0);
            report.ice = Progress::UnderWay { sent: 9, received };
            report
        };
        assert!(decided(&searching(3), &searching(40)).is_some());
    }

    #[test]
    fn a_connection_that_is_up_is_looked_at_no_more() {
        let done = Progress::Done { took: LIMIT };
        let mut up = at(0);
        (up.ice, up.dtls, up.channels) = (done, done, done);
        let begun = Instant::now();
        let mut coming = ComingUp::new(begun, LIMIT, WorkerSeen::default(), Duration::ZERO);
        assert_eq!(coming.look(begun + LIMIT, &up, &signalling()), None);
        assert_eq!(coming.wake(), None);
    }
}
