//! Writing frames to an H.264 mp4 file that appears under its name only when complete.
//! Not FFmpeg calls (`ffmpeg`), not timestamps (`clock`).

mod clock;
mod error;
mod options;
mod shape;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use error::Mp4Error;
pub use options::{Mp4Options, Mp4Preset};

use self::clock::Clock;
use self::shape::Shape;
use crate::ffmpeg::{AvError, EncoderSettings, Mp4Encoder};
use crate::frame::Frame;

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
    use crate::pool::FramePool;

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
}
