//! Reading and decoding an input that FFmpeg opened: from the first clean keyframe on, each frame as it is decoded.
//! Not opening it: `camera` and `network` know the options.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pace::Pacer;
use super::{Interrupt, LiveError, LiveFrame, LiveInfo, LiveOptions};
use crate::ffmpeg::{
    AvError, LiveDecoder, LiveDemuxer, LiveFacts, Opening, PictureError, Scaler, Stop, Watch,
    age_of_stamp,
};
use crate::limits::MAX_PIXELS;
use crate::pool::FramePool;
use crate::timing::{TimeBase, Timing};

/// Where the moment of capture comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CaptureTime {
    /// When the data arrived.
    Arrival,
    /// As `Arrival`, but a picture is complete for FFmpeg only when the next one begins: its data began to arrive no
    /// later than the picture before it was complete.
    Previous,
    /// The timestamps are the driver's clock.
    Driver,
    /// The source delivers at will and is held to its timestamps.
    Paced,
}

/// An input FFmpeg reads.
pub(super) struct StreamInput {
    name: String,
    demuxer: LiveDemuxer,
    decoder: LiveDecoder,
    scaler: Scaler,
    stream: usize,
    time_base: TimeBase,
    info: LiveInfo,
    capture: CaptureTime,
    pacer: Pacer,
    watch: Arc<Watch>,
    interrupt: Interrupt,
    options: LiveOptions,
    pool: FramePool,
    /// The packet read while opening is still to be decoded.
    pending: bool,
    /// When the packet read last came, and the first one.
    arrived: Instant,
    previous: Option<Instant>,
    first_arrival: Instant,
    /// Packets and pictures left out as damaged, and packets before the first keyframe after a gap.
    damaged: u64,
    unstarted: u64,
    /// A clean keyframe was seen, and nothing damaged since.
    clean: bool,
    ended: bool,
}

/// How long a server whose stream ended may take to show that it is still there.
const GOODBYE: Duration = Duration::from_millis(500);

/// How long closing a connection may take.
const CLOSING: Duration = Duration::from_millis(200);

/// How an input failed to open, before it is put into words.
#[derive(Debug)]
pub(super) enum OpenFailure {
    Stopped(Stop, &'static str),
    Failed(AvError),
    NoVideo,
    Codec(String, AvError),
}

const CONNECTING: &str = "connecting";
const WAITING_FOR_VIDEO: &str = "waiting for the first video data";
pub(super) const WAITING_FOR_DATA: &str = "waiting for data";
pub(super) const WAITING_FOR_PICTURE: &str = "waiting for a picture that can be decoded";

impl StreamInput {
    /// Opens an input and waits for the first packet of its video.
    pub(super) fn open(
        name: &str,
        what: &Opening<'_>,
        capture: CaptureTime,
        options: &LiveOptions,
        pool: &FramePool,
        interrupt: &Interrupt,
    ) -> Result<StreamInput, OpenFailure> {
        let watch = Watch::new(interrupt);
        watch.arm(Instant::now() + options.open_timeout);
        if interrupt.is_interrupted() {
            return Err(OpenFailure::Stopped(Stop::Interrupted, CONNECTING));
        }
        let failed = |error: AvError, step| match watch.cause() {
            Some(stop) => OpenFailure::Stopped(stop, step),
            None => OpenFailure::Failed(error),
        };
        let mut demuxer =
            LiveDemuxer::open(what, &watch).map_err(|error| failed(error, CONNECTING))?;
        let mut others = false;
        let (stream, arrived) = loop {
            if demuxer.video_stream().is_none() && !demuxer.may_grow() {
                return Err(OpenFailure::NoVideo);
            }
            let next = match demuxer.next_packet() {
                Ok(Some(arrived)) => Some((arrived.packet.stream(), arrived.at)),
                Ok(None) => None,
                Err(error) => match failed(error, WAITING_FOR_VIDEO) {
                    // It sends, only no pictures.
                    OpenFailure::Stopped(Stop::Deadline, _) if others => None,
                    failure => return Err(failure),
                },
            };
            let Some((stream, at)) = next else {
                return Err(OpenFailure::NoVideo);
            };
            if demuxer.video_stream() == Some(stream) {
                break (stream, at);
            }
            others = true;
        };
        let facts = demuxer.facts(stream).ok_or(OpenFailure::NoVideo)?;
        let decoder = demuxer
            .decoder(stream, options.max_pixels.min(MAX_PIXELS))
            .map_err(|error| OpenFailure::Codec(facts.codec.clone(), error))?;
        let LiveFacts {
            width,
            height,
            fps,
            codec,
            time_base,
        } = facts;
        // Only these two are put together by looking for the next picture's start.
        let waits = ["h264", "hevc"].contains(&codec.as_str());
        let capture = match capture {
            CaptureTime::Previous if !waits => CaptureTime::Arrival,
            capture => capture,
        };
        Ok(StreamInput {
            name: name.to_owned(),
            demuxer,
            decoder,
            scaler: Scaler::default(),
            stream,
            time_base,
            info: LiveInfo {
                width,
                height,
                fps,
                codec,
            },
            capture,
            pacer: Pacer::default(),
            watch,
            interrupt: interrupt.clone(),
            options: options.clone(),
            pool: pool.clone(),
            pending: true,
            arrived,
            previous: None,
            first_arrival: arrived,
            damaged: 0,
            unstarted: 0,
            clean: false,
            ended: false,
        })
    }

