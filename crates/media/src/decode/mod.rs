//! Reading a video file frame by frame, and saying plainly why it cannot be read or where it broke.
//! Not network sources; not FFmpeg calls, which are in `ffmpeg`.

mod error;
mod info;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub use error::{DecodeError, OpenError};
pub use info::VideoInfo;

use crate::ffmpeg::{Demuxer, OpenFailure, Picture, PictureError, Received, Scaler, VideoCodec};
use crate::frame::{Frame, PixelFormat};
use crate::limits::{FrameError, MAX_PIXELS, check_size};
use crate::pool::FramePool;
use crate::rotate::Rotation;
use crate::timing::Timing;
use crate::truncation;

/// How a [`Decoder`] works.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DecoderOptions {
    /// Memory for frames that need converting or turning. Frames that need neither stay in FFmpeg's memory and are not
    /// counted here. Default: a pool of its own.
    pub pool: FramePool,
    /// Decoding threads, 0 for FFmpeg's choice. Default 1: models and encoders want the other cores, and more threads
    /// mean more pictures in flight.
    pub threads: usize,
    /// Largest picture in pixels, at most [`MAX_PIXELS`], which is the default.
    pub max_pixels: u64,
    /// Give frames in this layout. Default `None`: I420 where the file holds luma and chroma, BGR where it holds RGB.
    pub format: Option<PixelFormat>,
    /// Turn frames upright as the container asks. Default true.
    pub rotate: bool,
}

impl Default for DecoderOptions {
    fn default() -> Self {
        DecoderOptions {
            pool: FramePool::default(),
            threads: 1,
            max_pixels: MAX_PIXELS,
            format: None,
            rotate: true,
        }
    }
}

impl DecoderOptions {
    /// Sets [`pool`](Self::pool).
    pub fn with_pool(mut self, pool: FramePool) -> Self {
        self.pool = pool;
        self
    }

    /// Sets [`threads`](Self::threads).
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets [`max_pixels`](Self::max_pixels).
    pub fn with_max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = pixels.min(MAX_PIXELS);
        self
    }

    /// Sets [`format`](Self::format).
    pub fn with_format(mut self, format: PixelFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Sets [`rotate`](Self::rotate).
    pub fn with_rotate(mut self, rotate: bool) -> Self {
        self.rotate = rotate;
        self
    }
}

/// What a decoder has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DecodeStats {
    /// Frames handed out.
    pub frames: u64,
    /// Packets and pictures left out as damaged before the first good frame. A recording that starts in the middle has
    /// some; they are no error as long as a frame follows.
    pub leading_damage: u64,
    /// Packets and pictures left out as damaged since; ends in [`DecodeError::Damaged`].
    pub damage: u64,
}

/// Reads the frames of a video file in order of presentation.
///
/// Every frame that decodes undamaged is handed out, whatever surrounds it; what was lost comes as one error at the
/// end, so that a clean end, a cut-off file and a broken one are told apart. Calls block for as long as reading and
/// decoding take; `Send`, so it can live on a thread of its own.
///
/// ```no_run
/// use framewire_media::{Decoder, DecoderOptions};
///
/// let mut decoder = Decoder::open("bikes.mp4", DecoderOptions::default())?;
/// while let Some(frame) = decoder.next_frame()? {
///     println!("{:?} s: {}x{}", frame.timing().seconds(), frame.width(), frame.height());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Decoder {
    path: PathBuf,
    demuxer: Demuxer,
    codec: VideoCodec,
    scaler: Scaler,
    options: DecoderOptions,
    info: VideoInfo,
    stats: DecodeStats,
    /// The first damage since the first good frame: what and when.
    first_damage: Option<(String, Option<f64>)>,
    read_error: Option<String>,
    last_seconds: Option<f64>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reading,
    Draining,
    Ended,
}

/// What a video file holds, without decoding its frames. Blocks while the container's headers are read; fails as
/// [`Decoder::open`] does.
pub fn probe(path: impl AsRef<Path>) -> Result<VideoInfo, OpenError> {
    Decoder::open(path, DecoderOptions::default()).map(|decoder| decoder.info)
}

