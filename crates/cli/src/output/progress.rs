//! Progress bars on a terminal: upload first, then frames.
//! Not here: any output when stderr is no terminal.

use framewire::SessionStats;
use framewire_protocol::CHUNK_SIZE;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

/// Two bars; all methods are cheap and may be called from any thread.
#[derive(Clone)]
pub(crate) struct Progress {
    bars: MultiProgress,
    upload: ProgressBar,
    frames: ProgressBar,
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
            "upload {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
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
        }
    }

    /// Chunks handed to the network so far, of all.
    pub(crate) fn uploaded(&self, chunks: u64, total: u64) {
        let bytes = CHUNK_SIZE as u64;
        self.upload.set_length(total * bytes);
        self.upload.set_position(chunks * bytes);
        if chunks == total {
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
            progress.uploaded(1, 2);
            progress.frame();
            progress.finish();
        }
    }
}
