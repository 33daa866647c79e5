//! Sends a video file over a data channel of the caller's, at the pace of its buffer.
//! Not here: verified and resumable uploads, which take a session between two ends of ours.

use std::fs::File;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::upload::{ChunkRanges, UploadError, UploadPlan};
use framewire_transport::DataChannel;

use crate::error::SourceError;
use crate::source::{Ahead, Read, Reading};

/// Payload bytes of a chunk, unless told otherwise.
pub const DEFAULT_CHUNK_SIZE: usize = 48 << 10;
/// Bytes that may be buffered before another chunk is sent, unless told otherwise.
pub const DEFAULT_BUFFER_LIMIT: usize = 256 << 10;

/// Chunks handed over at one go before other tasks of the executor get their turn.
const CHUNKS_A_TURN: u32 = 64;

/// A reliable, ordered data channel that a file can be sent over. Implemented for the channels of `framewire-transport`.
pub trait UploadChannel {
    /// Whether messages can be sent.
    fn is_open(&self) -> bool;

    /// Queues one message; must not block.
    ///
    /// # Errors
    /// What went wrong, in words.
    fn send(&self, message: Bytes) -> Result<(), String>;

    /// Ready once at most `limit` bytes wait to be handed to the network, or the channel is not open any more; wakes the task
    /// when that may have changed.
    fn poll_buffered_at_most(&self, limit: usize, cx: &mut Context<'_>) -> Poll<()>;
}

impl UploadChannel for DataChannel {
    fn is_open(&self) -> bool {
        DataChannel::is_open(self)
    }

    fn send(&self, message: Bytes) -> Result<(), String> {
        DataChannel::send(self, message).map_err(|error| error.to_string())
    }

    fn poll_buffered_at_most(&self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.buffered_amount() <= limit {
            return Poll::Ready(());
        }
        // Woken with room for several messages instead of for each. The channel keeps the waker, so the future need not live
        // on. An error means that it is not open.
        pin!(self.buffered_at_most(limit / 2)).poll(cx).map(|_| ())
    }
}

/// Why a file was not sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadFileError {
    /// The file cannot be read, is empty, or is not what it was.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The file cannot be cut into chunks of this size.
    #[error(transparent)]
    Plan(#[from] UploadError),
    /// The channel is not open, or not any more.
    #[error("the upload channel is not open (after {uploaded} of {total} chunks)")]
    ChannelClosed {
        /// Chunks handed over before.
        uploaded: u32,
        /// Chunks of the file.
        total: u32,
    },
    /// The channel refused a message.
    #[error("the upload channel refused chunk {index}: {reason}")]
    Refused {
        /// Index of the chunk.
        index: u32,
        /// What it said.
        reason: String,
    },
    /// [`VideoFileUploader::upload_blocking`]: nothing moved for too long.
    #[error("uploading stood still for {} s (after {uploaded} of {total} chunks)", .after.as_secs_f64())]
    Stalled {
        /// The limit that passed.
        after: Duration,
        /// Chunks handed over before.
        uploaded: u32,
        /// Chunks of the file.
        total: u32,
    },
}

/// Sends one video file over one channel. The file is read block by block, on a thread of its own, and kept open: deleting
/// it does no harm, and a change of its length is noticed.
#[derive(Debug)]
pub struct VideoFileUploader<C> {
    file: File,
    path: PathBuf,
    plan: UploadPlan,
    channel: C,
    buffer_limit: usize,
    uploaded: u32,
}

impl<C: UploadChannel> VideoFileUploader<C> {
    /// Opens the file and reads its size; sends nothing. Blocks on the disk for a moment.
    ///
    /// # Errors
    /// The file is missing, unreadable or empty, or the chunk size does not fit it.
    pub fn new(
        path: impl AsRef<Path>,
        channel: C,
        chunk_size: usize,
        buffer_limit: usize,
    ) -> Result<Self, UploadFileError> {
        let path = path.as_ref().to_owned();
        let unreadable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::Missing { path: path.clone() },
            _ => SourceError::Unreadable {
                path: path.clone(),
                reason: error.to_string(),
            },
        };
        let file = File::open(&path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        if size == 0 {
            return Err(SourceError::Empty { path }.into());
        }
        Ok(VideoFileUploader {
            plan: UploadPlan::new(size, chunk_size)?,
            file,
            path,
            channel,
            buffer_limit,
            uploaded: 0,
        })
    }

