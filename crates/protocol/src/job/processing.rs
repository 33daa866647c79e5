//! The frame counter and the question "may the next frame be taken?".
//! It does not know where frames come from.

use crate::FrameId;
use crate::ack::AckWindow;

/// Answer of [`Job::gate`](crate::job::Job::gate).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gate {
    /// Read the source.
    Open,
    /// Wait for [`JobOutput::GateChanged`](crate::job::JobOutput::GateChanged), then ask again.
    Wait,
    /// Leave the processing loop.
    Stop,
}

#[derive(Debug)]
pub(super) struct Processing {
    pub(super) acks: AckWindow,
    last: FrameId,
    in_progress: Option<FrameId>,
}

impl Processing {
    pub(super) fn new(acks: AckWindow) -> Self {
        Processing {
            acks,
            last: FrameId(0),
            in_progress: None,
        }
    }

    pub(super) fn may_take(&self) -> bool {
        self.in_progress.is_none() && self.acks.allows(self.last.next())
    }

    pub(super) fn begin(&mut self) -> FrameId {
        self.last = self.last.next();
        self.in_progress = Some(self.last);
        self.last
    }

    /// `true` when that was the frame in progress.
    pub(super) fn end(&mut self, frame: FrameId) -> bool {
        let ended = self.in_progress == Some(frame);
        if ended {
            self.in_progress = None;
        }
        ended
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_progress.is_some()
    }

    /// The last frame taken; a frame in progress when the job was cut short counts as taken.
    pub(super) fn last(&self) -> FrameId {
        self.last
    }
}
