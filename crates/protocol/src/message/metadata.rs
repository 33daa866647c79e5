//! `video_metadata`: what the worker says about the frame a result belongs to.
//! Metadata of images inside outputs is another thing and stays raw JSON.

use std::collections::HashMap;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::FrameId;
use crate::ledger::WorkerTimes;
use crate::message::result::Metadata;

/// Facts about one frame.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct VideoMetadata {
    /// Counter of the frame, from 1; 0 in the completion message of a session that processed nothing.
    pub frame_id: FrameId,
    /// When the worker read the frame, on the worker's own clock. Local time without a zone, normally.
    pub received_at: NaiveDateTime,
    /// Offset of `received_at` from UTC in seconds, if the message had one.
    pub utc_offset: Option<i32>,
    /// Presentation time in units of `time_base`.
    pub pts: Option<i64>,
    /// Seconds per tick of `pts`.
    pub time_base: Option<f64>,
    /// Frame rate of the request, or the one found in the uploaded file.
    pub declared_fps: Option<f64>,
    /// Rate at which the worker takes frames, if it says so.
    pub measured_fps: Option<f64>,
    /// Width of the source frame.
    pub width: Option<u32>,
    /// Height of the source frame.
    pub height: Option<u32>,
    /// Where the worker's time went, if both ends agreed on the ledger; see [`WorkerTimes`].
    pub fw: Option<WorkerTimes>,
    /// Errors of the frame. Not part of `video_metadata` on the wire; filled in for handlers.
    pub errors: Vec<String>,
}

impl VideoMetadata {
    /// Only the two required fields; set the others directly.
    pub fn new(frame_id: FrameId, received_at: NaiveDateTime) -> Self {
        VideoMetadata {
            frame_id,
            received_at,
            utc_offset: None,
            pts: None,
            time_base: None,
            declared_fps: None,
            measured_fps: None,
            width: None,
            height: None,
            fw: None,
            errors: Vec::new(),
        }
    }

    /// Presentation time in seconds, if both parts are known.
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of a video fit an f64 to the microsecond"
    )]
    pub fn seconds(&self) -> Option<f64> {
        Some(self.pts? as f64 * self.time_base?)
    }

    pub(super) fn read(raw: &RawValue) -> Metadata {
        if raw.get() == "null" {
            return Metadata::Absent;
        }
        // Each value is read by itself, so that one no parser can hold (1e999) costs its own field at most.
        match serde_json::from_str::<HashMap<String, &RawValue>>(raw.get()) {
            Ok(fields) => {
                Self::from_fields(&fields).map_or(Metadata::Unreadable, Metadata::Present)
            }
            Err(_) => Metadata::Unreadable,
        }
    }

    fn from_fields(fields: &HashMap<String, &RawValue>) -> Option<Self> {
        let value = |name: &str| -> Option<Value> {
            fields.get(name).map_or(Some(Value::Null), |raw| {
                serde_json::from_str(raw.get()).ok()
            })
        };
        let frame_id = FrameId(value("frame_id")?.as_u64()?);
        let (received_at, utc_offset) = parse_time(value("received_at")?.as_str()?)?;
        let mut metadata = VideoMetadata::new(frame_id, received_at);
        metadata.utc_offset = utc_offset;
        metadata.pts = optional(value("pts")?, Value::as_i64)?;
        metadata.time_base = optional(value("time_base")?, Value::as_f64)?;
        metadata.declared_fps = optional(value("declared_fps")?, Value::as_f64)?;
        metadata.measured_fps = optional(value("measured_fps")?, Value::as_f64)?;
        let size = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
        metadata.width = optional(value("width")?, size)?;
        metadata.height = optional(value("height")?, size)?;
        metadata.fw = fields.get("fw").and_then(|raw| WorkerTimes::read(raw));
        Some(metadata)
    }
}

/// `Some(None)` for null or missing, `None` for the wrong type.
fn optional<T>(value: Value, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::Null => Some(None),
        value => read(&value).map(Some),
    }
}

/// ISO-8601 with or without fraction and zone; a date alone is midnight.
fn parse_time(text: &str) -> Option<(NaiveDateTime, Option<i32>)> {
    let text = text.trim();
    for format in [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some((time, None));
        }
    }
    let zoned: Option<DateTime<FixedOffset>> =
        DateTime::parse_from_rfc3339(text).ok().or_else(|| {
            ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"]
                .iter()
                .find_map(|format| DateTime::parse_from_str(text, format).ok())
        });
    if let Some(time) = zoned {
        return Some((time.naive_local(), Some(time.offset().local_minus_utc())));
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some((date.and_time(NaiveTime::MIN), None))
}

