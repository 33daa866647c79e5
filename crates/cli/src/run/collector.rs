//! What comes back from the session goes to the files, the counters and the progress bars.
//! Not here: the files' formats.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use framewire::{FrameEvent, Observer, Outputs, Session, VideoMetadata};
use serde_json::Value;

use super::plan::Plan;
use super::stop::{Reason, Stop};
use crate::args::RunArgs;
use crate::output::atomic::Sink;
use crate::output::data::{DataWriter, Line};
use crate::output::progress::Progress;
use crate::output::video::VideoOut;

/// The files and counters of one run; created before the session, so that an unwritable file costs no upload.
pub(crate) struct Collector {
    data: Option<DataWriter>,
    video: Option<VideoOut>,
    detections: BTreeMap<String, u64>,
    failure: Option<anyhow::Error>,
    progress: Progress,
    /// An early end that a handler found to be due.
    ask: Option<Reason>,
    /// Frames still wanted, with `--max-frames`.
    left: Option<u64>,
    wants_frames: bool,
    /// Figures for the progress line of a live session, and when they were last shown.
    live: Option<(Observer, Instant)>,
}

/// Time between two looks at a session's figures.
const REFRESH: Duration = Duration::from_millis(500);

/// A collector that the session's handlers write to.
pub(crate) struct Attached(Arc<Mutex<Option<Collector>>>);

impl Collector {
    pub(crate) fn create(args: &RunArgs, plan: &Plan, progress: Progress) -> anyhow::Result<Self> {
        let data = args.out_data.as_deref().map(Sink::create).transpose()?;
        let video = args
            .out_video
            .as_deref()
            .map(|path| VideoOut::create(path, plan.draw))
            .transpose()?;
        Ok(Self {
            data: data.map(|sink| DataWriter::new(sink, args.keep_images)),
            video,
            detections: BTreeMap::new(),
            failure: None,
            progress,
            ask: None,
            left: args.max_frames,
            wants_frames: plan.wants_frames(),
            live: None,
        })
    }

    /// Registers the handlers. `live`: the progress line shows where the time of a frame goes.
    pub(crate) fn attach(mut self, session: &Session, stop: &Arc<Stop>, live: bool) -> Attached {
        let wants_frames = self.wants_frames;
        self.live = live.then(|| (session.observer(), Instant::now()));
        let shared = Arc::new(Mutex::new(Some(self)));
        let (results, on_result) = (Arc::clone(&shared), Arc::clone(stop));
        session.on_any_data(move |outputs, metadata| {
            with(&results, &on_result, |c| c.result(outputs, metadata))
        });
        if wants_frames {
            let (frames, on_frame) = (Arc::clone(&shared), Arc::clone(stop));
            session.on_frame(move |event| with(&frames, &on_frame, |c| c.frame(event)));
        }
        Attached(shared)
    }

    fn result(&mut self, outputs: Option<&Outputs>, metadata: Option<&VideoMetadata>) {
        if self.left == Some(0) {
            return;
        }
        let value = outputs.map_or(Value::Null, Outputs::to_value);
        count_detections(&value, &mut self.detections);
        if let Some(video) = &mut self.video {
            let outcome = video.data(metadata.map(|m| m.frame_id), &value);
            self.check(outcome);
        }
        if let Some(data) = &mut self.data {
            let line = Line {
                frame_id: metadata.map(|m| m.frame_id.0),
                pts: metadata.and_then(|m| m.pts),
                time_base: metadata.and_then(|m| m.time_base),
                received_at: metadata
                    .map(|m| m.received_at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()),
                data: value,
                errors: metadata.map(|m| m.errors.clone()).unwrap_or_default(),
            };
            let outcome = data.write(line);
            self.check(outcome.map_err(anyhow::Error::new));
        }
        if !self.wants_frames {
            self.counted();
        }
    }

    fn frame(&mut self, event: &FrameEvent) {
        if let Some(video) = &mut self.video {
            let outcome = video.frame(event);
            self.check(outcome);
        }
        self.counted();
    }

    fn counted(&mut self) {
        self.progress.frame();
        if let Some((observer, shown)) = &mut self.live
            && shown.elapsed() >= REFRESH
        {
            *shown = Instant::now();
            self.progress.latency(&observer.stats());
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.ask = Some(Reason::Enough);
            }
        }
    }

    /// Keeps the first failure and ends the session: going on would only lose more.
    fn check(&mut self, outcome: anyhow::Result<()>) {
        let Err(error) = outcome else { return };
        let closed = error
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
        if closed {
            self.data = None;
            self.ask = Some(Reason::PipeClosed);
            return;
        }
        if self.failure.is_none() {
            self.failure = Some(error);
            self.ask = Some(Reason::OutputFailed);
        }
    }
}

impl Attached {
    /// Completes the files. The first failure of any of them comes back, the counters in any case.
    pub(crate) fn finish(self) -> (anyhow::Result<()>, BTreeMap<String, u64>) {
        let Some(collector) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return (Ok(()), BTreeMap::new());
        };
        let mut outcomes = vec![collector.failure.map_or(Ok(()), Err)];
        outcomes.extend(collector.video.map(VideoOut::finish));
        outcomes.extend(collector.data.map(DataWriter::finish));
        let first = outcomes.into_iter().find(Result::is_err).unwrap_or(Ok(()));
        (first, collector.detections)
    }
}

fn with(shared: &Mutex<Option<Collector>>, stop: &Stop, call: impl FnOnce(&mut Collector)) {
    let ask = {
        // Handlers that come after the files are finished find nothing to write to.
        let mut guard = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(collector) = guard.as_mut() else {
            return;
        };
        call(collector);
        collector.ask.take()
    };
    // Outside the lock: closing may wait for the other handler, which may be waiting for the lock.
    if let Some(reason) = ask {
        stop.request(reason);
    }
}

/// Adds up the classes of every detection list among the outputs.
fn count_detections(outputs: &Value, counts: &mut BTreeMap<String, u64>) {
    let lists = outputs
        .as_object()
        .into_iter()
        .flat_map(|outputs| outputs.values());
    for prediction in lists
        .filter_map(|output| output.get("predictions")?.as_array())
        .flatten()
    {
        if let Some(class) = prediction.get("class").and_then(Value::as_str) {
            match counts.get_mut(class) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(class.to_owned(), 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn detections_are_counted_per_class_over_all_outputs() {
        let mut counts = BTreeMap::new();
        let outputs = json!({
            "a": {"image": {}, "predictions": [{"class": "Car"}, {"class": "Car"}, {"no": 1}]},
            "b": {"predictions": {"Car": {}}},
            "c": 3,
        });
        count_detections(&outputs, &mut counts);
        count_detections(&Value::Null, &mut counts);
        assert_eq!(counts, BTreeMap::from([("Car".to_owned(), 2)]));
    }
}
