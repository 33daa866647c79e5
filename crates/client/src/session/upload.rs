//! The upload thread: reads the file and hands what the worker lacks of it to the channel as fast as the network takes it.
//! Not here: when it may begin and how long it may stand still, which the protocol machine decides.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use bytes::Bytes;
use framewire_protocol::session::Input;
use framewire_protocol::upload::{UploadError, UploadPlan, UploadReply, UploadSender, UploadStep};
use framewire_transport::{DataChannel, SendError};

use crate::error::{SessionError, SourceError, Step};
use crate::session::file_hash::UploadIdentity;
use crate::session::shared::{Shared, lock};
use crate::session::upload_words::broken_agreement;
use crate::source::{self, ProgressCallback};

/// Bytes read from disk at once: enough to keep the network busy meanwhile.
const READ_BLOCK: usize = 512 << 10;

/// What is to be sent.
pub(crate) struct Upload {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) progress: Option<ProgressCallback>,
    pub(crate) identity: UploadIdentity,
}

/// What carries an upload on one connection.
pub(crate) struct UploadLink {
    pub(crate) channel: DataChannel,
    /// What the worker says about it, if both ends agreed to speak; over when the connection is.
    pub(crate) replies: Option<Receiver<UploadReply>>,
}

/// Body of the thread. Ends the session with a typed error when the file is not what it was, or not what the worker got.
pub(crate) fn run(shared: &Arc<Shared>, upload: Upload, link: &UploadLink) {
    match send_file(shared, upload, link) {
        Ok(true) => {
            shared.input(Input::UploadDone);
            until_sent(shared, link);
        }
        // The channel closed or the session ended: whoever did that says why.
        Ok(false) => {}
        Err(error) => shared.fail(error),
    }
    shared.upload.finish(Instant::now());
}

/// Only for the figure: the rate counts until everything was handed to the network.
fn until_sent(shared: &Shared, link: &UploadLink) {
    let deadline = Instant::now() + shared.options.upload_stall_timeout;
    let _ = link.channel.wait_buffered_at_most(0, deadline);
    shared.upload.finish(Instant::now());
}

/// `Ok(false)`: stopped from outside.
fn send_file(shared: &Shared, mut upload: Upload, link: &UploadLink) -> Result<bool, SessionError> {
    let chunk_size = shared.options.upload_chunk_size;
    let plan =
        UploadPlan::new(upload.size, chunk_size).map_err(|error| unplanned(&upload, &error))?;
    let id = link.replies.is_some().then_some(upload.identity.id);
    let mut sender = UploadSender::new(plan, id);
    let mut block = vec![0; (READ_BLOCK / chunk_size).max(1) * chunk_size];
    let mut done = 0;
    loop {
        match sender.step() {
            UploadStep::Announce => {
                shared.send_text(&sender.announcement().unwrap_or_default());
                shared.input(Input::UploadAnnounced);
                if !listen(shared, &mut sender, link)? {
                    return Ok(false);
                }
                shared.input(Input::UploadProgress);
                let (chunks, bytes) = sender.resumed();
                done = chunks;
                shared.upload.resume(bytes, Instant::now());
                shared.upload_resumed(bytes);
            }
            UploadStep::Chunk(index) => {
                if !hash_to(shared, &mut upload, &sender, index, &mut block)? {
                    return Ok(false);
                }
                if !send_block(
                    shared,
                    &mut upload,
                    &mut sender,
                    &mut done,
                    link,
                    &mut block,
                )? {
                    return Ok(false);
                }
            }
            UploadStep::Verify => {
                let total = plan.total_chunks();
                if !hash_to(shared, &mut upload, &sender, total, &mut block)? {
                    return Ok(false);
                }
                check_size(&upload)?;
                if sender.resumed().0 == total {
                    report(&mut upload, total, total);
                }
                let digest = lock(&upload.identity.hash).digest();
                shared.send_text(&sender.end_message(digest).unwrap_or_default());
                shared.input(Input::UploadSent);
                until_sent(shared, link);
                if !listen(shared, &mut sender, link)? {
                    return Ok(false);
                }
            }
            UploadStep::Mismatch => {
                return Err(SessionError::UploadMismatch { path: upload.path });
            }
            // Nothing else is left to do.
            _ => {
                if id.is_some() {
                    shared.upload.verified();
                }
                return Ok(true);
            }
        }
    }
}

