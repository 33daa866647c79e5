//! Motion JPEG from any byte stream: pictures as they complete, decoded to I420.
//! Not the connection: reading it, its limits of time and its address are the caller's.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use super::splitter::{MjpegKind, Piece, SplitError, Splitter};
use super::stream::{WAITING_FOR_DATA, WAITING_FOR_PICTURE};
use super::{Interrupt, LiveError, LiveFrame, LiveInfo, LiveOptions};
use crate::frame::Frame;
use crate::image::{ImageError, decode_jpeg_i420};
use crate::limits::MAX_PIXELS;
use crate::pool::FramePool;
use crate::timing::{TimeBase, Timing};

/// Bytes asked of the reader at a time.
const READ_BYTES: usize = 64 << 10;

/// How an MJPEG input is named in errors; its address is the caller's secret.
const NAME: &str = "the MJPEG stream";

/// Motion JPEG over a reader.
pub(super) struct MjpegInput {
    reader: Box<dyn Read + Send>,
    splitter: Splitter,
    chunk: Vec<u8>,
    info: LiveInfo,
    interrupt: Interrupt,
    options: LiveOptions,
    pool: FramePool,
    /// When the bytes that are being cut came, and when those came that the next picture begins in.
    arrived: Instant,
    begun: Option<Instant>,
    first: Option<Instant>,
    undecodable: u64,
    ended: bool,
}

impl MjpegInput {
    pub(super) fn new(
        reader: Box<dyn Read + Send>,
        kind: MjpegKind,
        options: &LiveOptions,
        pool: &FramePool,
        interrupt: &Interrupt,
    ) -> MjpegInput {
        MjpegInput {
            reader,
            splitter: Splitter::new(kind),
            chunk: vec![0; READ_BYTES],
            info: LiveInfo {
                width: 0,
                height: 0,
                fps: None,
                codec: "mjpeg".to_owned(),
            },
            interrupt: interrupt.clone(),
            options: options.clone(),
            pool: pool.clone(),
            arrived: Instant::now(),
            begun: None,
            first: None,
            undecodable: 0,
            ended: false,
        }
    }

    pub(super) fn info(&self) -> &LiveInfo {
        &self.info
    }

    pub(super) fn damaged(&self) -> u64 {
        self.splitter.damaged() + self.undecodable
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
            let piece = self
                .splitter
                .next()
                .map_err(|error| self.broken(words(error)))?;
            if piece.is_none() && self.splitter.is_inside() {
                self.begun.get_or_insert(self.arrived);
            }
            match piece {
                Some(Piece::End) => return Ok(None),
                Some(Piece::Picture(jpeg)) => {
                    let captured = self.begun.take().unwrap_or(self.arrived);
                    if let Some(frame) = self.decode(&jpeg)? {
                        return Ok(Some(self.stamped(frame, captured)));
                    }
                }
                None if Instant::now() >= patience => {
                    return Err(timed_out(WAITING_FOR_PICTURE, self.options.picture_timeout));
                }
                None => {
                    if !self.receive()? {
                        return if self.splitter.is_inside() {
                            Err(self.broken("it ended inside a picture".to_owned()))
                        } else {
                            Ok(None)
                        };
                    }
                }
            }
        }
    }

    /// Takes what the reader has; false at its end.
    fn receive(&mut self) -> Result<bool, LiveError> {
        loop {
            match self.reader.read(&mut self.chunk) {
                Ok(count) => {
                    self.arrived = Instant::now();
                    self.splitter.push(&self.chunk[..count]);
                    return Ok(count > 0);
                }
                Err(_) if self.interrupt.is_interrupted() => return Err(LiveError::Interrupted),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                        return Err(timed_out(WAITING_FOR_DATA, self.options.read_timeout));
                    }
                    // A wrapped error may name the address it came from.
                    kind if error.get_ref().is_some() => return Err(self.broken(kind.to_string())),
                    _ => return Err(self.broken(error.to_string())),
                },
            }
        }
    }

    /// A picture, or `None` if it is damaged.
    fn decode(&mut self, jpeg: &[u8]) -> Result<Option<Frame>, LiveError> {
        let max_pixels = self.options.max_pixels.min(MAX_PIXELS);
        match decode_jpeg_i420(jpeg, max_pixels, &self.pool) {
            Ok(frame) => Ok(Some(frame)),
            Err(ImageError::Frame(error)) => Err(LiveError::Frame(error)),
            Err(_) => {
                self.undecodable += 1;
                Ok(None)
            }
        }
    }

    fn stamped(&mut self, mut frame: Frame, captured: Instant) -> LiveFrame {
        let first = *self.first.get_or_insert(captured);
        let micros = captured.saturating_duration_since(first).as_micros();
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        let ticks = TimeBase::MICROS.rescale(micros, TimeBase::RTP_VIDEO);
        frame.set_timing(Timing::new(ticks, TimeBase::RTP_VIDEO));
        (self.info.width, self.info.height) = (frame.width(), frame.height());
        LiveFrame { frame, captured }
    }

    fn broken(&self, reason: String) -> LiveError {
        LiveError::Broken {
            input: NAME.to_owned(),
            reason,
        }
    }
}

fn timed_out(step: &'static str, after: Duration) -> LiveError {
    LiveError::TimedOut {
        input: NAME.to_owned(),
        step,
        after,
    }
}

fn words(error: SplitError) -> String {
    match error {
        SplitError::NoPicture(bytes) => format!("{bytes} bytes came without a picture"),
        SplitError::TooLong => "a picture is longer than 16 MiB".to_owned(),
    }
}
