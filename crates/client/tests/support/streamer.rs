//! A worker's end that has frames of its own: numbered pictures, encoded, each after its result.
//! It stands for a file or a stream that the worker reads.

use std::time::Instant;

use framewire_media::{
    EncoderOptions, FramePool, TestPattern, VideoCodec as MediaCodec, VideoEncoder,
};
use framewire_transport::{OutgoingFrame, VideoCodec, VideoTrack};
use serde_json::json;

use super::worker::Worker;

/// See the module.
pub(crate) struct Streamer {
    pub(crate) worker: Worker,
    pub(crate) track: VideoTrack,
    encoder: VideoEncoder,
    pattern: TestPattern,
    pool: FramePool,
}

/// The first timestamp: the clock wraps around soon after.
const BASE: u32 = u32::MAX - 10_000;

impl Streamer {
    pub(crate) fn new(mut worker: Worker) -> Streamer {
        worker.until("the results channel", Worker::has_results);
        let track = worker.peer.video().expect("a video section");
        assert!(track.direction().can_send() && !track.direction().can_receive());
        assert!(track.codecs().contains(&VideoCodec::H264));
        Streamer {
            worker,
            track,
            encoder: VideoEncoder::new(EncoderOptions::new(MediaCodec::H264)).unwrap(),
            pattern: TestPattern::new(320, 240, 30).unwrap(),
            pool: FramePool::default(),
        }
    }

    fn timestamp(number: u32) -> u32 {
        BASE.wrapping_add(number * 3000)
    }

    /// Sends a frame and its result.
    pub(crate) fn send(&mut self, number: u32) {
        self.result(number);
        self.picture(number);
    }

    pub(crate) fn result(&self, number: u32) {
        let body = json!({
            "serialized_output_data": {"predictions": {"n": number}},
            "video_metadata": {
                "frame_id": number, "received_at": "2026-01-02T03:04:05.678901", "pts": number * 512,
                "time_base": 1.0 / 15_360.0, "declared_fps": 30.0, "measured_fps": null,
                "width": 320, "height": 240,
                "fw": {"rtp_ts": Self::timestamp(number), "infer_us": 5000},
            },
            "errors": [], "processing_complete": false, "termination_reason": null,
        });
        self.worker.send_body(number.into(), body.to_string());
    }

    pub(crate) fn picture(&mut self, number: u32) {
        let picture = self.pattern.frame(number, &self.pool).unwrap();
        // As an encoder in batch does: frames come here faster than any camera makes them.
        assert!(self.track.wait_room(Instant::now() + super::GUARD));
        let keyframe = self.track.take_keyframe_request();
        let encoded = self.encoder.encode(&picture, keyframe).unwrap().unwrap();
        self.track
            .send(OutgoingFrame {
                codec: VideoCodec::H264,
                data: encoded.data.into(),
                rtp_time: Self::timestamp(number),
                captured: Instant::now(),
            })
            .unwrap();
    }
}
