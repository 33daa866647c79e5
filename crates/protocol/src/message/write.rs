//! Writing result messages: both JSON forms of the wire.
//! It does not compress, chunk or choose outputs.

use serde::Serialize;
use serde_json::Value;

use crate::message::metadata::VideoMetadata;
use crate::message::python_json::to_python_json;

#[derive(Serialize)]
struct Wire<'a> {
    serialized_output_data: Option<Value>,
    video_metadata: Option<&'a VideoMetadata>,
    errors: &'a [String],
    processing_complete: bool,
    termination_reason: Option<&'a str>,
}

/// Appends the message of a frame in data mode "none", in the form the original writes it.
pub fn write_none_message(out: &mut Vec<u8>, metadata: &VideoMetadata, errors: &[String]) {
    write(out, metadata, errors, false, None);
}

/// The completion message: the last processed frame (0 when there was none), and why processing ended early if it did.
/// Of `metadata` only the frame id and the time count; the other fields are written as null.
pub fn completion_message(
    metadata: &VideoMetadata,
    errors: &[String],
    termination_reason: Option<&str>,
) -> Vec<u8> {
    let bare = VideoMetadata::new(metadata.frame_id, metadata.received_at);
    let mut out = Vec::with_capacity(320);
    write(&mut out, &bare, errors, true, termination_reason);
    out
}

fn write(
    out: &mut Vec<u8>,
    metadata: &VideoMetadata,
    errors: &[String],
    processing_complete: bool,
    termination_reason: Option<&str>,
) {
    let wire = Wire {
        serialized_output_data: None,
        video_metadata: Some(metadata),
        errors,
        processing_complete,
        termination_reason,
    };
    let written = to_python_json(&wire, out);
    debug_assert!(
        written.is_ok(),
        "strings and numbers always serialize into memory"
    );
}

/// Writes one compact result message, outputs first, straight into the caller's buffer.
///
/// ```
/// use framewire_protocol::{FrameId, message::{ResultWriter, VideoMetadata}};
/// # let received_at = chrono::NaiveDateTime::default();
/// let mut buffer = Vec::new();
/// let mut writer = ResultWriter::begin(&mut buffer);
/// writer.output("predictions", |json| {
///     json.extend_from_slice(b"[1,2]");
///     Ok(())
/// });
/// writer.finish(&VideoMetadata::new(FrameId(1), received_at), Vec::new());
/// assert!(buffer.starts_with(br#"{"serialized_output_data":{"predictions":[1,2]},"video_metadata":{"frame_id":1,"#));
/// ```
#[derive(Debug)]
#[must_use = "a message that is not finished is not valid JSON"]
pub struct ResultWriter<'a> {
    out: &'a mut Vec<u8>,
    outputs: usize,
    errors: Vec<String>,
}

impl<'a> ResultWriter<'a> {
    /// Starts a message at the end of `out`; the buffer is not cleared, so that callers can reuse it.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(b"{\"serialized_output_data\":");
        ResultWriter {
            out,
            outputs: 0,
            errors: Vec::new(),
        }
    }

    /// Writes one output; `value` appends exactly one JSON value. If it fails, what it appended is replaced by
    /// `{"__serialization_error__": text}` and the error is reported with the message.
    pub fn output(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>) -> Result<(), String>) {
        self.out.push(if self.outputs == 0 { b'{' } else { b',' });
        self.outputs += 1;
        write_json_text(self.out, name);
        self.out.push(b':');
        let start = self.out.len();
        if let Err(text) = value(self.out) {
            self.out.truncate(start);
            self.out.extend_from_slice(b"{\"__serialization_error__\":");
            write_json_text(self.out, &text);
            self.out.push(b'}');
            self.errors.push(format!("{name}: {text}"));
        }
    }

    /// Adds an error that belongs to serialization, such as a requested output that does not exist.
    pub fn error(&mut self, text: String) {
        self.errors.push(text);
    }

    /// Ends the message. `errors` come first, then those of serialization. Without any output the data is null.
    pub fn finish(self, metadata: &VideoMetadata, mut errors: Vec<String>) {
        errors.extend(self.errors);
        self.out
            .extend_from_slice(if self.outputs == 0 { b"null" } else { b"}" });
        self.out.extend_from_slice(b",\"video_metadata\":");
        write_compact(self.out, metadata);
        self.out.extend_from_slice(b",\"errors\":");
        write_compact(self.out, &errors);
        self.out
            .extend_from_slice(b",\"processing_complete\":false,\"termination_reason\":null}");
    }
}

fn write_json_text(out: &mut Vec<u8>, text: &str) {
    write_compact(out, text);
}

