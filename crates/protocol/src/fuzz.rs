//! Fuzz bodies: any bytes in, invariants checked, never a panic of the code under test.
//! Compiled in ordinary builds; the corpora and the wrapper live in the `fuzz` folder of the workspace.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::chunk::{ChunkReassembler, ReassemblerLimits};
use crate::incoming::Incoming;
use crate::job::{Gate, Job, JobConfig, JobInput, JobOutput, JobSource};
use crate::message::{ControlMessage, ImageValue, ResultMessage};
use crate::output::{DataOutput, StreamOutput};
use crate::session::{Dispatch, FrameDrop, Input, Output, PeerEnd, Session, SessionConfig};
use crate::signalling::{Answer, IceUrl, KeyTransport, WorkerRequest, normalize_ice, redact};
use crate::upload::{UploadAction, UploadLimits, UploadReceiver};

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
    let _ = Answer::parse(data);
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
    }
}

/// Sequences of events against the client's machine: it ends once, its acknowledgements grow, its sums agree.
pub fn session(data: &[u8]) {
    let mut now = Instant::now();
    let config = SessionConfig::new(data.first().is_some_and(|b| b & 1 == 1));
    let config = if data.first().is_some_and(|b| b & 2 == 2) {
        config.with_upload()
    } else {
        config
    };
    let mut session = Session::new(config.with_frame_outputs(vec!["image".to_owned()]));
    let (mut handlers, mut frames) = (Vec::new(), Vec::new());
    let (mut ends, mut releases, mut last_ack) = (0, 0, 0);
    for byte in data.iter().skip(1) {
        match byte >> 4 {
            0 => session.handle(now, Input::Start),
            1 => session.handle(now, Input::OfferReady),
            2 => session.handle(now, Input::AnswerApplied),
            3 => session.handle(now, Input::Connected),
            4 => session.handle(now, Input::ResultsOpen),
            5 => session.handle(now, Input::UploadOpen),
            6 => session.handle(now, Input::UploadDone),
            7 => session.handle(now, Input::Stalled(Duration::from_secs(3))),
            8 => session.handle(
                now,
                if byte & 1 == 0 {
                    Input::Resumed
                } else {
                    Input::WorkerRefused
                },
            ),
            9 => session.handle(now, Input::Close),
            10 => session.handle(now, Input::PeerEnded(PeerEnd::Remote)),
            11 => {
                now += Duration::from_secs(u64::from(byte & 15));
                session.handle(now, Input::Tick);
            }
            12 | 13 => {
                let json = result_text(u64::from(byte & 15), byte >> 4 == 13);
                let message = ResultMessage::parse(json.as_bytes()).expect("valid by construction");
                if let Dispatch::Deliver(delivery) = session.result(now, &message) {
                    frames.extend(delivery.frame(&message).map(|(ticket, _)| ticket));
                    handlers.push(delivery.ticket);
                }
            }
            14 => handlers
                .pop()
                .into_iter()
                .for_each(|ticket| session.handlers_done(ticket)),
            _ if byte & 1 == 0 => frames
                .pop()
                .into_iter()
                .for_each(|ticket| session.frame_consumed(ticket)),
            _ => {
                let dropped = frames.pop();
                dropped
                    .into_iter()
                    .for_each(|ticket| session.frame_dropped(ticket, FrameDrop::Closed));
            }
        }
        while let Some(output) = session.poll() {
            match output {
                Output::Ended => ends += 1,
                Output::Release => releases += 1,
                Output::SendText(text) => {
                    let ack = ControlMessage::parse(text.as_bytes())
                        .ok()
                        .and_then(|m| m.ack);
                    let ack = ack.expect("an acknowledgement is a valid control message");
                    assert!(ack > last_ack, "acknowledgements grow");
                    last_ack = ack;
                }
                _ => {}
            }
        }
        assert!(ends <= 1 && releases <= ends && session.counters().is_balanced());
        assert!(
            session.end().is_none() || session.poll_timeout().is_none(),
            "nothing ticks after the end"
        );
    }
}

fn result_text(frame: u64, image: bool) -> String {
    let data = if image {
        r#"{"image": {"type": "base64", "value": ""}}"#
    } else {
        "null"
    };
    let complete = frame == 15;
    let at = "2026-01-02T03:04:05";
    format!(
        r#"{{"serialized_output_data": {data}, "processing_complete": {complete},
            "video_metadata": {{"frame_id": {frame}, "received_at": "{at}"}}}}"#
    )
}

/// Sequences of events against the worker's machine: it ends once, completes at most once, and never waits without a
/// deadline before it has a source.
pub fn job(data: &[u8]) {
    let mut now = Instant::now();
    let config = JobConfig::new(JobSource::Upload)
        .with_batch(true)
        .with_processing_timeout(Some(100));
    let mut job = Job::new(now, config);
    let (mut completions, mut ends, mut frame) = (0, 0, None);
    for message in messages(data) {
        let Some((&kind, rest)) = message.split_first() else {
            continue;
        };
        let channel = u64::from(kind & 3);
        match kind >> 4 {
            0 => job.handle(
                now,
                JobInput::ChannelOpen {
                    channel,
                    label: "inference".to_owned(),
                },
            ),
            1 => job.handle(
                now,
                JobInput::ChannelOpen {
                    channel,
                    label: "video_upload".to_owned(),
                },
            ),
            2 => job.handle(
                now,
                JobInput::ChannelOpen {
                    channel,
                    label: "other".to_owned(),
                },
            ),
            3 => job.handle(now, JobInput::ChannelClosed { channel }),
            4..=7 => job.handle(
                now,
                JobInput::Message {
                    channel,
                    data: Bytes::copy_from_slice(rest),
                },
            ),
            8 => job.handle(now, JobInput::SourceEnded { error: None }),
            9 => job.handle(now, JobInput::Drained),
            10 => job.handle(now, JobInput::Stalled(Duration::from_secs(3))),
            11 => job.handle(
                now,
                if kind & 1 == 0 {
                    JobInput::Resumed
                } else {
                    JobInput::PeerEnded
                },
            ),
            12 => {
                now += Duration::from_secs(u64::from(kind & 15));
                job.handle(now, JobInput::Tick);
            }
            13 => frame = job.begin_frame(now).or(frame),
            14 => frame
                .take()
                .into_iter()
                .for_each(|frame| job.end_frame(now, frame)),
            _ => job.handle(now, JobInput::Shutdown),
        }
        while let Some(output) = job.poll() {
            assert_eq!(ends, 0, "nothing comes after the end");
            match output {
                JobOutput::Complete(completion) => {
                    completions += 1;
                    assert_eq!(completion.header_frame(), completion.last_frame.next());
                }
                JobOutput::Ended(_) => ends += 1,
                _ => {}
            }
        }
        assert!(completions <= 1);
        assert!(
            (ends == 1) == job.poll_timeout().is_none(),
            "a live job always has a deadline"
        );
        assert!(ends == 0 || job.gate() == Gate::Stop);
    }
}
