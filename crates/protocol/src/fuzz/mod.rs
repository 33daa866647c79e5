//! Fuzz bodies: any bytes in, invariants checked, never a panic of the code under test.
//! Compiled in ordinary builds; the corpora and the wrapper live in the `fuzz` folder of the workspace.

use bytes::Bytes;

use crate::chunk::{ChunkReassembler, ReassemblerLimits};
use crate::incoming::Incoming;
use crate::message::{ControlMessage, ImageValue, ResultMessage};
use crate::output::{DataOutput, StreamOutput};
use crate::probe::{
    MAX_PROBE_MESSAGE, MAX_PROBE_TEXT, MAX_PROBE_TIME, MIN_PROBE_MESSAGE, ProbeReply, ProbeRequest,
};
use crate::signalling::{
    Answer, IceUrl, KeyTransport, RestartRequest, WorkerRequest, normalize_ice, redact, redact_url,
};
use crate::upload::{
    MAX_UPLOAD_MESSAGE, UploadAction, UploadLimits, UploadPlan, UploadReceiver, UploadReply,
    UploadRequest, UploadSender, UploadStep,
};

mod machines;
mod pairs;
mod pictures;

pub use machines::{job, session};
pub use pairs::pairing;
pub use pictures::raw_image;

/// Length-prefixed messages: one byte of length, then that many bytes, as far as they reach.
fn messages(data: &[u8]) -> impl Iterator<Item = Bytes> + '_ {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (len, tail) = rest.split_first()?;
        let (message, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        Some(Bytes::copy_from_slice(message))
    })
}

/// Sequences of result chunks against a reassembler with small limits, and against the classifier.
pub fn chunk(data: &[u8]) {
    let limits = ReassemblerLimits::default()
        .with_frames(3)
        .with_bytes(500)
        .with_chunks(64);
    let mut reassembler = ChunkReassembler::with_limits(limits);
    let mut incoming = Incoming::with_limits(limits);
    let mut received = 0;
    for message in messages(data) {
        received += message.len();
        if let Ok(Some((body, _))) = reassembler.add_chunk(message.clone()) {
            assert!(
                body.len() <= received,
                "a body cannot be longer than what came in"
            );
        }
        assert!(
            reassembler.held_bytes() <= limits.bytes
                && reassembler.incomplete_frames() <= limits.frames
        );
        if let Ok(Some(body)) = incoming.binary(message) {
            let _ = body.message();
        }
        assert!(incoming.held_bytes() <= limits.bytes);
    }
}

/// Sequences of upload messages: every byte of the file is handed out once, within the announced bounds.
pub fn upload_chunk(data: &[u8]) {
    let mut receiver = UploadReceiver::new(UploadLimits::new(2000).with_max_chunks(500));
    let mut file = Vec::new();
    let mut completed = None;
    for message in messages(data) {
        let len = message.len();
        match receiver.handle(message) {
            Ok(UploadAction::Store {
                write,
                held,
                complete,
            }) => {
                assert!(completed.is_none(), "nothing is written after completion");
                for write in std::iter::once(write).chain(held) {
                    let start = usize::try_from(write.offset).expect("offsets are below the limit");
                    let end = start + write.data.len();
                    if file.len() < end {
                        file.resize(end, false);
                    }
                    for byte in &mut file[start..end] {
                        assert!(!std::mem::replace(byte, true), "no byte is written twice");
                    }
                }
                completed = complete;
            }
            Ok(UploadAction::Echo(_)) => assert!(len <= 1),
            Ok(_) | Err(_) => {}
        }
        assert!(file.len() <= 2000 && receiver.bitmap_bytes() <= 64);
    }
    if let Some(size) = completed {
        assert!(
            size == file.len() as u64 && file.iter().all(|written| *written),
            "a complete file has no holes"
        );
    }
}