/// Waits for the worker's word on the current step. `Ok(false)`: the connection or the session is over.
fn listen(
    shared: &Shared,
    sender: &mut UploadSender,
    link: &UploadLink,
) -> Result<bool, SessionError> {
    let step = sender.step();
    while sender.step() == step {
        // The machine ends the session when the word does not come; this is only a net.
        let net = shared.options.upload_stall_timeout * 2;
        let reply = link
            .replies
            .as_ref()
            .and_then(|replies| replies.recv_timeout(net).ok());
        let Some(reply) = reply else {
            return Ok(false);
        };
        sender
            .reply(&reply)
            .map_err(|error| broken_agreement(&error))?;
    }
    Ok(true)
}

/// Sends the chunks from the current one on that follow each other in the file, as many as a block holds.
fn send_block(
    shared: &Shared,
    upload: &mut Upload,
    sender: &mut UploadSender,
    done: &mut u32,
    link: &UploadLink,
    block: &mut [u8],
) -> Result<bool, SessionError> {
    let plan = *sender.plan();
    let UploadStep::Chunk(first) = sender.step() else {
        return Ok(true);
    };
    let chunks = (block.len() / plan.chunk_size()) as u32;
    let wanted = (first..first.saturating_add(chunks)).filter_map(|index| plan.range(index));
    let wanted = wanted.map(|(_, len)| len).sum();
    let block = &mut block[..wanted];
    let offset = u64::from(first) * plan.chunk_size() as u64;
    read_at(upload, offset, block)?;
    for (index, data) in (first..).zip(block.chunks(plan.chunk_size())) {
        if sender.step() != UploadStep::Chunk(index) {
            break; // the worker has this one
        }
        if index + 1 == plan.total_chunks() {
            check_size(upload)?;
        }
        let message = plan
            .message(index, data)
            .map_err(|error| unplanned(upload, &error))?;
        if !hand_over(shared, &link.channel, message)? {
            return Ok(false);
        }
        if link.replies.is_some() {
            // Behind the network's back: it has the chunk already, and its bytes are still in the processor's caches.
            let at = u64::from(index) * plan.chunk_size() as u64;
            lock(&upload.identity.hash).add(at, data);
        }
        sender.sent();
        *done += 1;
        shared.upload.add(data.len(), Instant::now());
        report(upload, *done, plan.total_chunks());
    }
    Ok(true)
}

/// Reads what the worker has already and this side has not hashed, up to that chunk: the hash is the whole file's.
fn hash_to(
    shared: &Shared,
    upload: &mut Upload,
    sender: &UploadSender,
    index: u32,
    block: &mut [u8],
) -> Result<bool, SessionError> {
    if sender.resumed().0 == 0 {
        return Ok(true); // every byte is sent from here and hashed then
    }
    let end = u64::from(index) * sender.plan().chunk_size() as u64;
    let end = end.min(upload.size);
    let hash = upload.identity.hash.clone();
    loop {
        let at = lock(&hash).hashed();
        if at >= end {
            return Ok(true);
        }
        let ended = shared.control(|machine| {
            machine.handle(Instant::now(), Input::UploadProgress);
            machine.end().is_some()
        });
        if ended {
            return Ok(false);
        }
        let room = block.len();
        let left = usize::try_from(end - at).unwrap_or(room);
        let part = &mut block[..left.min(room)];
        read_at(upload, at, part)?;
        lock(&hash).add(at, part);
    }
}

fn hand_over(shared: &Shared, channel: &DataChannel, message: Bytes) -> Result<bool, SessionError> {
    shared.wait_unpaused(|| channel.is_open());
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

fn read_at(upload: &mut Upload, offset: u64, block: &mut [u8]) -> Result<(), SourceError> {
    source::read_at(&mut upload.file, &upload.path, upload.size, offset, block)
}

fn check_size(upload: &Upload) -> Result<(), SourceError> {
    source::check_size(&upload.file, &upload.path, upload.size)
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
    use std::sync::{Mutex, PoisonError};

    fn upload(content: &[u8]) -> (tempfile::NamedTempFile, Upload) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let open = File::open(file.path()).unwrap();
        let upload = Upload {
            file: open,
            path: file.path().to_owned(),
            size: content.len() as u64,
            progress: None,
            identity: UploadIdentity::new(None),
        };
        (file, upload)
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
}