    pub(super) fn info(&self) -> &LiveInfo {
        &self.info
    }

    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    pub(super) fn unstarted(&self) -> u64 {
        self.unstarted
    }

    pub(super) fn read(&mut self) -> Result<Option<LiveFrame>, LiveError> {
        if self.ended {
            return Ok(None);
        }
        let result = self.next_frame();
        self.ended = !matches!(result, Ok(Some(_)));
        result
    }

    fn next_frame(&mut self) -> Result<Option<LiveFrame>, LiveError> {
        let patience = Instant::now() + self.options.picture_timeout;
        loop {
            if self.interrupt.is_interrupted() {
                return Err(LiveError::Interrupted);
            }
            if let Some(frame) = self.take_picture()? {
                return Ok(Some(frame));
            }
            if !std::mem::take(&mut self.pending) {
                match self.next_arrival(patience)? {
                    Some(at) => self.previous = Some(std::mem::replace(&mut self.arrived, at)),
                    None => return Ok(None),
                }
            }
            self.feed();
        }
    }

    /// Reads the next packet of the video and says when it came.
    fn next_arrival(&mut self, patience: Instant) -> Result<Option<Instant>, LiveError> {
        loop {
            let silence = Instant::now() + self.options.read_timeout;
            self.watch.arm(silence.min(patience));
            let next = self.demuxer.next_packet();
            match next.map(|next| next.map(|next| (next.packet.stream(), next.at))) {
                Ok(Some((stream, at))) if stream == self.stream => return Ok(Some(at)),
                Ok(Some((_, at))) if at >= patience => {
                    return Err(self.timed_out(silence, patience));
                }
                Ok(Some(_)) => {}
                Ok(None) if self.said_goodbye() => return Ok(None),
                Ok(None) if self.interrupt.is_interrupted() => return Err(LiveError::Interrupted),
                Ok(None) => return Err(self.broken("the connection was closed".to_owned())),
                Err(error) => {
                    return Err(match self.watch.cause() {
                        Some(Stop::Interrupted) => LiveError::Interrupted,
                        Some(Stop::Deadline) => self.timed_out(silence, patience),
                        None => self.broken(error.to_string()),
                    });
                }
            }
        }
    }