/// A message about an upload, both ways: what is read can be written and read again, and ranges stay within bounds.
pub fn upload_control(data: &[u8]) {
    if let Ok(Some(request)) = UploadRequest::parse(data) {
        assert_eq!(
            UploadRequest::parse(request.text().as_bytes()),
            Ok(Some(request))
        );
    }
    let Ok(Some(reply)) = UploadReply::parse(data) else {
        return;
    };
    let text = reply.text();
    assert!(text.len() <= MAX_UPLOAD_MESSAGE);
    assert_eq!(UploadReply::parse(text.as_bytes()), Ok(Some(reply.clone())));
    let (UploadReply::Have { id, .. } | UploadReply::Verified { id, .. }) = &reply;
    let plan = UploadPlan::new(10_001, 100).expect("a file of 101 chunks");
    let mut sender = UploadSender::new(plan, Some(*id));
    let mut sent = 0;
    if sender.reply(&reply).is_ok() {
        while let UploadStep::Chunk(_) = sender.step() {
            sender.sent();
            sent += 1;
        }
        let (chunks, bytes) = sender.resumed();
        assert!(
            sent == 0 || sent + chunks == 101,
            "each chunk is there or sent"
        );
        assert!(bytes <= 10_001);
    }
}

/// A text of a probe, both ways: within its bounds, and what is read can be written and read again.
pub fn probe(data: &[u8]) {
    if let Ok(request) = ProbeRequest::parse(data) {
        assert_eq!(ProbeRequest::parse(request.text().as_bytes()), Ok(request));
        if let ProbeRequest::Send { time, message } = request {
            assert!(
                time <= MAX_PROBE_TIME
                    && (MIN_PROBE_MESSAGE..=MAX_PROBE_MESSAGE).contains(&message)
            );
        }
    }
    if let Ok(reply) = ProbeReply::parse(data) {
        let text = reply.text();
        assert!(text.len() <= MAX_PROBE_TEXT);
        assert_eq!(ProbeReply::parse(text.as_bytes()), Ok(reply));
    }
}

/// A result body: parsing, metadata, images; what parses as JSON by a second parser is the same object.
pub fn result_json(data: &[u8]) {
    let Ok(message) = ResultMessage::parse(data) else {
        return;
    };
    assert!(serde_json::from_slice::<serde_json::Value>(data).is_err() || data.contains(&b'{'));
    let _ = message.metadata_with_errors();
    for output in message.outputs.iter().flatten() {
        assert!(message.output(&output.name).is_some());
        if let Some(image) = ImageValue::parse(output.value) {
            let _ = image.decode();
        }
    }
}

/// A control message, and what it does to the output modes.
pub fn control_json(data: &[u8]) {
    let Ok(message) = ControlMessage::parse(data) else {
        return;
    };
    let mut stream = StreamOutput::AutoDetect;
    if let Some(names) = &message.stream_output {
        stream.apply(names);
        assert!(stream.has_video());
    }
    let modes = DataOutput::from_names(message.data_output.as_deref());
    assert!(modes.named().iter().all(|name| modes.selects(name, true)));
}

/// Signalling bodies, ICE lists, URLs and the redaction of texts.
pub fn signalling(data: &[u8]) {
    if let Ok(request) = WorkerRequest::parse(data) {
        let again = serde_json::to_vec(&request.to_value(KeyTransport::Both))
            .expect("JSON values serialize");
        let again = WorkerRequest::parse(&again).expect("what we write we read");
        assert_eq!(again.webrtc_offer, request.webrtc_offer);
    }
    if let Ok(answer) = Answer::parse(data) {
        let again = serde_json::to_vec(&answer.to_value()).expect("JSON values serialize");
        assert_eq!(Answer::parse(&again), Ok(answer), "what we write we read");
    }
    if let Ok(request) = RestartRequest::parse(data) {
        let again = serde_json::to_vec(&request.to_value()).expect("JSON values serialize");
        assert_eq!(
            RestartRequest::parse(&again),
            Ok(request),
            "what we write we read"
        );
    }
    if let Ok(value) = serde_json::from_slice(data)
        && let Ok(servers) = normalize_ice(&value)
    {
        assert!(servers.iter().all(|server| !server.urls.is_empty()));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(url) = text.parse::<IceUrl>() {
            assert!(!url.host().is_empty() && url.port() > 0);
        }
        let _ = redact(text);
        let shown = redact_url(text);
        let place = shown.split_once("://").map_or("", |(_, rest)| rest);
        let place = place.split('/').next().unwrap_or_default();
        assert!(!place.contains('@'), "no user, no password");
    }
}
