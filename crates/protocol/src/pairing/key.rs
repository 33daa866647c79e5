//! What a result says about its frame, and RTP timestamps on an endless axis.
//! It matches nothing.

use crate::FrameId;
use crate::message::VideoMetadata;

/// Ticks per second of RTP video timestamps.
const RTP_CLOCK: f64 = 90_000.0;

/// Furthest position taken from the wire, in ticks: 1600 years. Differences of two positions cannot overflow.
const FURTHEST: f64 = 4_503_599_627_370_496.0;

/// What a result says about the frame it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ResultKey {
    /// Counter of the frame.
    pub frame_id: FrameId,
    /// Timestamp of the source frame, in units of `time_base`.
    pub pts: Option<i64>,
    /// Seconds per tick of `pts`.
    pub time_base: Option<f64>,
    /// RTP timestamp of the frame on the track, if the worker is one of ours.
    pub rtp_ts: Option<u32>,
}

impl ResultKey {
    /// A key that says nothing but the frame's number; set what is known.
    pub fn new(frame_id: FrameId) -> Self {
        ResultKey {
            frame_id,
            pts: None,
            time_base: None,
            rtp_ts: None,
        }
    }

    /// The source timestamp in RTP ticks; `None` when a part is missing or makes no sense.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "bounded far below 2^53 right here"
    )]
    pub(super) fn source_ticks(&self) -> Option<i64> {
        let time_base = self.time_base.filter(|base| *base > 0.0)?;
        let ticks = (self.pts? as f64 * time_base * RTP_CLOCK).round();
        (ticks.abs() <= FURTHEST).then_some(ticks as i64)
    }
}

impl From<&VideoMetadata> for ResultKey {
    fn from(metadata: &VideoMetadata) -> Self {
        ResultKey {
            frame_id: metadata.frame_id,
            pts: metadata.pts,
            time_base: metadata.time_base,
            rtp_ts: metadata.fw.and_then(|times| times.rtp_ts),
        }
    }
}

/// Puts 32-bit timestamps, which start anywhere and wrap every 13 hours, on one endless axis.
#[derive(Debug, Default)]
pub(super) struct Axis(Option<(u32, i64)>);

impl Axis {
    /// Where this timestamp lies: within half a turn of the last one that moved the axis.
    pub(super) fn place(&mut self, rtp: u32) -> i64 {
        let (last, at) = *self.0.get_or_insert((rtp, i64::from(rtp)));
        at.wrapping_add(i64::from(rtp.wrapping_sub(last).cast_signed()))
    }

    /// The same, and later timestamps are placed relative to this one.
    pub(super) fn advance(&mut self, rtp: u32) -> i64 {
        let at = self.place(rtp);
        self.0 = Some((rtp, at));
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_go_on_across_the_wrap_and_back() {
        let mut axis = Axis::default();
        let start = axis.advance(u32::MAX - 10);
        assert_eq!(axis.place(20) - start, 31);
        assert_eq!(axis.advance(20) - start, 31);
        assert_eq!(axis.place(u32::MAX - 10), start);
        let mut at = 20_u32;
        let mut expected = start + 31;
        for _ in 0..10 {
            at = at.wrapping_add(1 << 30);
            expected += 1 << 30;
            assert_eq!(axis.advance(at), expected);
        }
    }

    #[test]
    fn source_timestamps_become_rtp_ticks() {
        let key = |pts, time_base| ResultKey {
            pts: Some(pts),
            time_base: Some(time_base),
            ..ResultKey::new(FrameId(1))
        };
        assert_eq!(key(1024, 1.0 / 12_800.0).source_ticks(), Some(7200));
        assert_eq!(key(1536, 1.0 / 12_800.0).source_ticks(), Some(10_800));
        assert_eq!(
            key(2_999, 1.111_111_111_111_111_2e-05).source_ticks(),
            Some(2_999)
        );
        assert_eq!(key(-3, 1.0 / 30.0).source_ticks(), Some(-9_000));
        assert_eq!(
            key(4_000_000_000_000, 1.0 / 90_000.0).source_ticks(),
            Some(4_000_000_000_000)
        );
        for hostile in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(key(5, hostile).source_ticks(), None, "{hostile}");
        }
        assert_eq!(key(i64::MAX, 1.0).source_ticks(), None);
        assert_eq!(ResultKey::new(FrameId(1)).source_ticks(), None);
    }
}
