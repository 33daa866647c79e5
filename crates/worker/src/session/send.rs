//! The sending stage: serializes outputs, waits for its turn, cuts the message and feeds the channel.
//! Not the completion message: the session thread sends that after the last frame.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::chunk::{CHUNK_SIZE, ResultChunks, split_result};
use framewire_protocol::encoding::gzip;
use framewire_protocol::job::JobInput;
use framewire_protocol::message::write_none_message;
use framewire_protocol::output::DataOutput;
use framewire_transport::DataChannel;

use super::compress::{CompressRule, Compression, lock};
use super::control::{Control, Turn};
use super::count::{Counts, DropReason, Stage};
use super::message::{MessageWriter, Written};
use super::pipeline::Tally;
use super::process::Processed;
use super::queue::Handoff;
use super::writers::{Line, Next, Ready};
use crate::metrics::{ErrorKind, Metrics};

/// Buffered bytes above which results that should be fresh wait at this side of the network, where newer ones replace them.
const FRESH_LIMIT: usize = 64 << 10;

/// How results are sent; fixed for a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendRules {
    /// When bodies are compressed.
    pub(crate) compress: CompressRule,
    /// Buffered bytes above which a chunk waits until only a quarter is left.
    pub(crate) buffer_limit: usize,
    /// Longest such wait.
    pub(crate) timeout: Duration,
    /// Log what each frame cost.
    pub(crate) log_latency: bool,
}

/// One thread of a session.
pub(crate) struct Send {
    pub(crate) results: Results,
    pub(crate) control: Arc<Control>,
    pub(crate) compression: Arc<Mutex<Compression>>,
    pub(crate) writer: MessageWriter,
    pub(crate) rules: SendRules,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) counts: Arc<Counts>,
    /// Ends with the encoding thread.
    pub(crate) video_done: Option<Handoff<()>>,
    /// Why the source ended early; set before its last frame can arrive here.
    pub(crate) source_error: Arc<Mutex<Option<String>>>,
}

/// Where the results come from.
pub(crate) enum Results {
    /// Written here, as the newest ones are wanted.
    Direct(Handoff<Processed>),
    /// Written by threads of their own.
    Written(Line<Ready>),
}

/// A frame that did not get through.
enum Lost {
    /// No result channel: the frame is skipped, the session goes on.
    NoChannel,
    /// The channel does not drain, or broke: the session cannot go on.
    Channel(String),
}

impl Send {
    /// Runs until the results end or the session does, then says that the source is done.
    pub(crate) fn run(mut self) {
        loop {
            let ready = match self.next() {
                Next::Item(ready) => ready,
                Next::Failed => {
                    return self.end(Some("internal error in the write stage".to_owned()));
                }
                Next::Over => break,
            };
            let Ready {
                processed,
                written,
                mode,
            } = ready;
            let Some(turn) = self.turn_of(&processed) else {
                return;
            };
            let written = if turn.data_output == mode {
                written
            } else {
                self.writer.write(&processed, &turn.data_output)
            };
            let failed = written.failed;
            let begun = Instant::now();
            let sent = self.send(&turn, &processed, written);
            let done = Instant::now();
            self.count(&processed, failed, &sent);
            if sent.is_ok() {
                self.counts.stage(Stage::Send, done - begun);
                // With a track a frame's way ends there.
                if self.video_done.is_none() {
                    let total = done.saturating_duration_since(processed.received);
                    self.counts.stage(Stage::Total, total);
                }
            }
            self.control.end_frame(turn.frame);
            if let Err(Lost::Channel(reason)) = sent {
                self.end(Some(format!("results cannot be sent: {reason}")));
                return;
            }
        }
        if let Some(video) = &self.video_done {
            // Nothing is ever put in it: this waits until the encoding thread is over.
            let _ = video.pop();
        }
        let error = self.source_error.lock().map_or_else(
            |poisoned| poisoned.into_inner().take(),
            |mut error| error.take(),
        );
        self.end(error);
    }

    /// The next result, made under the mode of now, and once more if that changes before its turn: the wait for the client
    /// is used for the work, and a client still gets the mode it asked for before it let this frame go.
    fn next(&mut self) -> Next<Ready> {
        let results = match &self.results {
            Results::Written(line) => return line.pop(),
            Results::Direct(results) => results,
        };
        let Some(processed) = results.pop() else {
            return Next::Over;
        };
        let mode = self.control.data_output();
        Next::Item(Ready {
            written: self.writer.write(&processed, &mode),
            processed,
            mode,
        })
    }

