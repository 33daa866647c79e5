//! The capture thread: reads a camera or a stream of this side as fast as it gives frames, into the slot.
//! Not here: what a source may be, and encoding. A stream that broke is opened again for as long as the options say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_media::{CameraOptions, FramePool, Interrupt, LiveError, LiveInput, LiveOptions};

use crate::error::SourceError;
use crate::options::Reconnect;
use crate::session::live::slot::Put;
use crate::session::shared::Shared;
use crate::source::{LocalStreamSource, WebcamSource};

/// First and longest pause between two attempts to open a stream again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// Something of this side that gives frames.
#[derive(Debug, Clone)]
pub(crate) enum LiveSource {
    Camera(WebcamSource),
    Stream(LocalStreamSource),
}

/// A source that was opened.
pub(crate) struct Opened {
    source: LiveSource,
    input: LiveInput,
}

impl Opened {
    /// What the device says about its rate; streams are not asked.
    pub(crate) fn declared_fps(&self) -> Option<f64> {
        match self.source {
            LiveSource::Camera(_) => self.input.info().fps.filter(|fps| *fps > 0.0),
            LiveSource::Stream(_) => None,
        }
    }
}

/// Opens a source; blocks for some seconds at most, and for an instant once interrupted.
pub(crate) fn open(
    source: LiveSource,
    pool: &FramePool,
    interrupt: &Interrupt,
) -> Result<Opened, SourceError> {
    let input = open_input(&source, pool, interrupt).map_err(|error| SourceError::Live {
        reason: error.to_string(),
    })?;
    Ok(Opened { source, input })
}

fn open_input(
    source: &LiveSource,
    pool: &FramePool,
    interrupt: &Interrupt,
) -> Result<LiveInput, LiveError> {
    let options = LiveOptions::default();
    match source {
        LiveSource::Camera(camera) => {
            let mut wanted = CameraOptions::default();
            if let Some((width, height)) = camera.resolution {
                wanted = wanted.with_resolution(width, height);
            }
            if let Some(fps) = camera.fps {
                wanted = wanted.with_fps(fps);
            }
            LiveInput::camera(&camera.device.0, &wanted, &options, pool, interrupt)
        }
        LiveSource::Stream(stream) if stream.url.is_rtmp() => {
            LiveInput::rtmp(stream.url.secret(), &options, pool, interrupt)
        }
        LiveSource::Stream(stream) => {
            LiveInput::rtsp(stream.url.secret(), &options, pool, interrupt)
        }
    }
}

/// Body of the thread.
pub(crate) fn run(shared: &Arc<Shared>, mut opened: Opened) {
    // When the stream broke; it counts anew once it gave frames again.
    let mut since = None;
    loop {
        let (gave_frames, error) = match read_all(shared, &mut opened.input) {
            Over::Ended => {
                shared.live.slot.end();
                return;
            }
            Over::Closed => return,
            Over::Broken { gave_frames, error } => (gave_frames, error),
        };
        if gave_frames {
            since = None;
        }
        let since = *since.get_or_insert_with(Instant::now);
        match reopen(shared, &opened.source, since, error) {
            Ok(input) => opened.input = input,
            Err(LiveError::Interrupted) => return,
            Err(error) => {
                shared.live.source_broke(SourceError::Broken {
                    reason: error.to_string(),
                });
                return;
            }
        }
    }
}

enum Over {
    Ended,
    Closed,
    Broken { gave_frames: bool, error: LiveError },
}

fn read_all(shared: &Shared, input: &mut LiveInput) -> Over {
    let live = &shared.live;
    let mut gave_frames = false;
    loop {
        match input.read() {
            Ok(Some(read)) => {
                gave_frames = true;
                // Until the worker can take them, frames only keep the source flowing.
                if live.has_begun() && live.slot.put(read.frame, Some(read.captured)) != Put::Stored
                {
                    return Over::Closed;
                }
            }
            Ok(None) => return Over::Ended,
            Err(LiveError::Interrupted) => return Over::Closed,
            Err(error) => return Over::Broken { gave_frames, error },
        }
    }
}

/// Opens a stream again after `error`, for as long as the options say. A camera that broke was unplugged: it stays so.
fn reopen(
    shared: &Shared,
    source: &LiveSource,
    since: Instant,
    mut error: LiveError,
) -> Result<LiveInput, LiveError> {
    let until = match (source, shared.options.reconnect) {
        (LiveSource::Camera(_), _) | (_, Reconnect::Off) => return Err(error),
        (_, Reconnect::Within(budget)) => since.checked_add(budget),
        (_, Reconnect::Forever) => None,
    };
    tracing::warn!("the source broke ({error}); opening it again");
    let mut pause = PAUSES.0;
    loop {
        let next = Instant::now() + pause;
        if until.is_some_and(|until| next >= until) {
            return Err(error);
        }
        if shared.live.slot.wait_closed(next) {
            return Err(LiveError::Interrupted);
        }
        match open_input(source, &shared.pool, &shared.live.interrupt) {
            Ok(input) => {
                tracing::info!("the source is back");
                return Ok(input);
            }
            Err(LiveError::Interrupted) => return Err(LiveError::Interrupted),
            Err(LiveError::Unauthorized { input }) => {
                return Err(LiveError::Unauthorized { input });
            }
            Err(again) => error = again,
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}
