//! The upload thread: hands what the worker lacks of a file to the channel as fast as the network takes it.
//! Not here: reading it (`source::ahead`), and when it may begin and how long it may stand still, which the protocol machine
//! decides.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use bytes::Bytes;
use framewire_protocol::session::Input;
use framewire_protocol::upload::{
    UPLOAD_HEADER_LEN, UploadError, UploadPlan, UploadReply, UploadSender, UploadStep,
};
use framewire_transport::{DataChannel, SendError};

use crate::error::{About, SessionError, SourceError, Step};
use crate::session::file_hash::UploadIdentity;
use crate::session::shared::{Shared, lock};
use crate::session::upload_progress::Progress;
use crate::session::upload_words::broken_agreement;
use crate::source::{Ahead, Read, Reading};

/// What is to be sent.
pub(crate) struct Upload {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) progress: Progress,
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
    if let Some(announcement) = sender.announcement() {
        shared.send_text(&announcement);
        shared.input(Input::UploadAnnounced);
        if !listen(shared, &mut sender, link)? {
            return Ok(false);
        }
        shared.input(Input::UploadProgress);
        let (_, bytes) = sender.resumed();
        shared.upload.resume(bytes, Instant::now());
        shared.upload_resumed(bytes);
    }
    if !send_chunks(shared, &mut upload, &mut sender, link)? {
        return Ok(false);
    }
    let digest = lock(&upload.identity.hash).digest();
    if let Some(end) = sender.end_message(digest) {
        shared.send_text(&end);
        shared.input(Input::UploadSent);
        until_sent(shared, link);
        if !listen(shared, &mut sender, link)? {
            return Ok(false);
        }
    }
    if sender.step() == UploadStep::Mismatch {
        return Err(SessionError::UploadMismatch { path: upload.path });
    }
    if id.is_some() {
        shared.upload.verified();
    }
    Ok(true)
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

/// Sends what the worker lacks. `Ok(false)`: stopped from outside.
fn send_chunks(
    shared: &Shared,
    upload: &mut Upload,
    sender: &mut UploadSender,
    link: &UploadLink,
) -> Result<bool, SessionError> {
    let (total, (mut done, _)) = (sender.plan().total_chunks(), sender.resumed());
    let resumed = done;
    let ahead = Ahead::begin(Reading {
        file: upload.file.try_clone().map_err(|error| no_reader(&error))?,
        path: upload.path.clone(),
        plan: *sender.plan(),
        have: sender.have().cloned().unwrap_or_default(),
        // The hash is the whole file's: what the worker has already is read for it.
        hash: link.replies.is_some().then(|| upload.identity.hash.clone()),
    })
    .map_err(|error| no_reader(&error))?;
    loop {
        // The machine ends the session when nothing moves for this long; twice that is only a net.
        let net = Instant::now() + shared.options.upload_stall_timeout * 2;
        let Some(next) = ahead.next(net) else {
            return Ok(false);
        };
        match next? {
            Read::Message(message) => {
                let len = message.len() - UPLOAD_HEADER_LEN;
                if !hand_over(shared, &link.channel, message)? {
                    return Ok(false);
                }
                sender.sent();
                done += 1;
                shared.upload.add(len, Instant::now());
                upload.progress.at(Instant::now(), done, total);
            }
            Read::Hashed if moved(shared) => {}
            Read::Hashed => return Ok(false),
            Read::End => break,
        }
    }
    if resumed == total {
        upload.progress.at(Instant::now(), total, total);
    }
    Ok(true)
}

fn hand_over(shared: &Shared, channel: &DataChannel, message: Bytes) -> Result<bool, SessionError> {
    shared.wait_unpaused(|| channel.is_open());
    let limit = shared.options.upload_buffer_limit;
    if channel.buffered_amount() > limit {
        // The machine ends the session when nothing moves for this long; twice that is only a net.
        let deadline = Instant::now() + shared.options.upload_stall_timeout * 2;
        // Woken with room for several chunks instead of for each.
        let room = channel.wait_buffered_at_most(limit / 2, deadline);
        if room.is_err() {
            return Ok(false);
        }
    }
    if !moved(shared) {
        return Ok(false);
    }
    match channel.send(message) {
        Ok(()) => Ok(true),
        Err(SendError::NotOpen { .. }) => Ok(false),
        Err(error) => Err(SessionError::Transport {
            step: Step::Uploading,
            reason: error.to_string(),
            about: About::default(),
        }),
    }
}

/// Tells the machine that the upload goes on; whether the session does.
fn moved(shared: &Shared) -> bool {
    shared.control(|machine| {
        machine.handle(Instant::now(), Input::UploadProgress);
        machine.end().is_none()
    })
}

fn no_reader(error: &std::io::Error) -> SessionError {
    SessionError::Local {
        step: Step::Uploading,
        reason: format!("cannot start reading the file: {error}"),
    }
}

fn unplanned(upload: &Upload, error: &UploadError) -> SessionError {
    SourceError::Unreadable {
        path: upload.path.clone(),
        reason: error.to_string(),
    }
    .into()
}
