//! Writing frames to an H.264 mp4 file that appears under its name only when complete.
//! Not FFmpeg calls (`ffmpeg`), not timestamps (`clock`).

mod clock;
mod error;
mod shape;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use error::Mp4Error;

use self::clock::Clock;
use self::shape::Shape;
use crate::ffmpeg::{AvError, EncoderSettings, Mp4Encoder};
use crate::frame::Frame;
use crate::pool::FramePool;

/// How much work x264 puts into small files; its presets of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mp4Preset {
    /// A third of the work of `Veryfast`, half as large again.
    Ultrafast,
    /// Between the two.
    Superfast,
    /// The default: 7 ms a 720p frame.
    #[default]
    Veryfast,
    /// Slower, smaller.
    Fast,
    /// Much slower, a little smaller.
    Medium,
}

impl Mp4Preset {
    fn name(self) -> &'static str {
        match self {
            Mp4Preset::Ultrafast => "ultrafast",
            Mp4Preset::Superfast => "superfast",
            Mp4Preset::Veryfast => "veryfast",
            Mp4Preset::Fast => "fast",
            Mp4Preset::Medium => "medium",
        }
    }
}

/// How an mp4 is written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Mp4Options {
    /// Frames per second where frames carry no timestamp, and the encoder's hint. Default 30.
    pub fps: f64,
    /// x264's constant rate factor: 0 is lossless, 51 worst. Default 23.
    pub crf: u8,
    /// Speed against size. Default [`Mp4Preset::Veryfast`].
    pub preset: Mp4Preset,
    /// Encoding threads, 0 for x264's choice. Default 1.
    pub threads: usize,
    /// Memory for frames that need converting. Default: a pool of its own.
    pub pool: FramePool,
}

impl Default for Mp4Options {
    fn default() -> Self {
        Mp4Options {
            fps: 30.0,
            crf: 23,
            preset: Mp4Preset::default(),
            threads: 1,
            pool: FramePool::default(),
        }
    }
}

impl Mp4Options {
    /// Sets [`fps`](Self::fps); anything but a rate from 0.01 to 1000 leaves the default.
    pub fn with_fps(mut self, fps: f64) -> Self {
        if (0.01..=1000.0).contains(&fps) {
            self.fps = fps;
        }
        self
    }

    /// Sets [`crf`](Self::crf), at most 51.
    pub fn with_crf(mut self, crf: u8) -> Self {
        self.crf = crf.min(51);
        self
    }

    /// Sets [`preset`](Self::preset).
    pub fn with_preset(mut self, preset: Mp4Preset) -> Self {
        self.preset = preset;
        self
    }

