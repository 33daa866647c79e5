//! A worker's end of live video: sends every frame it gets back as it came, with a result before it.
//! It decodes nothing, which is the difference to a real worker; what it leaves out or adds each test says.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use framewire_media::{EncoderOptions, FramePool, TestPattern, VideoCodec, VideoEncoder};
use framewire_transport::{IncomingFrame, OutgoingFrame, RecvError, VideoSendError, VideoTrack};
use serde_json::json;

use super::GUARD;
use super::worker::Worker;

/// What an [`Echo`] does differently from sending everything back.
#[derive(Clone)]
pub(crate) struct Habits {
    /// Name the RTP timestamp of the frame, as workers of ours do.
    pub(crate) ledger: bool,
    /// Send frames back on the track.
    pub(crate) pictures: bool,
    /// Frames from the first one on whose result is not sent.
    pub(crate) silent_results: u64,
    /// Frames from the first one on that are not sent back.
    pub(crate) lost_frames: u64,
}

impl Default for Habits {
    fn default() -> Self {
        Habits {
            ledger: true,
            pictures: true,
            silent_results: 0,
            lost_frames: 0,
        }
    }
}

/// See the module.
pub(crate) struct Echo {
    pub(crate) worker: Worker,
    pub(crate) track: VideoTrack,
    habits: Habits,
    pattern: TestPattern,
    encoder: VideoEncoder,
    pool: FramePool,
    first: Option<u32>,
    /// A frame was not sent back, so those that build on it cannot be decoded.
    broken: bool,
    /// Frames received so far.
    pub(crate) frames: u64,
}

impl Echo {
    pub(crate) fn new(mut worker: Worker, habits: Habits) -> Echo {
        worker.until("the results channel", Worker::has_results);
        let track = worker.peer.video().expect("a video section");
        Echo {
            worker,
            track,
            habits,
            pattern: TestPattern::new(640, 480, 30).unwrap(),
            encoder: VideoEncoder::new(EncoderOptions::new(VideoCodec::Vp8)).unwrap(),
            pool: FramePool::default(),
            first: None,
            broken: false,
            frames: 0,
        }
    }

    /// Sends frames back until the client closes.
    pub(crate) fn run(&mut self) {
        while self.step() {}
    }

    /// The same, and tells the test the number of each frame sent back.
    pub(crate) fn run_telling(&mut self, told: &Sender<u64>) {
        while self.step() {
            let _ = told.send(self.frames);
        }
    }

    /// Sends this many frames back.
    pub(crate) fn echo(&mut self, frames: u64) {
        let until = self.frames + frames;
        while self.frames < until && self.step() {}
    }

    /// Sends the next frame back; false once the client has closed.
    pub(crate) fn step(&mut self) -> bool {
        let Some(frame) = self.receive() else {
            return false;
        };
        let number = self.frames;
        if !frame.contiguous && !frame.keyframe {
            // A decoder could not use it either.
            return true;
        }
        if number > self.habits.silent_results {
            self.result(number, frame.rtp_time);
        }
        if !self.habits.ledger {
            // An original encodes between result and frame, and that time is how its frames are told apart.
            let picture = self.pattern.frame(number as u32, &self.pool).unwrap();
            self.encoder.encode(&picture, true).unwrap();
        }
        if self.habits.pictures && number > self.habits.lost_frames {
            self.picture(&frame);
        }
        true
    }

    /// The next frame; none once the client has closed.
    pub(crate) fn receive(&mut self) -> Option<IncomingFrame> {
        let deadline = Instant::now() + GUARD;
        loop {
            self.worker.drain();
            if self.worker.closed.is_some() {
                return None;
            }
            match self
                .track
                .recv_deadline(Instant::now() + Duration::from_millis(100))
            {
                Ok(frame) => {
                    self.frames += 1;
                    self.first.get_or_insert(frame.rtp_time);
                    return Some(frame);
                }
                Err(RecvError::Ended) => return None,
                Err(_) => assert!(Instant::now() < deadline, "no frame came"),
            }
        }
    }

    /// Sends the result of a frame.
    pub(crate) fn result(&self, number: u64, rtp_time: u32) {
        let ticks = rtp_time.wrapping_sub(self.first.unwrap_or(rtp_time));
        let mut metadata = json!({
            "frame_id": number, "received_at": "2026-01-02T03:04:05.678901", "pts": ticks,
            "time_base": 1.0 / 90_000.0, "declared_fps": 30.0, "measured_fps": null,
            "width": 64, "height": 48,
        });
        if self.habits.ledger {
            metadata["fw"] = json!({
                "rtp_ts": rtp_time, "received_us": number * 1000, "queue_us": 100, "decode_us": 200,
                "infer_us": 300, "encode_us": null, "send_us": null,
            });
        }
        let body = json!({
            "serialized_output_data": {"predictions": {"n": number}}, "video_metadata": metadata,
            "errors": [], "processing_complete": false, "termination_reason": null,
        });
        self.worker.send_body(number, body.to_string());
    }

    /// Sends a frame back as it came. One that finds no room breaks the chain: then only a keyframe is worth sending.
    pub(crate) fn picture(&mut self, frame: &IncomingFrame) {
        if self.broken && !frame.keyframe {
            return self.track.request_keyframe();
        }
        let sent = self.track.send(OutgoingFrame {
            codec: frame.codec,
            data: frame.data.clone(),
            rtp_time: frame.rtp_time,
            captured: frame.completed,
        });
        // An end of the connection is noticed when receiving.
        self.broken = sent == Err(VideoSendError::Congested);
    }
}
