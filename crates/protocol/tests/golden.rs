//! Traffic recorded between the unmodified original client and server, read and rebuilt by this crate.
//! Long base64 texts and SDPs in it are shortened; lengths are those of the recording.

use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::chunk::{CHUNK_SIZE, split_result};
use framewire_protocol::encoding::gzip;
use framewire_protocol::incoming::Incoming;
use framewire_protocol::job::Completion;
use framewire_protocol::message::{
    ControlMessage, ImageValue, ResultMessage, ResultWriter, ack_text, write_none_message,
};
use framewire_protocol::signalling::{
    Answer, KeyTransport, Secret, Sender, WorkerRequest, WorkflowConfiguration, normalize_ice,
};
use framewire_protocol::upload::UploadPlan;
use serde_json::Value;

const RECORDINGS: [(&str, &str); 5] = [
    (
        "file_on_data_channel",
        include_str!("golden/file_on_data_channel.json"),
    ),
    ("file_on_track", include_str!("golden/file_on_track.json")),
    ("track", include_str!("golden/track.json")),
    (
        "track_with_data",
        include_str!("golden/track_with_data.json"),
    ),
    (
        "track_with_stun",
        include_str!("golden/track_with_stun.json"),
    ),
];

fn recordings() -> impl Iterator<Item = (&'static str, Value)> {
    RECORDINGS
        .iter()
        .map(|(name, json)| (*name, serde_json::from_str(json).unwrap()))
}

