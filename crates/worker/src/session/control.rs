//! The job machine of one session, shared by the session thread and the threads of its pipeline.
//! Not the rules: `framewire_protocol::job` decides, this locks it and wakes whoever waits for a decision.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use framewire_protocol::FrameId;
use framewire_protocol::job::{Gate, Job, JobInput, JobOutput, JobPhase};
use framewire_protocol::output::{DataOutput, StreamOutput};
use framewire_transport::DataChannel;
use tokio::sync::Notify;

/// Shared by all threads of one session.
#[derive(Debug)]
pub(crate) struct Control {
    state: Mutex<State>,
    /// Wakes the pipeline.
    changed: Condvar,
    /// Wakes the session thread: the machine has outputs it did not cause itself.
    outputs: Notify,
}

#[derive(Debug)]
struct State {
    job: Job,
    /// At most as many as the transport lets a peer open.
    channels: Vec<DataChannel>,
    stopped: bool,
}

/// What one frame is sent with.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) frame: FrameId,
    pub(crate) data_output: DataOutput,
    /// `None`: no result channel is open.
    pub(crate) channel: Option<DataChannel>,
    /// For results that may be lost rather than late, with a client that wants it so.
    pub(crate) fresh: Option<DataChannel>,
}

impl Control {
    pub(crate) fn new(job: Job) -> Control {
        Control {
            state: Mutex::new(State {
                job,
                channels: Vec::new(),
                stopped: false,
            }),
            changed: Condvar::new(),
            outputs: Notify::new(),
        }
    }

    /// Tells the machine what happened. Never blocks for long.
    pub(crate) fn handle(&self, input: JobInput) {
        self.lock().job.handle(Instant::now(), input);
        self.changed.notify_all();
        self.outputs.notify_one();
    }

    /// The machine's next output, its deadline and where it stands.
    pub(crate) fn poll(&self) -> (Option<JobOutput>, Option<Instant>, JobPhase) {
        let mut state = self.lock();
        let output = state.job.poll();
        (output, state.job.poll_timeout(), state.job.phase())
    }

    /// Waits until another thread made the machine say something. A call that comes before the wait counts.
    pub(crate) async fn outputs_ready(&self) {
        self.outputs.notified().await;
    }

    /// Looks at the machine.
    pub(crate) fn with_job<T>(&self, look: impl FnOnce(&Job) -> T) -> T {
        look(&self.lock().job)
    }

    pub(crate) fn add_channel(&self, channel: DataChannel) {
        self.lock().channels.push(channel);
    }

    pub(crate) fn remove_channel(&self, id: u64) {
        self.lock().channels.retain(|channel| number(channel) != id);
    }

    pub(crate) fn channel(&self, id: u64) -> Option<DataChannel> {
        find(&self.lock().channels, id)
    }

    pub(crate) fn results_channel(&self) -> Option<DataChannel> {
        let state = self.lock();
        find(&state.channels, state.job.results_channel()?)
    }

    /// The mode a frame would be sent in now.
    pub(crate) fn data_output(&self) -> DataOutput {
        self.lock().job.modes().data.clone()
    }

    /// The output a frame would be streamed from now.
    pub(crate) fn stream_output(&self) -> StreamOutput {
        self.lock().job.modes().stream.clone()
    }

    /// Everything that waits gives up; nothing starts any more.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Waits until the next frame may be sent and begins it. `None`: the session is ending. The machine's own deadlines
    /// bound the wait.
    pub(crate) fn begin_frame(&self) -> Option<Turn> {
        let mut state = self.lock();
        while !state.stopped {
            match state.job.gate() {
                Gate::Open => {
                    let begun = state.job.begin_frame(Instant::now());
                    self.outputs.notify_one();
                    let frame = begun?;
                    let open = |id| find(&state.channels, id);
                    let channel = state.job.results_channel().and_then(open);
                    let fresh = state.job.fresh_channel().and_then(open);
                    return Some(Turn {
                        frame,
                        data_output: state.job.modes().data.clone(),
                        channel,
                        fresh,
                    });
                }
                Gate::Wait => {
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                _ => return None,
            }
        }
        None
    }

    /// The frame's result is queued, or never will be.
    pub(crate) fn end_frame(&self, frame: FrameId) {
        self.lock().job.end_frame(Instant::now(), frame);
        self.outputs.notify_one();
    }

    /// Waits until `due` (a realtime source's next frame). `false`: stopped.
    pub(crate) fn wait_until(&self, due: Instant) -> bool {
        let mut state = self.lock();
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if state.stopped || left.is_zero() {
                return !state.stopped;
            }
            state = match self.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number the machine knows a channel by.
pub(crate) fn number(channel: &DataChannel) -> u64 {
    u64::from(channel.id().0)
}

fn find(channels: &[DataChannel], id: u64) -> Option<DataChannel> {
    channels
        .iter()
        .find(|channel| number(channel) == id)
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use framewire_protocol::job::{JobConfig, JobSource};
    use std::sync::Arc;
    use std::time::Duration;

    fn control() -> Arc<Control> {
        let config = JobConfig::new(JobSource::Ready).with_batch(true);
        let control = Control::new(Job::new(Instant::now(), config));
        control.handle(JobInput::Connected);
        control.handle(JobInput::ChannelOpen {
            channel: 0,
            label: "inference".into(),
        });
        Arc::new(control)
    }

    fn message(text: &'static str) -> JobInput {
        JobInput::Message {
            channel: 0,
            data: Bytes::from_static(text.as_bytes()),
        }
    }

    #[test]
    fn a_waiting_frame_goes_once_it_is_acknowledged_and_sees_the_newest_mode() {
        let control = control();
        control.handle(message("{\"ack\": 1}"));
        for id in 1..=2 {
            let turn = control.begin_frame().unwrap();
            assert_eq!(turn.frame, FrameId(id));
            control.end_frame(turn.frame);
        }
        let waiter = control.clone();
        let third = std::thread::spawn(move || waiter.begin_frame());
        control.handle(message("{\"data_output\": [\"*\"], \"ack\": 2}"));
        let turn = third.join().unwrap().unwrap();
        assert_eq!(turn.frame, FrameId(3));
        assert!(turn.channel.is_none(), "the test has no transport");
    }

    #[test]
    fn stopping_ends_every_wait() {
        let control = control();
        control.handle(message("{\"ack\": 1}"));
        for _ in 0..2 {
            let turn = control.begin_frame().unwrap();
            control.end_frame(turn.frame);
        }
        let (gate, pace) = (control.clone(), control.clone());
        let gate = std::thread::spawn(move || gate.begin_frame().is_none());
        let far = Instant::now() + Duration::from_secs(3600);
        let pace = std::thread::spawn(move || pace.wait_until(far));
        control.stop();
        assert!(gate.join().unwrap());
        assert!(!pace.join().unwrap());
        assert!(control.is_stopped());
    }
}
