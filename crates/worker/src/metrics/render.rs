//! The counters as Prometheus text.
//! Not the counting.

use std::fmt::Write;

use framewire_transport::{VideoStats, VideoTrack};

use super::{Counter, Gauges, Metrics, Stage};
use crate::session::SourceKind;

impl Metrics {
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
        one(
            "uploads_kept",
            "gauge",
            "Uploads of broken sessions that wait for the next one.",
            now.uploads_kept as u64,
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
                "ice_restarts_total",
                "Running sessions that were given a new network path.",
                &self.ice_restarts,
            ),
            (
                "ice_restarts_refused_total",
                "Requests for a new network path that were refused.",
                &self.ice_restarts_refused,
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
                "uploads_resumed_total",
                "Uploads that went on where an earlier session had stopped.",
                &self.uploads_resumed,
            ),
            (
                "uploads_damaged_total",
                "Uploads whose hash was not what their sender said.",
                &self.uploads_damaged,
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
                "probe_bytes_sent_total",
                "Bytes sent because a client measured its connection.",
                &self.probe_bytes_sent,
            ),
            (
                "probe_bytes_received_total",
                "Bytes received because a client measured its connection.",
                &self.probe_bytes_received,
            ),
            (
                "probe_rejected_total",
                "Words of clients measuring their connection that were dropped.",
                &self.probe_rejected,
            ),
            (
                "http_requests_total",
                "HTTP requests answered.",
                &self.http_requests,
            ),
            (
                "source_reconnects_total",
                "Pulled sources that broke off and came back.",
                &self.source_reconnects,
            ),
            (
                "video_frames_sent_total",
                "Processed frames put on a track.",
                &self.video_sent,
            ),
            (
                "video_keyframes_sent_total",
                "Keyframes among them.",
                &self.video_keyframes_sent,
            ),
            (
                "video_keyframe_requests_total",
                "Keyframes the clients asked for.",
                &self.keyframe_requests_received,
            ),
        ] {
            one(name, "counter", help, counter.get());
        }
        self.render_video(&mut text);
        text
    }

    fn render_video(&self, text: &mut String) {
        let by_source = |counters: &[Counter]| -> Vec<(String, u64)> {
            let one = |kind: &SourceKind| {
                let label = format!("source=\"{}\"", kind.as_str());
                (label, counters[*kind as usize].get())
            };
            SourceKind::ALL.iter().map(one).collect()
        };
        let by_reason = |counts: Vec<(&'static str, u64)>| -> Vec<(String, u64)> {
            let one = |(reason, count)| (format!("reason=\"{reason}\""), count);
            counts.into_iter().map(one).collect()
        };
        for (name, help, samples) in [
            (
                "frames_dropped_total",
                "Frames without a result, by reason.",
                by_reason(self.dropped()),
            ),
            (
                "video_frames_dropped_total",
                "Processed frames that are not on their track, by reason.",
                by_reason(self.video_dropped()),
            ),
            (
                "source_sessions_total",
                "Sessions by kind of source.",
                by_source(&self.source_sessions),
            ),
            (
                "source_frames_received_total",
                "Encoded frames of live sources.",
                by_source(&self.source_received),
            ),
            (
                "source_frames_decoded_total",
                "Pictures made of the sources' frames.",
                by_source(&self.source_decoded),
            ),
        ] {
            family(text, name, "counter", help, &samples);
        }
        let mut stages = Vec::new();
        for stage in Stage::ALL {
            let summary = self.stages[stage as usize].summary();
            for (quantile, value) in [
                ("0.5", summary.p50),
                ("0.95", summary.p95),
                ("0.99", summary.p99),
            ] {
                let label = format!("stage=\"{}\",quantile=\"{quantile}\"", stage.as_str());
                stages.push((label, u64::try_from(value.as_micros()).unwrap_or(u64::MAX)));
            }
        }
        family(
            text,
            "stage_microseconds",
            "gauge",
            "What a frame spends in each stage.",
            &stages,
        );
        self.render_tracks(text);
        self.render_links(text);
    }

    /// What each running track says of its network.
    fn render_tracks(&self, text: &mut String) {
        let tracks: Vec<(u64, VideoTrack)> = self.tracks().clone();
        let stats: Vec<_> = tracks
            .iter()
            .map(|(id, track)| (id, track.stats()))
            .collect();
        let of = |value: &dyn Fn(&VideoStats) -> u64| -> Vec<(String, u64)> {
            let one =
                |(id, stats): &(&u64, VideoStats)| (format!("session=\"{id}\""), value(stats));
            stats.iter().map(one).collect()
        };
        for (name, kind, help, samples) in [
            (
                "track_target_bits_per_second",
                "gauge",
                "What the encoder should produce now.",
                of(&|s| u64::from(s.target_bitrate)),
            ),
            (
                "track_sent_bytes_total",
                "counter",
                "Bytes of encoded frames sent.",
                of(&|s| s.bytes_sent),
            ),
            (
                "track_received_bytes_total",
                "counter",
                "Bytes of encoded frames received.",
                of(&|s| s.bytes_received),
            ),
            (
                "track_packets_lost_total",
                "counter",
                "Packets that never came in time.",
                of(&|s| s.packets_lost),
            ),
            (
                "track_nacks_sent_total",
                "counter",
                "Requests for repair sent.",
                of(&|s| s.nacks_sent),
            ),
            (
                "track_nacks_received_total",
                "counter",
                "Requests for repair received.",
                of(&|s| s.nacks_received),
            ),
            (
                "track_keyframe_requests_sent_total",
                "counter",
                "Keyframe requests sent.",
                of(&|s| s.keyframe_requests_sent),
            ),
            (
                "track_keyframe_requests_received_total",
                "counter",
                "Keyframe requests received.",
                of(&|s| s.keyframe_requests_received),
            ),
        ] {
            family(text, name, kind, help, &samples);
        }
    }
}

pub(super) fn family(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    samples: &[(String, u64)],
) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP framewire_{name} {help}");
    let _ = writeln!(text, "# TYPE framewire_{name} {kind}");
    for (label, value) in samples {
        let _ = writeln!(text, "framewire_{name}{{{label}}} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::DropReason;

    #[test]
    fn every_sample_is_announced_and_counted() {
        let metrics = Metrics::default();
        metrics.frames.add(3);
        metrics.lose(DropReason::SlowWorkflow, 2);
        let text = metrics.render(Gauges {
            sessions: 1,
            max_sessions: 8,
            upload_bytes_held: 7,
            uploads_kept: 0,
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
