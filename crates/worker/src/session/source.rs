//! Where a session's frames come from, and what travels with each of them to the workflow.
//! Not the reading: `decode`, `track` and `pull` are one file each.

use std::time::{Duration, Instant};

use framewire_media::{Frame, TimeBase};
use framewire_transport::VideoTrack;

use crate::sources::Pulled;
use crate::upload::UploadFile;

/// The one source of a session.
pub(crate) enum Source {
    /// A file on the `video_upload` channel.
    Upload(UploadFile),
    /// The client's own video track.
    Track(VideoTrack),
    /// A URL of the request, open already.
    Pulled(Box<Pulled>),
}

/// Kinds of source, as metrics and the log name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceKind {
    File,
    Track,
    Rtsp,
    Mjpeg,
}

impl SourceKind {
    pub(crate) const ALL: [SourceKind; 4] = [
        SourceKind::File,
        SourceKind::Track,
        SourceKind::Rtsp,
        SourceKind::Mjpeg,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            SourceKind::File => "video_file",
            SourceKind::Track => "track",
            SourceKind::Rtsp => "rtsp",
            SourceKind::Mjpeg => "mjpeg",
        }
    }

    pub(crate) fn is_live(self) -> bool {
        self != SourceKind::File
    }
}

impl Source {
    pub(crate) fn kind(&self) -> SourceKind {
        match self {
            Source::Upload(_) => SourceKind::File,
            Source::Track(_) => SourceKind::Track,
            Source::Pulled(pulled) => pulled.spec.kind(),
        }
    }
}

/// What is known of the source once it is open.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SourceFacts {
    pub(crate) declared_fps: Option<f64>,
    pub(crate) total_frames: Option<u64>,
}

/// A frame on its way to the workflow.
#[derive(Debug)]
pub(crate) struct SourceFrame {
    pub(crate) frame: Frame,
    /// Its RTP timestamp on the client's track.
    pub(crate) rtp_time: Option<u32>,
    pub(crate) stamps: Stamps,
}

/// When things happened to a frame before the workflow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamps {
    /// Complete at the worker; for a source the worker reads, when its data came.
    pub(crate) received: Instant,
    /// Between then and decoding.
    pub(crate) waited: Duration,
    /// Decoding, where it is known by itself.
    pub(crate) decode: Option<Duration>,
    /// Handed to the workflow's queue.
    pub(crate) ready: Instant,
}

impl Stamps {
    /// A frame of a source that says no more than when it came.
    pub(crate) fn read(received: Instant) -> Stamps {
        Stamps {
            received,
            waited: Duration::ZERO,
            decode: None,
            ready: Instant::now(),
        }
    }
}

/// The clock of the outgoing track for frames that did not come on one: their own time in 90 kHz after a random start.
#[derive(Debug)]
pub(crate) struct RtpClock {
    offset: u32,
    start: Instant,
}

impl RtpClock {
    pub(crate) fn new(offset: u32, start: Instant) -> RtpClock {
        RtpClock { offset, start }
    }

    /// The RTP timestamp of a frame.
    pub(crate) fn time(&self, frame: &Frame, now: Instant) -> u32 {
        let ticks = match frame.pts() {
            Some(pts) => frame.time_base().rescale(pts, TimeBase::RTP_VIDEO),
            None => {
                let micros = now.saturating_duration_since(self.start).as_micros();
                let micros = i64::try_from(micros).unwrap_or(i64::MAX);
                TimeBase::MICROS.rescale(micros, TimeBase::RTP_VIDEO)
            }
        };
        // The RTP clock wraps; so does this.
        self.offset.wrapping_add(ticks as u32)
    }
}

/// Turns the RTP timestamps of a track into a time line that starts at 0 and never wraps.
#[derive(Debug, Default)]
pub(crate) struct Unrolled(Option<(u32, i64)>);

impl Unrolled {
    /// Ticks of this frame since the first one; negative for one from before it.
    pub(crate) fn ticks(&mut self, rtp_time: u32) -> i64 {
        let ticks = match self.0 {
            None => 0,
            // The nearer way round, as RTP counts.
            Some((last, at)) => at + i64::from(rtp_time.wrapping_sub(last) as i32),
        };
        self.0 = Some((rtp_time, ticks));
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewire_media::{Bgr, FramePool, Timing};

    #[test]
    fn a_wrapping_track_becomes_one_time_line_from_zero() {
        let mut line = Unrolled::default();
        let first = u32::MAX - 2999;
        assert_eq!(line.ticks(first), 0);
        assert_eq!(line.ticks(first.wrapping_add(3000)), 3000);
        assert_eq!(line.ticks(first.wrapping_add(6000)), 6000);
        assert_eq!(line.ticks(first.wrapping_add(3000)), 3000, "out of order");
        let mut long = Unrolled::default();
        let mut at = 7u32;
        let step = 1 << 30;
        for n in 0..40i64 {
            assert_eq!(long.ticks(at), n * i64::from(step));
            at = at.wrapping_add(step as u32);
        }
    }

    #[test]
    fn file_timestamps_become_rtp_timestamps_after_a_random_start() {
        let now = Instant::now();
        let clock = RtpClock::new(u32::MAX, now);
        let pool = FramePool::default();
        let mut frame = Frame::solid_bgr(&pool, 2, 2, Bgr::GREEN).unwrap();
        let base = TimeBase::new(1, 25).unwrap();
        frame.set_timing(Timing::new(1, base));
        assert_eq!(clock.time(&frame, now), 3599);
        frame.set_timing(Timing::default());
        assert_eq!(clock.time(&frame, now + Duration::from_secs(1)), 89_999);
    }
}
