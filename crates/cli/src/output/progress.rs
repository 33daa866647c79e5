//! Progress bars on a terminal: upload first, then frames.
//! Not here: any output when stderr is no terminal.

use framewire::{Observer, SessionStats, UploadStats};
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Two bars; all methods are cheap and may be called from any thread.
#[derive(Clone)]
pub(crate) struct Progress {
    bars: MultiProgress,
    upload: ProgressBar,
    frames: ProgressBar,
    watched: Arc<OnceLock<Observer>>,
}

impl Progress {
    /// Visible only when `wanted` and stderr is a terminal. `frames` is the expected number, when it is known.
    pub(crate) fn new(wanted: bool, frames: Option<u64>) -> Self {
        let target = if wanted && std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        let upload = bars.add(ProgressBar::new(0));
        upload.set_style(style(
            "upload {wide_bar} {decimal_bytes}/{decimal_total_bytes} {msg}",
        ));
        let counted = bars.add(ProgressBar::new(frames.unwrap_or(0)));
        counted.set_style(style(if frames.is_some() {
            "frames {wide_bar} {pos}/{len} {per_sec} {eta} {msg}"
        } else {
            "frames {spinner} {pos} {per_sec} {msg}"
        }));
        Self {
            bars,
            upload,
            frames: counted,
            watched: Arc::default(),
        }
    }

    /// Where the figures of the upload come from. Only the first one counts.
    pub(crate) fn watch(&self, session: Observer) {
        let _ = self.watched.set(session);
    }

    /// The upload went on.
    pub(crate) fn uploaded(&self) {
        let Some(session) = self.watched.get().filter(|_| !self.upload.is_hidden()) else {
            return;
        };
        let upload = session.stats().upload;
        self.upload.set_length(upload.total_bytes);
        self.upload
            .set_position(upload.bytes + upload.resumed_bytes);
        self.upload.set_message(pace(&upload));
        if upload.complete {
            self.upload.finish();
        }
    }

    /// One more frame (or result) was delivered.
    pub(crate) fn frame(&self) {
        self.frames.inc(1);
    }

    /// Where the time of a live session's frames goes: p50, p95 and p99 in all, then the stages' medians.
    pub(crate) fn latency(&self, stats: &SessionStats) {
        let Some(all) = stats.latency else { return };
        let ms = |duration: Duration| format!("{:.1}", duration.as_secs_f64() * 1e3);
        let mut text = format!("{}/{}/{} ms", ms(all.p50), ms(all.p95), ms(all.p99));
        for (stage, latency) in &stats.stages {
            let _ = write!(text, " {} {}", stage.as_str(), ms(latency.p50));
        }
        self.frames.set_message(text);
    }

    /// Removes the bars; what is printed next starts on a clean line.
    pub(crate) fn finish(&self) {
        // Clearing fails only if the terminal went away.
        let _ = self.bars.clear();
    }
}

/// The measured rate, and what it means for the rest.
fn pace(upload: &UploadStats) -> String {
    let mut text = String::new();
    if let Some(rate) = upload.recent_rate {
        let _ = write!(text, "{:.1} MB/s", rate / 1e6);
    }
    if let Some(left) = upload.remaining().filter(|_| !upload.complete) {
        let _ = write!(text, ", {} left", HumanDuration(left));
    }
    text
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constants checked by a test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_valid() {
        for frames in [None, Some(3)] {
            let progress = Progress::new(false, frames);
            progress.uploaded();
            progress.frame();
            progress.finish();
        }
    }

    #[test]
    fn an_upload_tells_its_rate_and_the_time_that_is_left() {
        let mut upload = UploadStats::default();
        assert_eq!(pace(&upload), "");
        (upload.total_bytes, upload.bytes) = (500_000_000, 140_000_000);
        upload.recent_rate = Some(12_000_000.0);
        assert_eq!(pace(&upload), "12.0 MB/s, 30 seconds left");
        upload.complete = true;
        assert_eq!(pace(&upload), "12.0 MB/s");
    }
}