/// ISO-8601 as Python's `isoformat` writes it: six digits of fraction, or none when they are all 0.
pub(crate) fn time_text(time: NaiveDateTime) -> String {
    let micros = time.nanosecond() / 1_000 % 1_000_000;
    let format = if micros == 0 {
        "%Y-%m-%dT%H:%M:%S"
    } else {
        "%Y-%m-%dT%H:%M:%S%.6f"
    };
    time.format(format).to_string()
}

impl Serialize for VideoMetadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("VideoMetadata", 9)?;
        object.serialize_field("frame_id", &self.frame_id.0)?;
        object.serialize_field("received_at", &time_text(self.received_at))?;
        object.serialize_field("pts", &self.pts)?;
        object.serialize_field("time_base", &finite(self.time_base))?;
        object.serialize_field("declared_fps", &finite(self.declared_fps))?;
        object.serialize_field("measured_fps", &finite(self.measured_fps))?;
        object.serialize_field("width", &self.width)?;
        object.serialize_field("height", &self.height)?;
        if let Some(times) = &self.fw {
            object.serialize_field("fw", times)?;
        }
        object.end()
    }
}

fn finite(number: Option<f64>) -> Option<f64> {
    number.filter(|n| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Metadata {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        VideoMetadata::read(&raw)
    }

    #[test]
    fn dates_with_and_without_fraction_and_zone() {
        let table = [
            (
                "2026-01-02T03:04:05.678901",
                "2026-01-02T03:04:05.678901",
                None,
            ),
            ("2026-01-02T03:04:05", "2026-01-02T03:04:05", None),
            ("2026-01-02 03:04:05.5", "2026-01-02T03:04:05.500000", None),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05", Some(0)),
            (
                "2026-01-02T03:04:05.25+02:00",
                "2026-01-02T03:04:05.250000",
                Some(7200),
            ),
            (
                "2026-01-02T03:04:05+0200",
                "2026-01-02T03:04:05",
                Some(7200),
            ),
            ("2026-01-02", "2026-01-02T00:00:00", None),
        ];
        for (text, naive, offset) in table {
            let json = format!("{{\"frame_id\": 1, \"received_at\": \"{text}\"}}");
            let Metadata::Present(metadata) = read(&json) else {
                panic!("{text} is unreadable")
            };
            assert_eq!(
                (
                    time_text(metadata.received_at).as_str(),
                    metadata.utc_offset
                ),
                (naive, offset),
                "{text}"
            );
        }
    }

    #[test]
    fn unreadable_metadata_is_told_from_absent_metadata() {
        assert_eq!(read("null"), Metadata::Absent);
        let date = r#""received_at":"2026-01-02T03:04:05""#;
        for json in [
            "5".to_owned(),
            "{}".to_owned(),
            format!("{{{date}}}"),
            "{\"frame_id\":1}".to_owned(),
            format!("{{\"frame_id\":-1,{date}}}"),
            format!("{{\"frame_id\":\"1\",{date}}}"),
            format!("{{\"frame_id\":1,{date},\"pts\":\"x\"}}"),
            format!("{{\"frame_id\":1,{date},\"width\":-1}}"),
            "{\"frame_id\":1,\"received_at\":\"soon\"}".to_owned(),
        ] {
            assert_eq!(read(&json), Metadata::Unreadable, "{json}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let time = NaiveDate::from_ymd_opt(2026, 1, 2)
            .unwrap()
            .and_hms_micro_opt(3, 4, 5, 7)
            .unwrap();
        let mut metadata = VideoMetadata::new(FrameId(3), time);
        metadata.pts = Some(-5);
        metadata.time_base = Some(1.0 / 90_000.0);
        metadata.measured_fps = Some(29.5);
        (metadata.width, metadata.height) = (Some(640), Some(480));
        let json = serde_json::to_string(&metadata).unwrap();
        assert_eq!(read(&json), Metadata::Present(metadata.clone()));
        metadata.measured_fps = Some(f64::NAN);
        assert!(
            serde_json::to_string(&metadata)
                .unwrap()
                .contains("\"measured_fps\":null")
        );
    }
}