    /// Whether the source said that it ends, rather than the connection being cut, which FFmpeg reports alike.
    fn said_goodbye(&mut self) -> bool {
        if !matches!(self.capture, CaptureTime::Arrival | CaptureTime::Previous) {
            return true;
        }
        self.watch.arm(Instant::now() + GOODBYE);
        self.demuxer.is_still_connected()
    }

    fn broken(&self, reason: String) -> LiveError {
        LiveError::Broken {
            input: self.name.clone(),
            reason,
        }
    }

    fn timed_out(&self, silence: Instant, patience: Instant) -> LiveError {
        let (step, after) = if silence <= patience {
            (WAITING_FOR_DATA, self.options.read_timeout)
        } else {
            (WAITING_FOR_PICTURE, self.options.picture_timeout)
        };
        LiveError::TimedOut {
            input: self.name.clone(),
            step,
            after,
        }
    }

    /// Gives the decoder the packet read last. Damage is no error: everything is left out up to the next keyframe.
    fn feed(&mut self) {
        let packet = self.demuxer.packet();
        if !packet.is_corrupt() && !self.clean && !packet.is_key() {
            self.unstarted += 1;
            return;
        }
        self.clean = !packet.is_corrupt() && self.decoder.send(packet).is_ok();
        self.damaged += u64::from(!self.clean);
    }

    /// The next picture the decoder has ready.
    fn take_picture(&mut self) -> Result<Option<LiveFrame>, LiveError> {
        let picture = match self.decoder.receive() {
            Ok(Some(picture)) if !picture.is_damaged() => picture,
            Ok(None) => return Ok(None),
            Ok(Some(_)) | Err(_) => {
                self.clean = false;
                self.damaged += 1;
                return Ok(None);
            }
        };
        let pts = picture.pts().unwrap_or_else(|| {
            let age = self.arrived.saturating_duration_since(self.first_arrival);
            let micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            TimeBase::MICROS.rescale(micros, self.time_base)
        });
        let mut frame = picture
            .into_frame(&mut self.scaler, &self.pool)
            .and_then(|frame| Ok(frame.to_i420(&self.pool)?))
            .map_err(|error| self.unusable(error))?;
        let timing = Timing::new(pts, self.time_base);
        frame.set_timing(timing);
        (self.info.width, self.info.height) = (frame.width(), frame.height());
        let captured = self.captured(timing)?;
        Ok(Some(LiveFrame { frame, captured }))
    }

    /// When the picture was taken; holds a source that delivers at will to its timestamps.
    fn captured(&mut self, timing: Timing) -> Result<Instant, LiveError> {
        match self.capture {
            CaptureTime::Arrival => Ok(self.arrived),
            CaptureTime::Previous => Ok(self.previous.unwrap_or(self.arrived)),
            CaptureTime::Driver => {
                let micros = timing
                    .pts
                    .map(|pts| timing.time_base.rescale(pts, TimeBase::MICROS));
                let age = micros.and_then(age_of_stamp);
                Ok(age
                    .and_then(|age| Instant::now().checked_sub(age))
                    .unwrap_or(self.arrived))
            }
            CaptureTime::Paced => {
                let due = self
                    .pacer
                    .due(self.arrived, timing.seconds().unwrap_or(0.0));
                if self.interrupt.wait_until(due) {
                    return Err(LiveError::Interrupted);
                }
                Ok(due)
            }
        }
    }

    fn unusable(&self, error: PictureError) -> LiveError {
        let reason = match error {
            PictureError::Format(number) => {
                format!("its pixel format, number {number} of FFmpeg, is not supported")
            }
            PictureError::Scale(error) => error.to_string(),
            PictureError::Frame(error) => return LiveError::Frame(error),
        };
        self.broken(reason)
    }
}

impl Drop for StreamInput {
    fn drop(&mut self) {
        // FFmpeg tells the server; one that does not listen any more must not hold the thread.
        self.watch.arm(Instant::now() + CLOSING);
    }
}
