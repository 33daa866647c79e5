//! The job while its file comes: chunks, and with an end that agreed to it what is there already and whether it is right.
//! It keeps no file: the owner opens, writes and hashes it, and reports back.

use std::time::Instant;

use bytes::Bytes;

use crate::job::{Job, JobEnd, JobOutput, JobPhase, JobSource, JobWarning};
use crate::upload::{
    ChunkSet, UploadAction, UploadId, UploadPlan, UploadReceiver, UploadReply, UploadRequest,
};

/// A file whose sender said what comes.
#[derive(Debug)]
pub(super) struct Announced {
    id: UploadId,
    plan: UploadPlan,
    /// The owner has said what is there; chunks count from here on.
    opened: bool,
    /// What the whole file must be; may come before its last chunk, on another channel.
    sha256: Option<[u8; 32]>,
}

impl Job {
    pub(super) fn upload(&mut self, now: Instant, channel: u64, data: Bytes) {
        let unopened = self.announced.as_ref().is_some_and(|file| !file.opened);
        if unopened && data.len() > 1 {
            return self.warn(JobWarning::UploadOutOfTurn);
        }
        let result = self.upload.handle(data);
        self.upload_alive(now);
        match result {
            Ok(UploadAction::Echo(data)) => self.out.push_back(JobOutput::Echo { channel, data }),
            Ok(UploadAction::Store {
                write,
                held,
                complete,
            }) if self.takes_upload() => {
                self.out.push_back(JobOutput::Write(write));
                self.out.extend(held.map(JobOutput::Write));
                if self.announced.is_some() {
                    self.verify(now);
                } else if complete.is_some() && self.phase != JobPhase::Offered {
                    self.start(now);
                }
            }
            Ok(_) => {}
            Err(error) if error.is_fatal() && self.takes_upload() => {
                self.stop(now, JobEnd::SourceFailed(error.to_string()));
            }
            Err(error) => self.warn(JobWarning::Upload(error)),
        }
    }

    /// Takes a message on the results channel if it is about an upload, and both ends agreed on such.
    pub(super) fn upload_message(&mut self, now: Instant, text: &[u8]) -> bool {
        if !self.config.verified_uploads {
            return false;
        }
        match UploadRequest::parse(text) {
            Ok(None) => return false,
            Ok(Some(UploadRequest::Announce { id, size, chunk })) => {
                self.announce(now, id, size, chunk);
            }
            Ok(Some(UploadRequest::End { id, sha256 })) => self.ended(now, id, sha256),
            Err(error) => self.warn(JobWarning::UploadMessage(error)),
        }
        true
    }

    fn announce(&mut self, now: Instant, id: UploadId, size: u64, chunk: u32) {
        let begun = self.announced.is_some() || self.upload.total_chunks().is_some();
        if begun || !self.takes_upload() {
            return self.warn(JobWarning::UploadOutOfTurn);
        }
        self.upload_alive(now);
        let plan = match UploadPlan::new(size, chunk as usize) {
            Ok(plan) => plan,
            Err(error) => return self.stop(now, JobEnd::SourceFailed(error.to_string())),
        };
        // Only the limits; what is there is not known yet.
        match UploadReceiver::resume(self.config.upload, &plan, ChunkSet::new()) {
            Ok(receiver) => self.upload = receiver,
            Err(error) => return self.stop(now, JobEnd::SourceFailed(error.to_string())),
        }
        self.announced = Some(Announced {
            id,
            plan,
            opened: false,
            sha256: None,
        });
        self.out.push_back(JobOutput::OpenUpload { id, plan });
    }

    pub(super) fn upload_opened(&mut self, now: Instant, have: ChunkSet) {
        let takes = self.takes_upload();
        let Some(file) = self.announced.as_mut().filter(|file| takes && !file.opened) else {
            return;
        };
        file.opened = true;
        let id = file.id;
        // The limits were checked with the announcement; what does not fit is as good as nothing.
        if let Ok(receiver) = UploadReceiver::resume(self.config.upload, &file.plan, have) {
            self.upload = receiver;
        }
        let have = self.upload.ranges();
        self.upload_alive(now);
        self.say(&UploadReply::Have { id, have });
        self.verify(now);
    }

    fn ended(&mut self, now: Instant, id: UploadId, sha256: [u8; 32]) {
        let takes = self.takes_upload();
        let named = |file: &&mut Announced| takes && file.id == id && file.sha256.is_none();
        let Some(file) = self.announced.as_mut().filter(named) else {
            return self.warn(JobWarning::UploadOutOfTurn);
        };
        file.sha256 = Some(sha256);
        self.upload_alive(now);
        self.verify(now);
    }

    /// Goes on to verification once the file is whole and its sender said what it must be.
    fn verify(&mut self, now: Instant) {
        let file = self.announced.as_ref().filter(|file| file.opened);
        if let Some(sha256) = file.and_then(|file| file.sha256)
            && self.upload.is_complete()
            && self.takes_upload()
        {
            self.enter(
                now,
                JobPhase::Verifying,
                Some(self.config.limits.upload_stall),
            );
            self.out.push_back(JobOutput::VerifyUpload { sha256 });
        }
    }

    pub(super) fn upload_hashing(&mut self, now: Instant) {
        if self.phase == JobPhase::Verifying {
            self.enter(
                now,
                JobPhase::Verifying,
                Some(self.config.limits.upload_stall),
            );
        }
    }

    pub(super) fn upload_verified(&mut self, now: Instant, verified: bool) {
        let file = self.announced.as_ref();
        let Some(id) = file
            .filter(|_| self.phase == JobPhase::Verifying)
            .map(|file| file.id)
        else {
            return;
        };
        self.say(&UploadReply::Verified { id, verified });
        if verified {
            self.start(now);
        } else {
            self.stop(now, JobEnd::UploadMismatch);
        }
    }

    pub(super) fn upload_stalled(&self) -> String {
        let limit = self.config.limits.upload_stall;
        if self.phase == JobPhase::Verifying {
            format!("the upload was not verified: nothing of it was read for {limit:?}")
        } else {
            format!("no upload message for {limit:?} before the file was complete")
        }
    }

    /// Any word about the upload puts off its stall.
    fn upload_alive(&mut self, now: Instant) {
        if let JobPhase::AwaitingUpload | JobPhase::Uploading = self.phase {
            let known = self.upload.total_chunks().is_some();
            let phase = if known {
                JobPhase::Uploading
            } else {
                JobPhase::AwaitingUpload
            };
            self.enter(now, phase, Some(self.config.limits.upload_stall));
        }
    }

    fn say(&mut self, reply: &UploadReply) {
        self.out.push_back(JobOutput::SendText(reply.text()));
    }

    /// Channels may open in any order, so that chunks can come while the results channel is still missing.
    fn takes_upload(&self) -> bool {
        let early = matches!(
            self.phase,
            JobPhase::Offered | JobPhase::AwaitingUpload | JobPhase::Uploading
        );
        early && self.config.source == JobSource::Upload
    }
}