impl Decoder {
    /// Opens a video file of any kind FFmpeg knows. Reads its headers; the first frame is decoded by
    /// [`next_frame`](Decoder::next_frame). Nothing but this file is opened, whatever it refers to.
    pub fn open(path: impl AsRef<Path>, options: DecoderOptions) -> Result<Decoder, OpenError> {
        let path = path.as_ref().to_owned();
        let file = open_file(&path)?;
        let max_pixels = options.max_pixels.min(MAX_PIXELS);
        let demuxer = Demuxer::open(file, max_pixels).map_err(|failure| explain(&path, failure))?;
        let facts = demuxer.facts();
        let too_large = |width, height| OpenError::TooLarge {
            path: path.clone(),
            width,
            height,
            limit: max_pixels,
        };
        let over = |width: u32, height: u32| u64::from(width) * u64::from(height) > max_pixels;
        match check_size(facts.width, facts.height) {
            Err(FrameError::TooLarge { width, height }) => return Err(too_large(width, height)),
            _ if over(facts.width, facts.height) => {
                return Err(too_large(facts.width, facts.height));
            }
            // Nothing is said about the size: the frames will tell.
            _ => {}
        }
        let codec = VideoCodec::open(&demuxer, options.threads, max_pixels).map_err(|error| {
            OpenError::Codec {
                path: path.clone(),
                codec: facts.codec.clone(),
                reason: error.to_string(),
            }
        })?;
        let rotation = if options.rotate {
            Rotation::from_container_degrees(facts.rotation)
        } else {
            Rotation::None
        };
        let info = VideoInfo::new(facts, rotation);
        Ok(Decoder {
            path,
            demuxer,
            codec,
            scaler: Scaler::default(),
            options,
            info,
            stats: DecodeStats::default(),
            first_damage: None,
            read_error: None,
            last_seconds: None,
            phase: Phase::Reading,
        })
    }

