//! The two state machines, driven by bytes.
//! Not what they are made of: parsers and pairing have bodies of their own.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::messages;
use crate::job::{FRESH_LABEL, Gate, Job, JobConfig, JobInput, JobOutput, JobPhase, JobSource};
use crate::message::{ControlMessage, ResultMessage};
use crate::pairing::Match;
use crate::session::{Dispatch, FrameDrop, Input, Output, PeerEnd, Session, SessionConfig};
use crate::upload::{ChunkSet, UploadReply};

/// Sequences of events against the client's machine: it ends once, its acknowledgements grow, its sums agree.
pub fn session(data: &[u8]) {
    let mut now = Instant::now();
    let config = SessionConfig::new(data.first().is_some_and(|b| b & 1 == 1));
    let config = match data.first().map_or(0, |b| b & 6) {
        2 => config.with_upload(),
        4 => config.with_track_source(),
        6 => config.with_track_source().with_track_frames(),
        _ => config,
    };
    let mut session = Session::new(config.with_frame_outputs(vec!["image".to_owned()]));
    let (mut handlers, mut frames, mut tickets) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ends, mut releases, mut last_ack) = (0, 0, 0);
    for byte in data.iter().skip(1) {
        match byte >> 4 {
            3 if byte & 15 == 6 => {
                session.reconnect();
                (ends, releases, last_ack) = (0, 0, 0);
            }
            3 if byte & 15 == 9 => session.set_fresh_results(Duration::from_secs(2)),
            0 => session.handle(now, Input::Start),
            1 => session.handle(now, Input::OfferReady),
            2 => session.handle(now, Input::AnswerApplied),
            3 => session.handle(
                now,
                match byte & 15 {
                    1 => Input::FrameSent,
                    2 => Input::SourceEnded { error: None },
                    3 => Input::SourceEnded {
                        error: Some("gone".to_owned()),
                    },
                    5 => Input::Drained,
                    7 => Input::Pause,
                    8 => Input::Unpause,
                    _ => Input::Connected,
                },
            ),
            4 => session.handle(now, Input::ResultsOpen),
            5 => session.handle(now, Input::UploadOpen),
            6 => session.handle(
                now,
                match byte & 15 {
                    1 => Input::UploadAnnounced,
                    2 => Input::UploadSent,
                    3 => Input::UploadProgress,
                    _ => Input::UploadDone,
                },
            ),
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
                    tickets.push(delivery.track_ticket());
                    handlers.push(delivery.ticket);
                }
            }
            14 => handlers
                .pop()
                .into_iter()
                .for_each(|ticket| session.handlers_done(ticket)),
            _ if byte & 6 == 2 => {
                let matched = if byte & 1 == 0 {
                    Match::Exact
                } else {
                    Match::Unpaired
                };
                let ticket = tickets.pop().flatten();
                frames.push(session.track_frame(now, matched, ticket));
            }
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
    for source in [JobSource::Upload, JobSource::Ready, JobSource::Track] {
        for (verified_uploads, batch) in [(false, true), (true, true), (true, false)] {
            job_with(source, verified_uploads, batch, data);
        }
    }
}

fn job_with(source: JobSource, verified_uploads: bool, batch: bool, data: &[u8]) {
    let mut now = Instant::now();
    let config = JobConfig::new(source)
        .with_batch(batch)
        .with_fresh_results(true)
        .with_verified_uploads(verified_uploads)
        .with_processing_timeout(Some(100));
    let mut job = Job::new(now, config);
    let (mut announced, mut verified) = (false, false);
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
                    label: if kind & 8 == 0 { "other" } else { FRESH_LABEL }.to_owned(),
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
            8 if kind & 3 == 3 => job.handle(now, JobInput::TrackFrame),
            8 if kind & 15 == 1 => {
                let mut have = ChunkSet::new();
                rest.iter().for_each(|index| {
                    have.insert((*index).into());
                });
                job.handle(now, JobInput::UploadOpened { have });
            }
            8 if kind & 15 == 2 => {
                verified |= job.phase() == JobPhase::Verifying;
                job.handle(now, JobInput::UploadVerified(true));
            }
            8 if kind & 15 == 4 => job.handle(now, JobInput::UploadVerified(false)),
            8 if kind & 15 == 5 => job.handle(now, JobInput::UploadHashing),
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
                JobOutput::OpenUpload { .. } => {
                    assert!(verified_uploads && !announced, "announced once, if agreed");
                    announced = true;
                }
                JobOutput::SendText(text) => {
                    let reply = UploadReply::parse(text.as_bytes());
                    assert!(matches!(reply, Ok(Some(_))), "what is said is readable");
                }
                JobOutput::Start => assert!(
                    verified || !announced,
                    "an announced file is decoded only once it is verified"
                ),
                _ => {}
            }
        }
        assert!(completions <= 1);
        let fresh = job.fresh_channel();
        assert!(fresh.is_none() || !batch && fresh != job.results_channel());
        assert!(
            (ends == 1) == job.poll_timeout().is_none(),
            "a live job always has a deadline"
        );
        assert!(ends == 0 || job.gate() == Gate::Stop);
    }
}
