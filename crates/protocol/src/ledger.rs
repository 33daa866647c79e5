//! The worker's half of the latency ledger: the `fw` object in `video_metadata`.
//! It names durations and one RTP timestamp; it measures nothing.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;

/// Largest duration taken from the wire, 31 years. Sums of what a message says cannot overflow then.
pub const MAX_WORKER_US: u64 = 1_000_000_000_000_000;

/// Where the worker's time for one frame went, on the worker's monotonic clock, in microseconds; and which video frame on the
/// track carries the same result. Sent only after both ends named [`Feature::Ledger`](crate::signalling::Feature::Ledger).
///
/// Everything may be missing: what the worker does not know (yet) is null. The result leaves before its frame is encoded, so
/// [`encode_us`](Self::encode_us) and [`send_us`](Self::send_us) are null in most messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
pub struct WorkerTimes {
    /// RTP timestamp of the video frame that belongs to this result: the outgoing one, or in a session without video towards
    /// the client the incoming one.
    pub rtp_ts: Option<u32>,
    /// When the frame was complete at the worker, counted from the start of the session.
    pub received_us: Option<u64>,
    /// Waiting: before decoding and before the workflow.
    pub queue_us: Option<u64>,
    /// Decoding.
    pub decode_us: Option<u64>,
    /// The workflow.
    pub infer_us: Option<u64>,
    /// Encoding the frame for the track.
    pub encode_us: Option<u64>,
    /// From the encoder to the network.
    pub send_us: Option<u64>,
}

impl WorkerTimes {
    /// The worker's own time as far as it is known: waiting, decoding, workflow, encoding, sending. `None` when nothing is.
    pub fn total_us(&self) -> Option<u64> {
        [
            self.queue_us,
            self.decode_us,
            self.infer_us,
            self.encode_us,
            self.send_us,
        ]
        .into_iter()
        .flatten()
        .reduce(u64::saturating_add)
    }

    /// Reads the object. Anything but an object is `None`; a field that is missing, of another type or out of range is `None`
    /// by itself: these figures are never worth a result.
    pub(crate) fn read(raw: &RawValue) -> Option<Self> {
        let fields: HashMap<String, &RawValue> = serde_json::from_str(raw.get()).ok()?;
        let number = |name: &str| -> Option<u64> {
            let value = serde_json::from_str(fields.get(name)?.get()).ok()?;
            (value <= MAX_WORKER_US).then_some(value)
        };
        Some(WorkerTimes {
            rtp_ts: number("rtp_ts").and_then(|ts| u32::try_from(ts).ok()),
            received_us: number("received_us"),
            queue_us: number("queue_us"),
            decode_us: number("decode_us"),
            infer_us: number("infer_us"),
            encode_us: number("encode_us"),
            send_us: number("send_us"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<WorkerTimes> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        WorkerTimes::read(&raw)
    }

    #[test]
    fn what_is_no_object_is_nothing() {
        for json in ["null", "5", "\"x\"", "[]", "[1]", "true"] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn a_field_that_makes_no_sense_is_missing_and_the_others_stay() {
        assert_eq!(read("{}"), Some(WorkerTimes::default()));
        let times = read(
            r#"{"rtp_ts": 4294967296, "received_us": -1, "queue_us": 1e999, "decode_us": "7", "infer_us": 12.5,
                "encode_us": 1000000000000001, "send_us": 3, "else": {"a": [1]}}"#,
        )
        .unwrap();
        let expected = WorkerTimes {
            send_us: Some(3),
            ..WorkerTimes::default()
        };
        assert_eq!(times, expected);
        assert_eq!(times.total_us(), Some(3));
        let most = read(r#"{"rtp_ts": 4294967295, "infer_us": 1000000000000000}"#).unwrap();
        assert_eq!(
            (most.rtp_ts, most.infer_us),
            (Some(u32::MAX), Some(MAX_WORKER_US))
        );
        assert_eq!(read("{}").unwrap().total_us(), None);
    }

    #[test]
    fn a_repeated_field_counts_as_the_last_one() {
        let times = read(r#"{"infer_us": 1, "infer_us": 2}"#).unwrap();
        assert_eq!(times.infer_us, Some(2));
    }
}