    /// What the container says about the video.
    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// What was done so far.
    pub fn stats(&self) -> DecodeStats {
        self.stats
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next frame; `Ok(None)` at the end. An error comes at most once, after all frames that could be had, and is
    /// followed by `Ok(None)`. Frames may change size in mid-file; timestamps are raw, in
    /// [`VideoInfo::time_base`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        while self.phase != Phase::Ended {
            match self.codec.receive() {
                Ok(Received::Picture(picture)) if picture.is_damaged() => {
                    self.note_damage("a picture was decoded from damaged data");
                }
                Ok(Received::Picture(picture)) => match self.frame_of(picture) {
                    Ok(frame) => {
                        self.stats.frames += 1;
                        self.last_seconds = frame.timing().seconds();
                        return Ok(Some(frame));
                    }
                    Err(error) => {
                        self.phase = Phase::Ended;
                        return Err(error);
                    }
                },
                Ok(Received::NeedsPacket) if self.phase == Phase::Reading => self.feed(),
                Ok(Received::NeedsPacket | Received::End) => {
                    self.phase = Phase::Ended;
                    return self.verdict().map_or(Ok(None), Err);
                }
                Err(error) => self.note_damage(&error.to_string()),
            }
        }
        Ok(None)
    }

    /// Gives the codec one packet, or tells it that there are no more.
    fn feed(&mut self) {
        let splices = self.demuxer.marks_splices_corrupt();
        let sent = match self.demuxer.next_packet() {
            // The rest of a packet that is cut short would decode to rubbish.
            Ok(Some(packet)) if packet.is_corrupt() && !splices => {
                Err("a packet is incomplete".to_owned())
            }
            Ok(Some(packet)) => self.codec.send(packet).map_err(|error| error.to_string()),
            Ok(None) => self.drain(),
            Err(error) => {
                self.read_error = Some(error.to_string());
                self.drain()
            }
        };
        if let Err(reason) = sent {
            self.note_damage(&reason);
        }
    }

    fn drain(&mut self) -> Result<(), String> {
        self.phase = Phase::Draining;
        self.codec.finish().map_err(|error| error.to_string())
    }

    fn note_damage(&mut self, reason: &str) {
        if self.stats.frames == 0 {
            self.stats.leading_damage += 1;
            self.first_damage
                .get_or_insert_with(|| (reason.to_owned(), None));
            return;
        }
        if self.stats.damage == 0 {
            self.first_damage = Some((reason.to_owned(), self.last_seconds));
        }
        self.stats.damage += 1;
    }

    fn frame_of(&mut self, picture: Picture) -> Result<Frame, DecodeError> {
        let frames = self.stats.frames;
        let timing = Timing {
            pts: picture.pts(),
            time_base: self.info.time_base,
        };
        let failed = |error: PictureError| match error {
            PictureError::Frame(source) => DecodeError::Frame { frames, source },
            PictureError::Format(number) => DecodeError::Convert {
                frames,
                reason: format!("pixel format {number} of FFmpeg is not supported"),
            },
            PictureError::Scale(error) => DecodeError::Convert {
                frames,
                reason: error.to_string(),
            },
        };
        let pool = &self.options.pool;
        let mut frame = picture.into_frame(&mut self.scaler, pool).map_err(failed)?;
        frame.set_timing(timing);
        let frame = frame
            .rotated(pool, self.info.rotation)
            .map_err(|source| DecodeError::Frame { frames, source })?;
        let wanted = match self.options.format {
            Some(PixelFormat::Bgr) => frame.to_bgr(pool),
            Some(PixelFormat::I420) => frame.to_i420(pool),
            None => Ok(frame),
        };
        wanted.map_err(|source| DecodeError::Frame { frames, source })
    }

    /// What the end of the file means.
    fn verdict(&mut self) -> Option<DecodeError> {
        let frames = self.stats.frames;
        let first = self.first_damage.take();
        if let Some(cut) = cut_short(&self.path) {
            let (announced, actual) = (cut.announced, cut.actual);
            return Some(DecodeError::Truncated {
                frames,
                announced,
                actual,
            });
        }
        if let Some(reason) = self.read_error.take() {
            return Some(DecodeError::Read { frames, reason });
        }
        if frames == 0 {
            let reason =
                first.map_or_else(|| "it holds no packets".to_owned(), |(reason, _)| reason);
            return Some(DecodeError::NoFrames { reason });
        }
        let (reason, after_seconds) = first.filter(|_| self.stats.damage > 0)?;
        let after_millis = after_seconds.map(|seconds| (seconds * 1000.0) as u64);
        Some(DecodeError::Damaged {
            frames,
            damaged: self.stats.damage,
            after_millis,
            reason,
        })
    }
}

/// Opens a file for reading with an error that says why it cannot be.
fn open_file(path: &Path) -> Result<File, OpenError> {
    let path = || path.to_owned();
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            OpenError::Missing { path: path() }
        }
        _ => OpenError::Unreadable {
            path: path(),
            source,
        },
    };
    // Asked before opening: opening a pipe nobody writes to would block.
    let metadata = std::fs::metadata(path()).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(OpenError::NotAFile { path: path() });
    }
    let file = File::open(path()).map_err(unreadable)?;
    if metadata.len() == 0 {
        return Err(OpenError::Empty { path: path() });
    }
    Ok(file)
}

fn explain(path: &Path, failure: OpenFailure) -> OpenError {
    let owned = path.to_owned();
    match failure {
        OpenFailure::NoVideo(holds) => OpenError::NoVideo { path: owned, holds },
        OpenFailure::Container(error) => match cut_short(path) {
            Some(cut) => OpenError::Incomplete {
                path: owned,
                announced: cut.announced,
                actual: cut.actual,
            },
            None => OpenError::NotVideo {
                path: owned,
                reason: error.to_string(),
            },
        },
    }
}

fn cut_short(path: &Path) -> Option<truncation::Truncation> {
    File::open(path)
        .and_then(truncation::find)
        .unwrap_or_default()
}
