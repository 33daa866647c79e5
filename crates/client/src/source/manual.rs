//! Frames pushed from code as a source.
//! Not here: what becomes of them; the slot between senders and encoder is the session's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_media::{Frame, FrameError, FramePool};

use crate::session::{FrameSlot, Put};

/// Frames that a program sends, from whatever threads.
///
/// Take a [`FrameSender`] before handing the source to [`Client::stream`](crate::Client::stream), start the session, and
/// send. In realtime (default) the newest frame wins: one that waits for the encoder while a newer one comes is dropped and
/// counted in [`OutgoingStats`](crate::OutgoingStats). With
/// [`realtime_processing(false)`](crate::StreamConfig::realtime_processing) nothing is dropped and sending blocks while the
/// worker is busy.
///
/// ```no_run
/// use framewire::{Client, ManualSource, StreamConfig, Workflow};
///
/// let source = ManualSource::new();
/// let sender = source.sender();
/// let session = Client::new("http://127.0.0.1:9001").stream(
///     source,
///     Workflow::by_id("my-space", "count-people"),
///     StreamConfig::new().stream_output(["image"]),
/// )?;
/// session.start()?;
/// let producer = std::thread::spawn(move || {
///     let picture = vec![0; 640 * 480 * 3];
///     for _ in 0..300 {
///         sender.send_bgr(640, 480, &picture)?;
///         std::thread::sleep(std::time::Duration::from_millis(33));
///     }
///     sender.end(); // the session ends when the last frame is back
///     Ok::<(), framewire::SendFrameError>(())
/// });
/// for event in session.frames() {
///     println!("{:?}", event?.captured.map(|at| at.elapsed()));
/// }
/// producer.join().expect("no panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct ManualSource {
    pub(crate) slot: Arc<FrameSlot>,
}

impl ManualSource {
    /// A source without frames yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle that sends frames to the session this source becomes part of. Any number may exist.
    pub fn sender(&self) -> FrameSender {
        FrameSender::new(&self.slot)
    }
}

/// Sends frames into a session; see [`ManualSource`] and [`CustomSource`](crate::CustomSource). Cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct FrameSender {
    slot: Arc<FrameSlot>,
    pool: FramePool,
}

impl FrameSender {
    pub(super) fn new(slot: &Arc<FrameSlot>) -> Self {
        FrameSender {
            slot: slot.clone(),
            pool: FramePool::default(),
        }
    }

    /// Sends a frame. The time of this call is its capture time; its own timestamp is not used. Costs no copy.
    ///
    /// Does not block in a realtime session. In a batch session it blocks until the worker has room.
    ///
    /// # Errors
    /// The session has not started, the input was ended, or the session is over.
    pub fn send(&self, frame: Frame) -> Result<(), SendFrameError> {
        outcome(self.slot.put(frame, None))
    }

    /// As [`send`](Self::send), but blocks for at most `limit`.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendFrameError::NoRoom`] when the worker had no room until then; the frame was not
    /// taken.
    pub fn send_within(&self, frame: Frame, limit: Duration) -> Result<(), SendFrameError> {
        outcome(
            self.slot
                .put_until(frame, None, Instant::now().checked_add(limit)),
        )
    }

    /// Sends a picture given as packed BGR rows, 8 bits each. Costs one copy, and is otherwise as [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send), and when the size and the number of bytes do not fit each other.
    pub fn send_bgr(&self, width: u32, height: u32, pixels: &[u8]) -> Result<(), SendFrameError> {
        let needed = packed_bytes(width, height);
        if needed != pixels.len() as u128 || needed == 0 {
            return Err(SendFrameError::WrongShape {
                width,
                height,
                bytes: pixels.len(),
            });
        }
        let frame = Frame::from_bgr(&self.pool, width, height, width as usize * 3, pixels)?;
        self.send(frame)
    }

    /// Ends the input: no more frames. The session ends with [`EndKind::Complete`](crate::EndKind::Complete) once the last
    /// frame has come back. Calling it again does no harm.
    pub fn end(&self) {
        self.slot.end();
    }
}

fn outcome(put: Put) -> Result<(), SendFrameError> {
    match put {
        Put::Stored => Ok(()),
        Put::NotStarted => Err(SendFrameError::NotStarted),
        Put::Ended => Err(SendFrameError::Ended),
        Put::Closed => Err(SendFrameError::Closed),
        Put::Full => Err(SendFrameError::NoRoom),
    }
}

/// Wide enough for any two sides.
fn packed_bytes(width: u32, height: u32) -> u128 {
    u128::from(width) * u128::from(height) * 3
}

/// Why a frame was not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFrameError {
    /// The session has not started; see [`Session::start`](crate::Session::start).
    #[error("the session has not started; start it before sending frames")]
    NotStarted,
    /// The input was ended.
    #[error("the input was ended; no more frames can be sent")]
    Ended,
    /// The session is over.
    #[error("the session is over; no more frames can be sent")]
    Closed,
    /// The worker had no room for it in time.
    #[error("the worker had no room for another frame in time")]
    NoRoom,
    /// Size and bytes do not fit.
    #[error("a BGR picture of {width}x{height} has {} bytes, not {bytes}", packed_bytes(*.width, *.height))]
    WrongShape {
        /// Width given.
        width: u32,
        /// Height given.
        height: u32,
        /// Bytes given.
        bytes: usize,
    },
    /// The picture is larger than frames may be, or no memory is left for it.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked_before_the_state() {
        let sender = ManualSource::new().sender();
        for (width, height, bytes) in [(4, 2, 23), (4, 2, 25), (0, 2, 0), (u32::MAX, u32::MAX, 3)] {
            let refused = sender.send_bgr(width, height, &vec![0; bytes]);
            assert!(
                matches!(refused, Err(SendFrameError::WrongShape { .. })),
                "{width}x{height}"
            );
        }
        assert_eq!(
            sender.send_bgr(4, 2, &[0; 24]),
            Err(SendFrameError::NotStarted)
        );
    }

    #[test]
    fn senders_move_between_threads() {
        fn shared<T: Send + Sync + Clone>() {}
        shared::<FrameSender>();
    }
}
