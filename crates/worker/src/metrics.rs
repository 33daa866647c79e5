//! Counters of one worker and their Prometheus text.
//! Not statistics of a single session: those go to its closing log line.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Everything counted. Each update is one relaxed atomic addition.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) sessions_started: Counter,
    pub(crate) sessions_completed: Counter,
    pub(crate) sessions_failed: Counter,
    pub(crate) sessions_cut_short: Counter,
    pub(crate) sessions_refused: Counter,
    pub(crate) frames: Counter,
    pub(crate) frame_errors: Counter,
    pub(crate) dropped_slow_workflow: Counter,
    pub(crate) dropped_no_channel: Counter,
    pub(crate) dropped_slow_channel: Counter,
    pub(crate) upload_bytes: Counter,
    pub(crate) result_bytes: Counter,
    pub(crate) control_messages: Counter,
    pub(crate) control_rejected: Counter,
    pub(crate) http_requests: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is read at the moment of asking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauges {
    pub(crate) sessions: usize,
    pub(crate) max_sessions: usize,
    pub(crate) upload_bytes_held: u64,
    pub(crate) draining: bool,
}

impl Metrics {
    /// Dropped frames by reason.
    pub(crate) fn dropped(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("slow_workflow", self.dropped_slow_workflow.get()),
            ("slow_channel", self.dropped_slow_channel.get()),
            ("no_channel", self.dropped_no_channel.get()),
        ]
    }

    /// The Prometheus text format, version 0.0.4.
    pub(crate) fn render(&self, now: Gauges) -> String {
        let mut text = String::with_capacity(2048);
        let mut one = |name: &str, kind: &str, help: &str, value: u64| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP framewire_{name} {help}");
            let _ = writeln!(text, "# TYPE framewire_{name} {kind}");
            let _ = writeln!(text, "framewire_{name} {value}");
        };
        one(
            "sessions",
            "gauge",
            "Sessions running now.",
            now.sessions as u64,
        );
        one(
            "sessions_limit",
            "gauge",
            "Sessions allowed at once.",
            now.max_sessions as u64,
        );
        one(
            "draining",
            "gauge",
            "1 while shutting down.",
            u64::from(now.draining),
        );
        one(
            "upload_bytes_held",
            "gauge",
            "Bytes of uploads on disk now.",
            now.upload_bytes_held,
        );
        for (name, help, counter) in [
            (
                "sessions_started_total",
                "Sessions answered.",
                &self.sessions_started,
            ),
            (
                "sessions_completed_total",
                "Sessions that processed their whole source.",
                &self.sessions_completed,
            ),
            (
                "sessions_failed_total",
                "Sessions that ended with an error.",
                &self.sessions_failed,
            ),
            (
                "sessions_cut_short_total",
                "Sessions ended early by the client or a shutdown.",
                &self.sessions_cut_short,
            ),
            (
                "sessions_refused_total",
                "Sessions refused because all places were taken.",
                &self.sessions_refused,
            ),
            (
                "frames_total",
                "Frames whose result was sent.",
                &self.frames,
            ),
            (
                "frame_errors_total",
                "Frames whose result carries errors.",
                &self.frame_errors,
            ),
            (
                "upload_bytes_total",
                "Bytes of video received.",
                &self.upload_bytes,
            ),
            (
                "result_bytes_total",
                "Bytes of results sent.",
                &self.result_bytes,
            ),
            (
                "control_messages_total",
                "Control messages received.",
                &self.control_messages,
            ),
            (
                "control_rejected_total",
                "Control messages dropped as unusable.",
                &self.control_rejected,
            ),
            (
                "http_requests_total",
                "HTTP requests answered.",
                &self.http_requests,
            ),
        ] {
            one(name, "counter", help, counter.get());
        }
        let _ = writeln!(
            text,
            "# HELP framewire_frames_dropped_total Frames without a result, by reason."
        );
        let _ = writeln!(text, "# TYPE framewire_frames_dropped_total counter");
        for (reason, count) in self.dropped() {
            let _ = writeln!(
                text,
                "framewire_frames_dropped_total{{reason=\"{reason}\"}} {count}"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_announced_and_counted() {
        let metrics = Metrics::default();
        metrics.frames.add(3);
        metrics.dropped_slow_workflow.add(2);
        let text = metrics.render(Gauges {
            sessions: 1,
            max_sessions: 8,
            upload_bytes_held: 7,
            draining: false,
        });
        assert!(text.contains("\nframewire_frames_total 3\n"));
        assert!(text.contains("\nframewire_frames_dropped_total{reason=\"slow_workflow\"} 2\n"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split([' ', '{']).next().unwrap();
            assert!(text.contains(&format!("# TYPE {name} ")), "{line}");
        }
    }
}
