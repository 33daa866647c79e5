//! The upload thread: reads the file and hands it to the channel as fast as the network takes it.
//! Not here: when it may begin and how long it may stand still, which the protocol machine decides.

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::session::Input;
use framewire_protocol::upload::{UploadError, UploadPlan};
use framewire_transport::{DataChannel, SendError};

use crate::error::{SessionError, SourceError, Step};
use crate::session::shared::Shared;
use crate::source::ProgressCallback;
use crate::stats::UploadStats;

/// Bytes read from disk at once: enough to keep the network busy meanwhile.
const READ_BLOCK: usize = 512 << 10;

/// What is to be sent.
pub(crate) struct Upload {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) progress: Option<ProgressCallback>,
}

/// Progress of the upload, for statistics and keep-alive.
#[derive(Debug, Default)]
pub(crate) struct UploadMeter(Mutex<Meter>);

#[derive(Debug, Default)]
struct Meter {
    bytes: u64,
    total: u64,
    begun: Option<Instant>,
    moved: Option<Instant>,
    finished: Option<Instant>,
    complete: bool,
}

impl UploadMeter {
    pub(crate) fn announce(&self, total: u64) {
        self.lock().total = total;
    }

    /// A new connection begins: nothing was sent on it yet.
    pub(crate) fn renew(&self) {
        let mut meter = self.lock();
        *meter = Meter {
            total: meter.total,
            ..Meter::default()
        };
    }

    pub(crate) fn begin(&self, now: Instant) {
        let mut meter = self.lock();
        meter.begun = Some(now);
        meter.moved = Some(now);
    }

    fn add(&self, bytes: usize, now: Instant) {
        let mut meter = self.lock();
        meter.bytes += bytes as u64;
        meter.moved = Some(now);
        meter.complete = meter.bytes == meter.total;
    }

    fn finish(&self, now: Instant) {
        self.lock().finished.get_or_insert(now);
    }

