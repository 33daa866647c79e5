//! A live client made of transport and codecs alone: numbered pictures out, whatever comes back in.
//! Not the client crate: it pairs nothing and hides nothing.

use std::time::Instant;

use framewire_media::{
    EncoderOptions, Frame, FramePool, TestPattern, Timing, VideoDecoder, VideoEncoder,
    read_pattern_counter,
};
use framewire_transport::{IncomingFrame, OutgoingFrame, VideoCodec, VideoConfig, VideoTrack};
use framewire_worker::Worker;
use serde_json::{Value, json};

use crate::common::deadline;
use crate::common::http::Response;
use crate::common::peer::Client;

/// RTP ticks of one frame at 30 a second.
pub const STEP: u32 = 3000;
/// RTP time of frame 0: close to the wrap, so that every test crosses it.
pub const START: u32 = u32::MAX - 5 * STEP;

pub struct Camera {
    pub client: Client,
    pub track: VideoTrack,
    pub pool: FramePool,
    pattern: TestPattern,
    encoder: VideoEncoder,
    codec: VideoCodec,
    decoder: VideoDecoder,
}

/// A picture that came back.
pub struct Back {
    pub rtp_time: u32,
    pub frame: Frame,
}

impl Back {
    /// The number in it.
    pub fn counter(&self) -> u32 {
        read_pattern_counter(&self.frame).expect("the number survives")
    }

    /// Which frame of ours it is, by its timestamp.
    pub fn index(&self) -> u32 {
        self.rtp_time.wrapping_sub(START) / STEP
    }
}

/// A request for the passthrough workflow: the frame itself comes back on the track.
pub fn passthrough(body: &mut Value) {
    body["workflow_configuration"]["workflow_specification"] = json!({
        "version": "1.0",
        "inputs": [{"type": "WorkflowImage", "name": "image"}],
        "steps": [],
        "outputs": [{"type": "JsonField", "name": "picture", "selector": "$inputs.image"}],
    });
    body["webrtc_realtime_processing"] = json!(true);
    body["stream_output"] = json!(["picture"]);
    body["data_output"] = json!([]);
}

pub fn only(codec: VideoCodec) -> VideoConfig {
    VideoConfig::default().with_codecs(vec![codec])
}

impl Camera {
    pub fn start(worker: &Worker, video: VideoConfig, change: impl FnOnce(&mut Value)) -> Camera {
        Camera::try_start(worker, video, change)
            .unwrap_or_else(|refused| panic!("refused: {} {}", refused.status, refused.body))
    }

    pub fn try_start(
        worker: &Worker,
        video: VideoConfig,
        change: impl FnOnce(&mut Value),
    ) -> Result<Camera, Response> {
        let client = Client::with_video(worker, &["inference"], video, |body| {
            passthrough(body);
            change(body);
        })?;
        Ok(Camera::of(client))
    }

    /// A camera on a session that was started some other way.
    pub fn of(client: Client) -> Camera {
        let track = client
            .peer
            .video()
            .expect("the answer has a usable video section");
        let codec = track.codecs()[0];
        let pool = FramePool::default();
        Camera {
            client,
            pattern: TestPattern::new(640, 480, 30).unwrap(),
            encoder: VideoEncoder::new(EncoderOptions::new(media(codec))).unwrap(),
            codec,
            decoder: VideoDecoder::new(media(codec), pool.clone()).unwrap(),
            pool,
            track,
        }
    }

    /// Pictures of another size from now on.
    pub fn resize(&mut self, width: u32, height: u32) {
        self.pattern = TestPattern::new(width, height, 30).unwrap();
    }

    /// Encodes frame `index` and sends it.
    pub fn send(&mut self, index: u32) {
        let keyframe = self.track.take_keyframe_request();
        let data = self.encode(index, keyframe);
        self.send_encoded(index, data);
    }

    pub fn encode(&mut self, index: u32, keyframe: bool) -> Vec<u8> {
        let frame = self.pattern.frame(index, &self.pool).unwrap();
        let encoded = self.encoder.encode(&frame, keyframe).unwrap();
        encoded.expect("one in, one out").data
    }

    pub fn send_encoded(&mut self, index: u32, data: Vec<u8>) {
        let frame = OutgoingFrame {
            codec: self.codec,
            data: data.into(),
            rtp_time: START.wrapping_add(index.wrapping_mul(STEP)),
            captured: Instant::now(),
        };
        self.track.send(frame).expect("there is room for a frame");
    }

    /// The next picture from the worker.
    pub fn back(&mut self) -> Back {
        self.back_before(deadline())
            .expect("a picture comes back in time")
    }

    /// The next picture from the worker before `end`.
    pub fn back_before(&mut self, end: Instant) -> Option<Back> {
        loop {
            let incoming = self.track.recv_deadline(end).ok()?;
            if let Some(frame) = self.decode(&incoming) {
                return Some(Back {
                    rtp_time: incoming.rtp_time,
                    frame,
                });
            }
        }
    }

    fn decode(&mut self, incoming: &IncomingFrame) -> Option<Frame> {
        if self.decoder.codec() != media(incoming.codec) {
            self.decoder = VideoDecoder::new(media(incoming.codec), self.pool.clone()).unwrap();
        }
        match self.decoder.decode(&incoming.data, Timing::default()) {
            Ok(frame) => frame,
            Err(_) => {
                self.track.request_keyframe();
                None
            }
        }
    }

    /// Sends frame `index` and waits until it, or a later one, comes back.
    pub fn round_trip(&mut self, index: u32) -> Back {
        self.send(index);
        loop {
            let back = self.back();
            if back.index() >= index {
                return back;
            }
        }
    }
}

pub fn media(codec: VideoCodec) -> framewire_media::VideoCodec {
    match codec {
        VideoCodec::Vp8 => framewire_media::VideoCodec::Vp8,
        VideoCodec::H264 => framewire_media::VideoCodec::H264,
    }
}
