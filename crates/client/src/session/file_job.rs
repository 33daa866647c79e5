//! A file that may have to go up more than once: each connection sends it from its start, as it was when the session began.
//! Not here: sending it (`upload`).

use std::fs::Metadata;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::error::SourceError;
use crate::session::file_hash::UploadIdentity;
use crate::session::shared::lock;
use crate::session::upload::Upload;
use crate::session::upload_progress::Progress;
use crate::source::{PreparedFile, ProgressCallback};

/// The open file for the life of the session.
pub(super) struct FileJob {
    prepared: PreparedFile,
    /// None where the file system does not say.
    modified: Option<SystemTime>,
    progress: Option<Arc<Mutex<Option<ProgressCallback>>>>,
    identity: UploadIdentity,
}

impl FileJob {
    pub(super) fn new(
        prepared: PreparedFile,
        progress: Option<ProgressCallback>,
        identity: UploadIdentity,
    ) -> Self {
        let metadata = prepared.file.metadata();
        FileJob {
            modified: metadata.ok().and_then(|metadata| metadata.modified().ok()),
            prepared,
            progress: progress.map(|callback| Arc::new(Mutex::new(Some(callback)))),
            identity,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.prepared.size
    }

    /// The upload of one connection. Costs a few system calls; an error when the file changed.
    pub(super) fn upload(&self) -> Result<Upload, SourceError> {
        let PreparedFile {
            file, path, size, ..
        } = &self.prepared;
        let unreadable = |error: std::io::Error| SourceError::Unreadable {
            path: path.clone(),
            reason: error.to_string(),
        };
        self.check(&file.metadata().map_err(unreadable)?)?;
        let file = file.try_clone().map_err(unreadable)?;
        let progress = self.progress.clone().map(|shared| -> ProgressCallback {
            Box::new(move |done, total| {
                let mut kept = lock(&shared);
                // One that panics is not put back: no later connection calls it again.
                if let Some(mut callback) = kept.take() {
                    callback(done, total);
                    *kept = Some(callback);
                }
            })
        });
        Ok(Upload {
            file,
            path: path.clone(),
            size: *size,
            progress: Progress::new(progress),
            identity: self.identity.clone(),
        })
    }

    fn check(&self, now: &Metadata) -> Result<(), SourceError> {
        let touched = self.modified.is_some() && now.modified().ok() != self.modified;
        if now.len() == self.prepared.size && !touched {
            return Ok(());
        }
        Err(SourceError::Changed {
            path: self.prepared.path.clone(),
            expected: self.prepared.size,
            found: now.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::FileExt;
    use std::time::{Duration, Instant};

    fn job(content: &[u8]) -> (tempfile::NamedTempFile, FileJob) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let prepared = PreparedFile {
            file: File::open(file.path()).unwrap(),
            path: file.path().to_owned(),
            size: content.len() as u64,
            _temporary: None,
        };
        (
            file,
            FileJob::new(prepared, None, UploadIdentity::new(None)),
        )
    }

    #[test]
    fn a_progress_callback_that_panicked_is_not_called_by_later_uploads() {
        let (_file, mut job) = job(b"whole");
        let calls = Arc::new(Mutex::new(0));
        let seen = calls.clone();
        job.progress = Some(Arc::new(Mutex::new(Some(Box::new(move |_, _| {
            *lock(&seen) += 1;
            panic!("mine");
        })))));
        for _ in 0..2 {
            job.upload().unwrap().progress.at(Instant::now(), 1, 2);
        }
        assert_eq!(*lock(&calls), 1);
    }

    #[test]
    fn a_deleted_file_can_still_be_sent() {
        let (file, job) = job(b"whole");
        file.close().unwrap();
        let mut text = [0; 5];
        let upload = job.upload().unwrap();
        upload.file.read_exact_at(&mut text, 0).unwrap();
        assert_eq!(&text, b"whole");
    }

    #[test]
    fn a_file_that_was_written_to_is_not_sent_again() {
        let (file, longer) = job(b"whole");
        file.as_file().set_len(9).unwrap();
        let changed = |job: &FileJob| match job.upload().map(drop) {
            Err(SourceError::Changed { found, .. }) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(changed(&longer), 9);
        let (file, rewritten) = job(b"whole");
        let later = SystemTime::now() + Duration::from_secs(5);
        file.as_file().set_modified(later).unwrap();
        assert_eq!(changed(&rewritten), 5);
    }
}