    /// When a chunk was last handed over; none unless an upload is under way.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let meter = self.lock();
        meter
            .moved
            .filter(|_| !meter.complete && meter.finished.is_none())
    }

    pub(crate) fn snapshot(&self, now: Instant) -> UploadStats {
        let meter = self.lock();
        let until = meter.finished.unwrap_or(now);
        UploadStats {
            bytes: meter.bytes,
            total_bytes: meter.total,
            elapsed: meter.begun.map_or(Duration::ZERO, |begun| {
                until.saturating_duration_since(begun)
            }),
            complete: meter.complete,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Meter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Body of the thread. Ends the session with a typed error when the file is not what it was.
pub(crate) fn run(shared: &Arc<Shared>, upload: Upload, channel: &DataChannel) {
    match send_file(shared, upload, channel) {
        Ok(true) => {
            shared.input(Input::UploadDone);
            // Only for the figure: the rate counts until everything was handed to the network.
            let _ = channel
                .wait_buffered_at_most(0, Instant::now() + shared.options.upload_stall_timeout);
        }
        // The channel closed or the session ended: whoever did that says why.
        Ok(false) => {}
        Err(error) => shared.fail(error),
    }
    shared.upload.finish(Instant::now());
}

/// `Ok(false)`: stopped from outside.
fn send_file(
    shared: &Shared,
    mut upload: Upload,
    channel: &DataChannel,
) -> Result<bool, SessionError> {
    let chunk_size = shared.options.upload_chunk_size;
    let plan =
        UploadPlan::new(upload.size, chunk_size).map_err(|error| unplanned(&upload, &error))?;
    let total = plan.total_chunks();
    let per_block = (READ_BLOCK / chunk_size).max(1);
    let mut block = vec![0; per_block * chunk_size];
    let mut index = 0;
    while index < total {
        let wanted = (0..per_block as u32)
            .filter_map(|n| plan.range(index + n))
            .map(|(_, len)| len)
            .sum();
        let block = &mut block[..wanted];
        read_full(&mut upload, index as u64 * chunk_size as u64, block)?;
        for data in block.chunks(chunk_size) {
            if index + 1 == total {
                check_size(&upload)?;
            }
            let message = plan
                .message(index, data)
                .map_err(|error| unplanned(&upload, &error))?;
            if !hand_over(shared, channel, message)? {
                return Ok(false);
            }
            index += 1;
            shared.upload.add(data.len(), Instant::now());
            report(&mut upload, index, total);
        }
    }
    Ok(true)
}

fn hand_over(shared: &Shared, channel: &DataChannel, message: Bytes) -> Result<bool, SessionError> {
    // The machine ends the session when nothing moves for this long; twice that is only a net.
    let deadline = Instant::now() + shared.options.upload_stall_timeout * 2;
    if channel
        .wait_buffered_at_most(shared.options.upload_buffer_limit, deadline)
        .is_err()
    {
        return Ok(false);
    }
    let ended = shared.control(|machine| {
        machine.handle(Instant::now(), Input::UploadProgress);
        machine.end().is_some()
    });
    if ended {
        return Ok(false);
    }
    match channel.send(message) {
        Ok(()) => Ok(true),
        Err(SendError::NotOpen { .. }) => Ok(false),
        Err(error) => Err(SessionError::Transport {
            step: Step::Uploading,
            reason: error.to_string(),
        }),
    }
}

fn read_full(upload: &mut Upload, offset: u64, block: &mut [u8]) -> Result<(), SourceError> {
    let mut filled = 0;
    while filled < block.len() {
        match upload.file.read(&mut block[filled..]) {
            Ok(0) => {
                return Err(SourceError::Changed {
                    path: upload.path.clone(),
                    expected: upload.size,
                    found: offset + filled as u64,
                });
            }
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(SourceError::Unreadable {
                    path: upload.path.clone(),
                    reason: error.to_string(),
                });
            }
        }
    }
    Ok(())
}

/// A file that grew was still being written: what was sent is not a whole video.
fn check_size(upload: &Upload) -> Result<(), SourceError> {
    match upload.file.metadata() {
        Ok(now) if now.len() != upload.size => Err(SourceError::Changed {
            path: upload.path.clone(),
            expected: upload.size,
            found: now.len(),
        }),
        Ok(_) => Ok(()),
        Err(error) => Err(SourceError::Unreadable {
            path: upload.path.clone(),
            reason: error.to_string(),
        }),
    }
}

fn unplanned(upload: &Upload, error: &UploadError) -> SessionError {
    SourceError::Unreadable {
        path: upload.path.clone(),
        reason: error.to_string(),
    }
    .into()
}

fn report(upload: &mut Upload, done: u32, total: u32) {
    if let Some(progress) = &mut upload.progress {
        let call = catch_unwind(AssertUnwindSafe(|| progress(done.into(), total.into())));
        if call.is_err() {
            tracing::warn!("the upload progress callback panicked; it is not called again");
            upload.progress = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn upload(content: &[u8]) -> (tempfile::NamedTempFile, Upload) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let open = File::open(file.path()).unwrap();
        let upload = Upload {
            file: open,
            path: file.path().to_owned(),
            size: content.len() as u64,
            progress: None,
        };
        (file, upload)
    }

    #[test]
    fn a_file_that_shrank_is_noticed_with_both_sizes() {
        let (file, mut upload) = upload(&[7; 100]);
        let mut block = [0; 60];
        read_full(&mut upload, 0, &mut block).unwrap();
        file.as_file().set_len(70).unwrap();
        let error = read_full(&mut upload, 60, &mut block[..40]).unwrap_err();
        assert!(
            matches!(
                error,
                SourceError::Changed {
                    expected: 100,
                    found: 70,
                    ..
                }
            ),
            "{error:?}"
        );
    }

    #[test]
    fn a_file_that_grew_is_noticed_before_the_last_chunk() {
        let (file, upload) = upload(&[7; 100]);
        check_size(&upload).unwrap();
        file.as_file().set_len(101).unwrap();
        assert!(matches!(
            check_size(&upload),
            Err(SourceError::Changed { found: 101, .. })
        ));
    }

    #[test]
    fn a_deleted_file_is_still_read_to_its_end() {
        let (file, mut upload) = upload(&[7; 100]);
        file.close().unwrap();
        let mut block = [0; 100];
        read_full(&mut upload, 0, &mut block).unwrap();
        check_size(&upload).unwrap();
    }

    #[test]
    fn a_panicking_progress_callback_is_called_once() {
        let (_file, mut upload) = upload(b"x");
        let calls = Arc::new(Mutex::new(0));
        let seen = calls.clone();
        upload.progress = Some(Box::new(move |_, _| {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            panic!("mine");
        }));
        report(&mut upload, 1, 2);
        report(&mut upload, 2, 2);
        assert_eq!(*calls.lock().unwrap_or_else(PoisonError::into_inner), 1);
    }

    #[test]
    fn the_meter_counts_until_everything_left() {
        let meter = UploadMeter::default();
        let start = Instant::now();
        meter.announce(10);
        assert_eq!(meter.idle_since(), None);
        meter.begin(start);
        meter.add(4, start + Duration::from_secs(1));
        assert_eq!(meter.idle_since(), Some(start + Duration::from_secs(1)));
        meter.add(6, start + Duration::from_secs(2));
        assert_eq!(meter.idle_since(), None);
        meter.finish(start + Duration::from_secs(4));
        let stats = meter.snapshot(start + Duration::from_secs(60));
        assert_eq!(
            (stats.bytes, stats.complete, stats.rate()),
            (10, true, Some(2.5))
        );
    }
}