    /// Sets [`threads`](Self::threads).
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets [`pool`](Self::pool).
    pub fn with_pool(mut self, pool: FramePool) -> Self {
        self.pool = pool;
        self
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mp4Summary {
    /// The file.
    pub path: PathBuf,
    /// Frames in it.
    pub frames: u64,
    /// Frames whose timestamp was missing, not increasing or far off, and was made up.
    pub adjusted_timestamps: u64,
    /// Frames scaled because their size differs from the first one's.
    pub rescaled: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// Writes frames to an mp4 file: H.264, 4:2:0, index at the front.
///
/// Timing is the frames' own (variable rates are kept); the picture size is the first frame's, made even by repeating
/// the last row or column, and frames of another size are fitted into it with black borders. The file is written
/// beside the target under a hidden temporary name and renamed by [`finish`](Mp4Writer::finish); dropping the writer
/// finishes it too, so an early end leaves a playable file. Calls block for as long as encoding takes (2 to 7 ms a
/// 720p frame).
pub struct Mp4Writer {
    target: PathBuf,
    temporary: PathBuf,
    options: Mp4Options,
    state: State,
    frames: u64,
}

enum State {
    /// No frame yet.
    Waiting,
    Open {
        encoder: Box<Mp4Encoder>,
        shape: Box<Shape>,
        clock: Clock,
    },
    /// Finished, or failed and cleaned up.
    Done,
}

impl Mp4Writer {
    /// Starts a file. Creates the temporary file, so a missing folder or permission shows here; an existing target is
    /// replaced only by `finish`.
    pub fn create(target: impl AsRef<Path>, options: Mp4Options) -> Result<Mp4Writer, Mp4Error> {
        let target = target.as_ref().to_owned();
        if target.is_dir() {
            return Err(Mp4Error::IsAFolder { path: target });
        }
        let temporary = temporary_name(&target).ok_or_else(|| Mp4Error::NoFileName {
            path: target.clone(),
        })?;
        Mp4Writer::create_at(target, temporary, options)
    }

    fn create_at(
        target: PathBuf,
        temporary: PathBuf,
        options: Mp4Options,
    ) -> Result<Mp4Writer, Mp4Error> {
        if !Mp4Encoder::is_available() {
            return Err(Mp4Error::NoEncoder);
        }
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)
            .map_err(|source| Mp4Error::Create {
                path: target.clone(),
                source,
            })?;
        Ok(Mp4Writer {
            target,
            temporary,
            options,
            state: State::Waiting,
            frames: 0,
        })
    }

    /// The file that will appear.
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// Frames written so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Encodes one frame, I420 (cheaper) or BGR. After an error the file is given up and later calls fail with
    /// [`Mp4Error::Closed`].
    pub fn write(&mut self, frame: &Frame) -> Result<(), Mp4Error> {
        let written = self.try_write(frame);
        match written {
            Ok(()) => self.frames += 1,
            Err(_) => self.give_up(),
        }
        written
    }

    fn try_write(&mut self, frame: &Frame) -> Result<(), Mp4Error> {
        if matches!(self.state, State::Waiting) {
            self.state = self.open(frame)?;
        }
        let State::Open {
            encoder,
            shape,
            clock,
        } = &mut self.state
        else {
            return Err(Mp4Error::Closed {
                path: self.target.clone(),
            });
        };
        let fail = |error| failed(&self.target, error);
        let planes = encoder.planes_mut().map_err(fail)?;
        shape
            .fill(frame, planes, &self.options.pool)
            .map_err(|source| Mp4Error::Frame {
                path: self.target.clone(),
                source,
            })?;
        encoder.encode(clock.next(frame.timing())).map_err(fail)
    }

    fn open(&self, first: &Frame) -> Result<State, Mp4Error> {
        let shape = Shape::new(first);
        let clock = Clock::new(first.timing(), self.options.fps);
        let (width, height) = shape.coded_size();
        let settings = EncoderSettings {
            width,
            height,
            time_base: clock.time_base(),
            fps: self.options.fps,
            color: shape.color(),
            preset: self.options.preset.name(),
            crf: self.options.crf,
            threads: self.options.threads,
        };
        let encoder = Mp4Encoder::open(&self.temporary, &settings)
            .map_err(|error| failed(&self.target, error))?;
        Ok(State::Open {
            encoder: Box::new(encoder),
            shape: Box::new(shape),
            clock,
        })
    }

    /// Completes the file and gives it its name. Without a frame there is no file and the error says so; an older file
    /// of that name then stays.
    pub fn finish(mut self) -> Result<Mp4Summary, Mp4Error> {
        self.complete()
    }

    fn complete(&mut self) -> Result<Mp4Summary, Mp4Error> {
        let path = self.target.clone();
        let state = std::mem::replace(&mut self.state, State::Done);
        let result = match state {
            State::Waiting => Err(Mp4Error::NoFrames { path }),
            State::Done => return Err(Mp4Error::Closed { path }),
            State::Open {
                mut encoder,
                shape,
                clock,
            } => {
                let finished = encoder
                    .finish()
                    .map_err(|error| failed(&self.target, error));
                // Closes the file.
                drop(encoder);
                finished
                    .and_then(|()| self.publish())
                    .map(|bytes| Mp4Summary {
                        path,
                        frames: self.frames,
                        adjusted_timestamps: clock.adjusted(),
                        rescaled: shape.rescaled(),
                        bytes,
                    })
            }
        };
        if result.is_err() {
            self.give_up();
        }
        result
    }

    fn publish(&self) -> Result<u64, Mp4Error> {
        let renamed = fs::metadata(&self.temporary).and_then(|metadata| {
            fs::rename(&self.temporary, &self.target).map(|()| metadata.len())
        });
        renamed.map_err(|source| Mp4Error::Create {
            path: self.target.clone(),
            source,
        })
    }

    fn give_up(&mut self) {
        self.state = State::Done;
        if let Err(error) = fs::remove_file(&self.temporary) {
            tracing::debug!(%error, path = %self.temporary.display(), "temporary video file not removed");
        }
    }
}

impl Drop for Mp4Writer {
    fn drop(&mut self) {
        if matches!(self.state, State::Done) {
            return;
        }
        match self.complete() {
            Ok(summary) => {
                tracing::debug!(path = %summary.path.display(), frames = summary.frames, "video completed")
            }
            Err(Mp4Error::NoFrames { .. }) => {}
            Err(error) => tracing::warn!(%error, "video not completed"),
        }
    }
}

/// A hidden name beside the target, different for each writer.
fn temporary_name(target: &Path) -> Option<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let unique = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name()?);
    name.push(format!(".{}-{unique}.part", std::process::id()));
    Some(target.with_file_name(name))
}

fn failed(path: &Path, error: AvError) -> Mp4Error {
    // ENOSPC and EDQUOT.
    match error.errno() {
        Some(28 | 122) => Mp4Error::DiskFull {
            path: path.to_owned(),
        },
        _ => Mp4Error::Encode {
            path: path.to_owned(),
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.mp4");
        let pool = FramePool::default();
        // A device on which every write fails for want of room. `give_up` must not remove it: it is reached by a link.
        let link = folder.path().join("full");
        std::os::unix::fs::symlink("/dev/full", &link).unwrap();
        let mut writer =
            Mp4Writer::create_at(target.clone(), link, Mp4Options::default().with_crf(0)).unwrap();
        let mut state = 1u32;
        let noise: Vec<u8> = (0..320 * 240 * 3)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let frame = Frame::from_bgr(&pool, 320, 240, 960, &noise).unwrap();
        let written = (0..60)
            .try_for_each(|_| writer.write(&frame))
            .and_then(|()| writer.finish().map(|_| ()));
        assert!(
            matches!(written, Err(Mp4Error::DiskFull { .. })),
            "{written:?}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_writers_of_one_target_do_not_share_a_temporary_file() {
        let target = Path::new("/somewhere/out.mp4");
        let (one, other) = (
            temporary_name(target).unwrap(),
            temporary_name(target).unwrap(),
        );
        assert_ne!(one, other);
        assert_eq!(one.parent(), target.parent());
        assert_eq!(temporary_name(Path::new("/")), None);
    }

    #[test]
    fn unusable_frame_rates_are_ignored() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Mp4Options::default().with_fps(fps).fps, 30.0);
        }
    }
}
