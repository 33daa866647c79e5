//! The table at the end of a run.
//! Not here: the numbers' source; see the summary.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::summary::Summary;

/// Renders the end-of-run table: figures first, then detections per class.
pub(crate) fn render(summary: &Summary, detections: &BTreeMap<String, u64>) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
    row(
        "frames",
        format!(
            "{} produced, {} delivered{}",
            summary.frames.produced,
            summary.frames.delivered,
            dropped(summary)
        ),
    );
    row(
        "results",
        format!("{} ({} with errors)", summary.results, summary.errors),
    );
    if let Some(fps) = summary.fps {
        row("frames per second", format!("{fps:.1}"));
    }
    row("seconds", format!("{:.2}", summary.seconds));
    if let (Some(connect), Some(first)) = (summary.connect_ms, summary.first_frame_ms) {
        row(
            "connected, first frame",
            format!("{connect:.0} ms, {first:.0} ms"),
        );
    }
    if let Some(latency) = summary.latency_ms {
        row(
            "latency",
            format!(
                "p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
                latency.p50, latency.p95, latency.p99
            ),
        );
    }
    if !summary.stages_ms.is_empty() {
        let stages: Vec<_> = summary
            .stages_ms
            .iter()
            .map(|(stage, latency)| format!("{stage} {:.1}", latency.p50))
            .collect();
        row("stages, p50 in ms", stages.join(", "));
    }
    if let Some(reconnects) = summary.reconnects {
        row("new connections", reconnects.to_string());
    }
    if let Some(upload) = summary.upload {
        row(
            "upload",
            format!(
                "{:.2} MB at {:.1} MB/s{}",
                upload.bytes as f64 / 1e6,
                upload.mb_per_s,
                match upload.resumed_bytes {
                    0 => String::new(),
                    there => format!(" ({:.2} MB were there)", there as f64 / 1e6),
                }
            ),
        );
    }
    row(
        "this process",
        format!(
            "{:.2} CPU s, {:.0} MiB peak",
            summary.cpu_seconds, summary.max_rss_mb
        ),
    );
    for (class, count) in detections {
        row(&format!("detections: {class}"), count.to_string());
    }
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:<width$}  {value}");
    }
    text
}

fn dropped(summary: &Summary) -> String {
    if summary.frames.dropped.is_empty() {
        return String::new();
    }
    let reasons: Vec<_> = summary
        .frames
        .dropped
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    format!(", dropped: {}", reasons.join(", "))
}
