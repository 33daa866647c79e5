//! When a wanted bit rate is worth telling the encoder: libx264 takes it as it goes, libvpx has to be opened again,
//! which costs a keyframe. Counted in frames, not seconds.

use super::VideoCodec;

/// What is to be done before the next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Tell the open encoder.
    Adjust,
    /// Open it again; the next frame becomes a keyframe.
    Reopen(u32),
}

/// Decides when an encoder gets a new bit rate.
#[derive(Debug)]
pub(super) struct RatePolicy {
    codec: VideoCodec,
    fps: u32,
    wanted: u32,
    applied: u32,
    /// Frames since the encoder was last opened.
    age: u32,
    /// Frames in a row that wanted clearly more.
    higher: u32,
}

impl RatePolicy {
    pub(super) fn new(codec: VideoCodec, fps: u32, bitrate: u32) -> RatePolicy {
        RatePolicy {
            codec,
            fps,
            wanted: bitrate,
            applied: bitrate,
            age: 0,
            higher: 0,
        }
    }

    pub(super) fn set(&mut self, bitrate: u32) {
        self.wanted = bitrate;
    }

    /// The rate the encoder was last told.
    pub(super) fn applied(&self) -> u32 {
        self.applied
    }

    /// The rate for an encoder that is opened now anyway.
    pub(super) fn opened(&mut self) -> u32 {
        self.applied = self.wanted;
        self.age = 0;
        self.higher = 0;
        self.wanted
    }

    /// To be asked before each frame of an open encoder; `keyframe` says that the frame is to be one anyway.
    pub(super) fn before_frame(&mut self, keyframe: bool) -> Change {
        self.age = self.age.saturating_add(1);
        let (wanted, applied) = (u64::from(self.wanted), u64::from(self.applied));
        if wanted.abs_diff(applied) * 50 <= applied {
            self.higher = 0;
            return Change::None;
        }
        if self.codec == VideoCodec::H264 {
            self.applied = self.wanted;
            return Change::Adjust;
        }
        self.higher = if wanted * 10 > applied * 14 {
            self.higher.saturating_add(1)
        } else {
            0
        };
        // A falling estimate comes in steps: each step its own keyframe would be the last thing a full line needs.
        let fallen = wanted * 10 < applied * 8 && self.age >= self.fps;
        let collapsed = wanted * 2 < applied && self.age >= self.fps / 3;
        let risen = self.higher >= self.fps * 2;
        if keyframe || fallen || collapsed || risen {
            Change::Reopen(self.opened())
        } else {
            Change::None
        }
    }
}