    /// Bytes of the file.
    pub fn file_size(&self) -> u64 {
        self.plan.file_size()
    }

    /// Chunks of the file, at least 1.
    pub fn total_chunks(&self) -> u32 {
        self.plan.total_chunks()
    }

    /// Chunks handed to the channel so far.
    pub fn uploaded_chunks(&self) -> u32 {
        self.uploaded
    }

    /// Sends the chunks in order and calls `on_progress(uploaded, total)` after each, on the task. Before each chunk it waits
    /// until at most the buffer limit is buffered, so one message more than that may be. Needs no runtime, and has no limit
    /// of its own: it ends when the channel does.
    ///
    /// Cancel-safe: what was handed over is counted, and another call goes on behind it.
    ///
    /// # Errors
    /// The channel is not open, the file is not what it was, or the channel refused a chunk.
    pub async fn upload(
        &mut self,
        mut on_progress: impl FnMut(u32, u32),
    ) -> Result<(), UploadFileError> {
        let total = self.total_chunks();
        let unreadable = |error: std::io::Error| SourceError::Unreadable {
            path: self.path.clone(),
            reason: error.to_string(),
        };
        let ahead = self.read_ahead().map_err(unreadable)?;
        while let Read::Message(message) = poll_fn(|cx| ahead.poll_next(cx)).await? {
            self.check_open()?;
            poll_fn(|cx| self.channel.poll_buffered_at_most(self.buffer_limit, cx)).await;
            self.check_open()?;
            let index = self.uploaded;
            let sent = self.channel.send(message);
            sent.map_err(|reason| UploadFileError::Refused { index, reason })?;
            self.uploaded += 1;
            on_progress(self.uploaded, total);
            if self.uploaded.is_multiple_of(CHUNKS_A_TURN) {
                give_way().await;
            }
        }
        Ok(())
    }

    /// The same on the calling thread. Blocks; nothing may stand still for longer than `patience`.
    ///
    /// # Errors
    /// As [`upload`](Self::upload), and [`UploadFileError::Stalled`].
    pub fn upload_blocking(
        &mut self,
        on_progress: impl FnMut(u32, u32),
        patience: Duration,
    ) -> Result<(), UploadFileError> {
        let parked = Arc::new(Parked {
            thread: std::thread::current(),
            woken: AtomicBool::new(false),
        });
        let waker = Waker::from(parked.clone());
        let mut cx = Context::from_waker(&waker);
        {
            let mut work = pin!(self.upload(on_progress));
            loop {
                if let Poll::Ready(result) = work.as_mut().poll(&mut cx) {
                    return result;
                }
                if !parked.wait(Instant::now().checked_add(patience)) {
                    break;
                }
            }
        }
        Err(UploadFileError::Stalled {
            after: patience,
            uploaded: self.uploaded,
            total: self.total_chunks(),
        })
    }

    /// From the first chunk on that was not handed over.
    fn read_ahead(&self) -> std::io::Result<Ahead> {
        let done = ChunkRanges::new(vec![(0, self.uploaded)]);
        Ahead::begin(Reading {
            file: self.file.try_clone()?,
            path: self.path.clone(),
            plan: self.plan,
            // An empty range is none.
            have: done.unwrap_or_default(),
            hash: None,
        })
    }

    fn check_open(&self) -> Result<(), UploadFileError> {
        if self.channel.is_open() {
            return Ok(());
        }
        Err(UploadFileError::ChannelClosed {
            uploaded: self.uploaded,
            total: self.total_chunks(),
        })
    }
}

/// Lets other tasks of the executor run.
async fn give_way() {
    let mut gave = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A thread that polls.
struct Parked {
    thread: Thread,
    woken: AtomicBool,
}

impl Parked {
    /// Waits on that thread until it is woken; false when the deadline, if there is one, came first.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        while !self.woken.swap(false, Ordering::Acquire) {
            let Some(deadline) = deadline else {
                std::thread::park();
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::park_timeout(left);
        }
        true
    }
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
