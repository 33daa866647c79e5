//! One thread of a pipeline, and what its panic does: ends this session and nothing else.
//! Not what the thread does.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use framewire_protocol::job::{Job, JobInput};

use super::pipeline::Shared;
use crate::metrics::ErrorKind;

/// Why the source ended early, once it did.
pub(super) type EarlyEnd = Arc<Mutex<Option<String>>>;

/// One thread. A panic in it ends this session with an error and nothing else; `ends` go after that error is known.
pub(super) fn stage(
    name: &'static str,
    shared: &Shared,
    error: &EarlyEnd,
    ends: impl std::marker::Send + 'static,
    body: impl FnOnce() + std::marker::Send + 'static,
) -> io::Result<()> {
    let shared = shared.clone();
    let error = error.clone();
    let run = move || {
        let span = shared.span.clone();
        let _entered = span.enter();
        if catch_unwind(AssertUnwindSafe(body)).is_err() {
            tracing::error!(
                stage = name,
                "a session thread panicked; this session ends, others go on"
            );
            shared.metrics.errors.of(ErrorKind::Internal).add(1);
            let text = format!("internal error in the {name} stage");
            *error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
            if name == SEND {
                let control = &shared.control;
                control.end_frame(control.with_job(Job::last_frame));
                control.handle(JobInput::SourceEnded { error: Some(text) });
            }
        }
        drop(ends);
        drop(shared.place); // explicit: what the field is for
    };
    let builder = thread::Builder::new().name(format!("fw-{name}"));
    builder.spawn(run).map(drop)
}

/// Name of the stage that takes turns with the job machine.
pub(super) const SEND: &str = "send";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::compress::{CompressRule, Compression};
    use crate::session::control::Control;
    use crate::session::places::Place;
    use crate::session::places::Places;
    use crate::session::queue::{EndOnDrop, Handoff};
    use framewire_protocol::job::{JobConfig, JobOutput, JobSource};
    use framewire_protocol::queue::QueuePolicy;
    use std::time::{Duration, Instant};

    fn shared(place: Place) -> Shared {
        let job = Job::new(Instant::now(), JobConfig::new(JobSource::Ready));
        let control = Arc::new(Control::new(job));
        control.handle(JobInput::ChannelOpen {
            channel: 0,
            label: "inference".into(),
        });
        Shared {
            control,
            compression: Arc::new(Mutex::new(Compression::new(CompressRule::Never))),
            metrics: Arc::default(),
            tally: Arc::default(),
            place: Arc::new(place),
            span: tracing::Span::none(),
        }
    }

    fn completion_errors(control: &Control) -> Vec<String> {
        loop {
            match control.poll().0 {
                Some(JobOutput::Complete(completion)) => return completion.errors,
                Some(_) => {}
                None => panic!("the job does not end"),
            }
        }
    }

    #[test]
    fn a_panic_in_any_stage_ends_its_session_with_an_error_and_frees_the_place() {
        for name in ["decode", "workflow", SEND] {
            let places = Places::new(1);
            let shared = shared(places.take().unwrap());
            if name == SEND {
                shared.control.begin_frame().unwrap();
            }
            let error = Arc::new(Mutex::new(None));
            let ends: Handoff<u8> = Handoff::new(1, QueuePolicy::Lossless);
            let guard = EndOnDrop(ends.clone());
            stage(name, &shared, &error, guard, || panic!("a bad frame")).unwrap();
            assert_eq!(ends.pop(), None, "what waits for the stage goes on");
            let text = error
                .lock()
                .unwrap()
                .clone()
                .expect("the reason is known by then");
            assert!(text.contains(name));
            if name == SEND {
                assert_eq!(completion_errors(&shared.control), [text]);
            }
            drop(shared);
            assert!(places.wait_empty(Duration::from_secs(20)));
        }
    }
}
