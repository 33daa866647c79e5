//! The decoding stage: opens the uploaded file and hands its frames over, as fast as they are taken or as they are due.
//! Not the upload: the file is whole when this begins.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use framewire_media::{Decoder, DecoderOptions, FramePool};

use super::control::Control;
use super::count::Counts;
use super::pacer::Pacer;
use super::queue::Handoff;
use super::source::{SourceFacts, SourceFrame, Stamps};
use crate::upload::UploadFile;

/// One thread of a session.
pub(crate) struct Decode {
    pub(crate) file: UploadFile,
    pub(crate) realtime: bool,
    /// What the request declared; the file's own rate wins.
    pub(crate) declared_fps: Option<f64>,
    pub(crate) facts: Arc<OnceLock<SourceFacts>>,
    pub(crate) frames: Handoff<SourceFrame>,
    pub(crate) control: Arc<Control>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) pool: FramePool,
    /// Why the source ended early; read after its last frame was sent.
    pub(crate) error: Arc<Mutex<Option<String>>>,
}

impl Decode {
    /// Runs until the file ends, fails, or the session stops.
    pub(crate) fn run(self) {
        let mut decoder = match Decoder::open(
            self.file.path(),
            DecoderOptions::default().with_pool(self.pool.clone()),
        ) {
            Ok(decoder) => decoder,
            Err(error) => return self.report("the upload cannot be decoded", &error),
        };
        let info = decoder.info();
        let facts = SourceFacts {
            declared_fps: info.fps.filter(|fps| *fps > 0.0).or(self.declared_fps),
            // In realtime frames are skipped, so the container's count says nothing.
            total_frames: info.frames.filter(|_| !self.realtime),
        };
        tracing::debug!(width = info.width, height = info.height, fps = ?facts.declared_fps, "decoding");
        let _ = self.facts.set(facts); // set once, here
        let mut pacer = Pacer::default();
        loop {
            if self.control.is_stopped() {
                return;
            }
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    if self.realtime {
                        let due = pacer.due(frame.timing().seconds(), Instant::now());
                        if !self.control.wait_until(due) {
                            return;
                        }
                    }
                    self.counts.decoded();
                    let handed = self.frames.push(SourceFrame {
                        frame,
                        rtp_time: None,
                        stamps: Stamps::read(Instant::now()),
                    });
                    self.counts.handed(handed);
                    if handed.is_closed() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    let what = "decoding stopped before the end of the upload";
                    return self.report(what, &error);
                }
            }
        }
    }

    /// Says what went wrong, before the queue ends. Where the file lies is nobody's business.
    fn report(&self, what: &str, error: &dyn std::error::Error) {
        let path = self.file.path().display().to_string();
        let text = format!("{what}: {}", chain(error)).replace(&path, "the file");
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

/// An error with its sources in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