fn results(recording: &Value) -> &Vec<Value> {
    recording["results"].as_array().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn every_recorded_request_is_read_as_the_python_original() {
    for (name, recording) in recordings() {
        let body = recording["request"].to_string();
        let request =
            WorkerRequest::parse(body.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(request.sender(), Sender::PythonOriginal, "{name}");
        assert_eq!(request.api_key, Some(Secret::new("test-key")));
        assert_eq!(request.webrtc_offer.kind, "offer");
        assert!(
            request
                .workflow_configuration
                .workflow_specification
                .is_some()
        );
        let realtime = recording["request"]["webrtc_realtime_processing"].as_bool();
        assert_eq!(request.webrtc_realtime_processing, realtime);
    }
}

#[test]
fn our_request_has_the_keys_values_and_order_of_the_recorded_one() {
    for (name, recording) in recordings() {
        let recorded = &recording["request"];
        let list = |field: &str| {
            let items = recorded[field].as_array().unwrap();
            Some(
                items
                    .iter()
                    .map(|item| item.as_str().unwrap().to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let specification = recorded["workflow_configuration"]["workflow_specification"]
            .as_object()
            .unwrap();
        let workflow = WorkflowConfiguration::inline(specification.clone());
        let mut ours =
            WorkerRequest::new(workflow, recorded["webrtc_offer"]["sdp"].as_str().unwrap());
        ours.api_key = Some(Secret::new("test-key"));
        ours.webrtc_realtime_processing = recorded["webrtc_realtime_processing"].as_bool();
        ours.stream_output = list("stream_output");
        ours.data_output = list("data_output");
        ours.ice_servers = recorded
            .get("webrtc_config")
            .map(|config| normalize_ice(config).unwrap());
        for field in ["declared_fps", "manual_mode", "video_file_upload"] {
            if let Some(value) = recorded.get(field) {
                ours.extra.insert(field.to_owned(), value.clone());
            }
        }
        assert_eq!(
            ours.to_value(KeyTransport::Legacy).to_string(),
            recorded.to_string(),
            "{name}"
        );
    }
}

#[test]
fn every_recorded_answer_is_read_and_ours_has_its_keys() {
    for (name, recording) in recordings() {
        let recorded = &recording["response"];
        let answer = Answer::parse(recorded.to_string().as_bytes()).unwrap();
        assert_eq!(answer.framewire, None);
        if recorded.get("context").is_some() {
            assert_eq!(
                answer.to_value().to_string(),
                recorded.to_string(),
                "{name}"
            );
        }
    }
}

#[test]
fn every_recorded_result_passes_through_our_chunker_and_reader() {
    for (name, recording) in recordings() {
        for result in results(&recording) {
            let json = result["json"].to_string();
            let header_frame =
                u32::from_str_radix(&result["header_hex"].as_str().unwrap()[..8], 16);
            let frame = FrameId(u64::from(header_frame.unwrap().swap_bytes()));
            let body = match result["gzip"].as_bool() {
                Some(true) => gzip(json.as_bytes()),
                _ => json.clone().into_bytes(),
            };
            let messages: Vec<_> = split_result(frame, Bytes::from(body), CHUNK_SIZE)
                .unwrap()
                .collect();
            assert_eq!(
                hex(&messages[0][..12]),
                result["header_hex"].as_str().unwrap(),
                "{name}"
            );
            let body = Incoming::new()
                .binary(messages[0].clone())
                .unwrap()
                .unwrap();
            let message = body.message().unwrap();
            let metadata = message
                .video_metadata
                .get()
                .expect("recorded metadata is readable");
            let recorded = &result["json"]["video_metadata"];
            assert_eq!(serde_json::to_value(metadata).unwrap(), *recorded, "{name}");
            let complete = result["json"]["processing_complete"].as_bool().unwrap();
            assert_eq!(message.processing_complete, complete);
            let shift = u64::from(complete);
            assert_eq!(
                frame.0,
                metadata.frame_id.0 + shift,
                "the completion header is one further"
            );
        }
    }
}

#[test]
fn plain_bodies_are_rebuilt_to_the_recorded_length_and_value() {
    let mut rebuilt = 0;
    for (name, recording) in recordings() {
        for result in results(&recording)
            .iter()
            .filter(|result| result["gzip"] == false)
        {
            let json = result["json"].to_string();
            let message = ResultMessage::parse(json.as_bytes()).unwrap();
            let metadata = message.video_metadata.get().unwrap();
            let mut ours = Vec::new();
            if message.processing_complete {
                let mut completion = Completion::new(metadata.frame_id);
                completion.errors.clone_from(&message.errors);
                ours = completion.body(metadata.received_at);
            } else {
                write_none_message(&mut ours, metadata, &message.errors);
            }
            assert_eq!(
                ours.len(),
                size(&result["json_len"]),
                "{name}: {}",
                String::from_utf8_lossy(&ours)
            );
            assert_eq!(
                serde_json::from_slice::<Value>(&ours).unwrap(),
                result["json"],
                "{name}"
            );
            let chunked = split_result(FrameId(1), Bytes::from(ours), CHUNK_SIZE).unwrap();
            assert_eq!(
                chunked.map(|m| m.len()).sum::<usize>(),
                size(&result["len"]),
                "{name}"
            );
            rebuilt += 1;
        }
    }
    assert!(
        rebuilt >= 8,
        "only {rebuilt} plain bodies in the recordings"
    );
}

#[test]
fn compact_bodies_are_rebuilt_to_the_recorded_value() {
    for (name, recording) in recordings() {
        for result in results(&recording)
            .iter()
            .filter(|result| result["gzip"] == true)
        {
            let json = result["json"].to_string();
            let message = ResultMessage::parse(json.as_bytes()).unwrap();
            let mut ours = Vec::new();
            let mut writer = ResultWriter::begin(&mut ours);
            for output in message.outputs.iter().flatten() {
                assert!(
                    ImageValue::parse(output.value).is_some(),
                    "every recorded output is an image"
                );
                writer.output(&output.name, |out| {
                    out.extend_from_slice(output.value.get().as_bytes());
                    Ok(())
                });
            }
            writer.finish(
                message.video_metadata.get().unwrap(),
                message.errors.clone(),
            );
            assert_eq!(
                serde_json::from_slice::<Value>(&ours).unwrap(),
                result["json"],
                "{name}"
            );
        }
    }
}

#[test]
fn acknowledgements_are_byte_for_byte_the_recorded_ones() {
    let mut acks = 0;
    for (_, recording) in recordings() {
        for text in recording["acks"].as_array().unwrap() {
            let text = text.as_str().unwrap();
            let ack = ControlMessage::parse(text.as_bytes()).unwrap().ack.unwrap();
            assert_eq!(ack_text(FrameId(ack)), text);
            acks += 1;
        }
    }
    assert_eq!(acks, 9);
}

#[test]
fn uploads_are_cut_as_the_recorded_one() {
    for (name, recording) in recordings() {
        let uploads = recording["uploads"].as_array().unwrap();
        let Some(last) = uploads.last() else { continue };
        let file_size = 21 * CHUNK_SIZE + size(&last["len"]) - 8;
        let plan = UploadPlan::new(file_size as u64, CHUNK_SIZE).unwrap();
        assert_eq!(plan.total_chunks(), 22, "{name}");
        for (index, upload) in [0, 1, 21].into_iter().zip(uploads) {
            let (_, len) = plan.range(index).unwrap();
            let message = plan.message(index, &vec![0; len]).unwrap();
            assert_eq!(hex(&message[..8]), upload["header_hex"].as_str().unwrap());
            assert_eq!(message.len(), size(&upload["len"]));
        }
    }
}