fn write_compact<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(
        written.is_ok(),
        "strings and numbers always serialize into memory"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameId;
    use crate::ledger::WorkerTimes;
    use crate::message::ResultMessage;
    use chrono::NaiveDate;

    fn metadata() -> VideoMetadata {
        let date = NaiveDate::from_ymd_opt(2026, 1, 2).unwrap();
        let mut metadata = VideoMetadata::new(
            FrameId(1),
            date.and_hms_micro_opt(3, 4, 5, 678_901).unwrap(),
        );
        (metadata.pts, metadata.time_base) = (Some(3000), Some(1.0 / 90_000.0));
        (metadata.width, metadata.height) = (Some(640), Some(480));
        metadata
    }

    #[test]
    fn mode_none_is_written_byte_for_byte_as_the_original_does() {
        let mut out = Vec::new();
        write_none_message(&mut out, &metadata(), &[]);
        let original = r#"{"serialized_output_data": null, "video_metadata": {"frame_id": 1, "received_at": "2026-01-02T03:04:05.678901", "pts": 3000, "time_base": 1.1111111111111112e-05, "declared_fps": null, "measured_fps": null, "width": 640, "height": 480}, "errors": [], "processing_complete": false, "termination_reason": null}"#;
        assert_eq!(String::from_utf8(out).unwrap(), original);
    }

    #[test]
    fn the_times_of_the_worker_are_written_byte_for_byte_and_only_when_there_are_any() {
        let mut timed = metadata();
        timed.fw = Some(WorkerTimes {
            rtp_ts: Some(u32::MAX),
            received_us: Some(1_500_000),
            queue_us: Some(120),
            decode_us: Some(900),
            infer_us: Some(17_000),
            encode_us: None,
            send_us: None,
        });
        let mut out = Vec::new();
        write_none_message(&mut out, &timed, &[]);
        let golden = r#"{"serialized_output_data": null, "video_metadata": {"frame_id": 1, "received_at": "2026-01-02T03:04:05.678901", "pts": 3000, "time_base": 1.1111111111111112e-05, "declared_fps": null, "measured_fps": null, "width": 640, "height": 480, "fw": {"rtp_ts": 4294967295, "received_us": 1500000, "queue_us": 120, "decode_us": 900, "infer_us": 17000, "encode_us": null, "send_us": null}}, "errors": [], "processing_complete": false, "termination_reason": null}"#;
        assert_eq!(String::from_utf8(out).unwrap(), golden);
        let mut out = Vec::new();
        ResultWriter::begin(&mut out).finish(&timed, Vec::new());
        let golden = r#"{"serialized_output_data":null,"video_metadata":{"frame_id":1,"received_at":"2026-01-02T03:04:05.678901","pts":3000,"time_base":0.000011111111111111112,"declared_fps":null,"measured_fps":null,"width":640,"height":480,"fw":{"rtp_ts":4294967295,"received_us":1500000,"queue_us":120,"decode_us":900,"infer_us":17000,"encode_us":null,"send_us":null}},"errors":[],"processing_complete":false,"termination_reason":null}"#;
        assert_eq!(String::from_utf8(out.clone()).unwrap(), golden);
        let read = ResultMessage::parse(&out).unwrap();
        assert_eq!(read.video_metadata.get(), Some(&timed));
        let completion = completion_message(&timed, &[], None);
        assert!(!String::from_utf8(completion).unwrap().contains("\"fw\""));
    }

    #[test]
    fn times_that_make_no_sense_never_cost_the_result() {
        for (fw, expected) in [
            ("null", None),
            ("7", None),
            ("[{}]", None),
            ("1e999", None),
            (
                r#"{"rtp_ts": -1, "infer_us": 1e999}"#,
                Some(WorkerTimes::default()),
            ),
            (
                r#"{"infer_us": {"deep": [[[]]]}}"#,
                Some(WorkerTimes::default()),
            ),
        ] {
            let body = format!(
                r#"{{"serialized_output_data": {{"a": 1}}, "video_metadata": {{"frame_id": 4, "received_at": "2026-01-02T03:04:05", "fw": {fw}}}}}"#
            );
            let message = ResultMessage::parse(body.as_bytes()).unwrap();
            let metadata = message.video_metadata.get().expect("the rest is readable");
            assert_eq!(
                (metadata.frame_id, metadata.fw),
                (FrameId(4), expected),
                "{fw}"
            );
            assert!(message.output("a").is_some());
        }
    }

    #[test]
    fn the_completion_message_carries_only_id_and_time() {
        let out = completion_message(&metadata(), &["bäd".to_owned()], Some("timeout_reached"));
        let text = String::from_utf8(out).unwrap();
        assert!(text.is_ascii());
        assert!(
            text.contains(r#""pts": null"#)
                && text.contains(r#""errors": ["b\u00e4d"], "processing_complete": true"#)
        );
        assert!(text.ends_with(r#""termination_reason": "timeout_reached"}"#));
        let message = ResultMessage::parse(text.as_bytes()).unwrap();
        assert!(message.processing_complete);
    }

    #[test]
    fn an_output_that_fails_becomes_an_error_and_the_message_stays_valid() {
        let mut out = Vec::new();
        let mut writer = ResultWriter::begin(&mut out);
        writer.output("good", |json| {
            json.extend_from_slice(b"{\"x\":1}");
            Ok(())
        });
        writer.output("b\"ad", |json| {
            json.extend_from_slice(b"{\"half");
            Err("no encoder".to_owned())
        });
        writer.error("Output 'z' not found".to_owned());
        writer.finish(&metadata(), vec!["first".to_owned()]);
        let message = ResultMessage::parse(&out).unwrap();
        assert_eq!(message.output("good").unwrap().get(), "{\"x\":1}");
        assert_eq!(
            message.output("b\"ad").unwrap().get(),
            r#"{"__serialization_error__":"no encoder"}"#
        );
        assert_eq!(
            message.errors,
            ["first", "b\"ad: no encoder", "Output 'z' not found"]
        );
        assert_eq!(message.video_metadata.get(), Some(&metadata()));
    }

    #[test]
    fn no_output_at_all_is_null() {
        let mut out = Vec::new();
        ResultWriter::begin(&mut out).finish(&metadata(), vec![]);
        assert!(ResultMessage::parse(&out).unwrap().outputs.is_none());
    }
}