    /// Waits for this frame's turn. Frames before it whose results were dropped for newer ones are passed over.
    fn turn_of(&self, processed: &Processed) -> Option<Turn> {
        loop {
            let turn = self.control.begin_frame()?;
            if turn.frame >= processed.metadata.frame_id {
                debug_assert_eq!(turn.frame, processed.metadata.frame_id);
                return Some(turn);
            }
            self.control.end_frame(turn.frame);
        }
    }

    fn end(&self, error: Option<String>) {
        self.control.handle(JobInput::SourceEnded { error });
    }

    fn send(&self, turn: &Turn, processed: &Processed, written: Written) -> Result<usize, Lost> {
        let Some(channel) = turn.channel.as_ref().filter(|channel| channel.is_open()) else {
            return Err(Lost::NoChannel);
        };
        let fresh = turn.fresh.as_ref().filter(|fresh| fresh.is_open());
        // What reports errors must not get lost.
        let fresh = fresh.filter(|_| !written.failed);
        // A channel that drops what is late is never what a session waits for.
        let watched =
            fresh.is_none() && is_compressible(turn, &written) && self.compression().watches();
        let body = self.compressed(turn, written);
        let length = body.len();
        let chunks = split_result(turn.frame, body, CHUNK_SIZE).or_else(|error| {
            // Larger than any reader takes: the client gets the reason instead, and the session goes on.
            let mut small = Vec::new();
            write_none_message(&mut small, &processed.metadata, &[error.to_string()]);
            split_result(turn.frame, Bytes::from(small), CHUNK_SIZE)
        });
        let chunks = chunks.map_err(|error| Lost::Channel(error.to_string()))?;
        if watched {
            channel.set_buffered_amount_low_threshold(0);
            self.compression().begin(Instant::now());
        }
        match fresh {
            Some(fresh) => self
                .feed(fresh, chunks, FRESH_LIMIT)
                // A client that closed this channel alone gets the next result on the other one.
                .map_err(|error| match fresh.is_open() {
                    true => Lost::Channel(error),
                    false => Lost::NoChannel,
                })?,
            None => self
                .feed(channel, chunks, self.rules.buffer_limit)
                .map_err(Lost::Channel)?,
        }
        if watched {
            let unsent = channel.buffered_amount();
            self.compression().sent(Instant::now(), length, unsent);
        }
        Ok(length)
    }

    /// The body as it goes on the wire.
    fn compressed(&self, turn: &Turn, written: Written) -> Bytes {
        let begun = Instant::now();
        let may = is_compressible(turn, &written);
        let body = written.body;
        if !may || !self.compression().wants(begun, body.len()) {
            return body.into();
        }
        let shorter = gzip(&body);
        let now = Instant::now();
        self.compression()
            .compressed(now, body.len(), shorter.len(), now - begun);
        if shorter.len() < body.len() {
            shorter.into()
        } else {
            body.into()
        }
    }

    fn compression(&self) -> MutexGuard<'_, Compression> {
        lock(&self.compression)
    }

    /// Sends the chunks in order; each waits while too much is buffered.
    fn feed(
        &self,
        channel: &DataChannel,
        chunks: ResultChunks,
        limit: usize,
    ) -> Result<(), String> {
        let limit = limit.min(self.rules.buffer_limit);
        for chunk in chunks {
            if channel.buffered_amount() > limit {
                channel
                    .wait_buffered_at_most(limit / 4, Instant::now() + self.rules.timeout)
                    .map_err(|error| error.to_string())?;
            }
            channel.send(chunk).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn count(&self, processed: &Processed, failed: bool, sent: &Result<usize, Lost>) {
        let id = processed.metadata.frame_id;
        match sent {
            Ok(bytes) => {
                self.metrics.frames.add(1);
                self.metrics.result_bytes.add(*bytes as u64);
                self.tally.frames.add(1);
                self.tally.result_bytes.add(*bytes as u64);
                if failed {
                    self.metrics.frame_errors.add(1);
                    self.tally.frame_errors.add(1);
                }
                if self.rules.log_latency {
                    tracing::info!(frame = id.0, workflow = ?processed.took, bytes, "frame sent");
                }
            }
            Err(Lost::NoChannel) => self.counts.dropped(DropReason::NoChannel),
            Err(Lost::Channel(reason)) => {
                tracing::warn!(frame = id.0, reason, "a result was not sent");
                self.counts.dropped(DropReason::SlowChannel);
                self.counts.error(ErrorKind::Send);
            }
        }
    }
}

/// Pictures do not get smaller, and a message without outputs is never compressed.
fn is_compressible(turn: &Turn, written: &Written) -> bool {
    !written.raw && turn.data_output != DataOutput::None
}
