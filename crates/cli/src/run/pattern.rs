//! Plays `test:` pictures into a session at their own pace, on a thread of its own.
//! Not here: the pictures themselves; those are media's.

use std::time::Instant;

use anyhow::Context;
use framewire::{FramePool, FrameSender};
use framewire_media::TestPattern;

use super::source::TestSpec;

/// Starts playing. The thread ends with the last picture or with the session, which no longer takes any.
pub(crate) fn play(spec: TestSpec, sender: FrameSender) {
    let ending = sender.clone();
    let run = move || {
        if let Err(error) = push(spec, &sender) {
            tracing::debug!("test pictures ended: {error:#}");
        }
        sender.end();
    };
    let thread = std::thread::Builder::new().name("fw-pattern".into());
    if let Err(error) = thread.spawn(run) {
        tracing::error!(%error, "cannot start the thread that makes the test pictures");
        ending.end();
    }
}

fn push(spec: TestSpec, sender: &FrameSender) -> anyhow::Result<()> {
    let mut pattern = TestPattern::new(spec.width, spec.height, spec.nominal_fps())?;
    let pool = FramePool::default();
    let begin = Instant::now();
    let mut counter: u32 = 0;
    while spec.frames.is_none_or(|frames| u64::from(counter) < frames) {
        let due = begin + spec.interval().mul_f64(f64::from(counter));
        counter = counter.checked_add(1).context("all numbers are used up")?;
        let frame = pattern.frame(counter, &pool)?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        sender.send(frame)?;
    }
    Ok(())
}
