//! The figures of a session as JSON; names follow the Rust fields, durations are seconds.
//! Not here: counting.

use std::time::Duration;

use framewire::{DataStats, LatencySummary, OutgoingStats, SessionStats, VideoStats};
use serde_json::{Map, Value, json};

/// All figures as one object.
pub(crate) fn json(stats: &SessionStats) -> Value {
    let frames = &stats.frames;
    let dropped: Map<String, Value> = frames
        .dropped
        .iter()
        .map(|(reason, count)| (reason.as_str().to_owned(), (*count).into()))
        .collect();
    let stages: Map<String, Value> = stats
        .stages
        .iter()
        .map(|(stage, summary)| (stage.as_str().to_owned(), latency(summary)))
        .collect();
    json!({
        "frames": {
            "produced": frames.produced,
            "received": frames.received,
            "delivered": frames.delivered,
            "dropped": dropped,
            "dropped_after_receipt": frames.dropped_after_receipt(),
            "queued": frames.queued,
            "in_flight": frames.in_flight,
        },
        "results": stats.results,
        "errors": stats.errors,
        "stream_errors": stats.stream_errors,
        "bad_messages": stats.bad_messages,
        "reconnects": stats.reconnects,
        "ice_restarts": stats.ice_restarts,
        "repeated": stats.repeated,
        "fresh_results": {
            "overtaken": stats.fresh_results.overtaken,
            "incomplete": stats.fresh_results.incomplete,
        },
        "handler_panics": stats.handler_panics,
        "fps": stats.fps,
        "elapsed": stats.elapsed.as_secs_f64(),
        "connect": seconds(stats.connect),
        "first_frame": seconds(stats.first_frame),
        "latency": stats.latency.as_ref().map(latency),
        "stages": stages,
        "pairing": {
            "exact": stats.pairing.exact,
            "nearest": stats.pairing.nearest,
            "unpaired": stats.pairing.unpaired,
        },
        "outgoing": stats.outgoing.as_ref().map(outgoing),
        "transport": stats.transport.as_ref().map(transport),
        "video": stats.video.as_ref().map(video),
        "upload": {
            "bytes": stats.upload.bytes,
            "total_bytes": stats.upload.total_bytes,
            "resumed_bytes": stats.upload.resumed_bytes,
            "elapsed": stats.upload.elapsed.as_secs_f64(),
            "complete": stats.upload.complete,
            "verified": stats.upload.verified,
            "rate": stats.upload.rate(),
            "recent_rate": stats.upload.recent_rate,
        },
    })
}

fn seconds(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| duration.as_secs_f64())
}

fn latency(summary: &LatencySummary) -> Value {
    json!({
        "p50": summary.p50.as_secs_f64(),
        "p95": summary.p95.as_secs_f64(),
        "p99": summary.p99.as_secs_f64(),
        "n": summary.n,
    })
}

fn outgoing(stats: &OutgoingStats) -> Value {
    json!({
        "captured": stats.captured,
        "sent": stats.sent,
        "keyframes": stats.keyframes,
        "bytes": stats.bytes,
        "dropped": stats.dropped,
        "bitrate": stats.bitrate,
    })
}

fn transport(stats: &DataStats) -> Value {
    json!({
        "rate": stats.rate,
        "rtt": stats.rtt.as_secs_f64(),
        "min_rtt": stats.min_rtt.as_secs_f64(),
        "in_flight": stats.in_flight,
        "unacknowledged": stats.unacknowledged,
        "unsent": stats.unsent,
        "window": stats.window,
        "peer_window": stats.peer_window,
        "held": stats.held,
        "packets_sent": stats.packets_sent,
        "packets_received": stats.packets_received,
        "retransmitted": stats.retransmitted,
        "lost": stats.lost,
        "spurious": stats.spurious,
        "timeouts": stats.timeouts,
        "probes": stats.probes,
        "dropped": stats.dropped,
    })
}

fn video(stats: &VideoStats) -> Value {
    json!({
        "frames_sent": stats.frames_sent,
        "bytes_sent": stats.bytes_sent,
        "packets_sent": stats.packets_sent,
        "frames_received": stats.frames_received,
        "bytes_received": stats.bytes_received,
        "keyframes_received": stats.keyframes_received,
        "packets_received": stats.packets_received,
        "packets_lost": stats.packets_lost,
        "packets_late": stats.packets_late,
        "dropped_incomplete": stats.dropped_incomplete,
        "dropped_late_consumer": stats.dropped_late_consumer,
        "refused_congested": stats.refused_congested,
        "keyframe_requests_sent": stats.keyframe_requests_sent,
        "keyframe_requests_received": stats.keyframe_requests_received,
        "nacks_sent": stats.nacks_sent,
        "nacks_received": stats.nacks_received,
        "target_bitrate": stats.target_bitrate,
        "rtt": seconds(stats.rtt),
    })
}
