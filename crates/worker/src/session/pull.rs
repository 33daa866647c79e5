//! The source stage of a URL the worker pulls: reads frames, gets a source that broke off back within its budget, and
//! keeps one time line over all of it.
//! Not dialling: `sources` opens what may be opened.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use framewire_media::{Frame, FramePool, TimeBase, Timing};

use super::control::Control;
use super::count::Counts;
use super::queue::Handoff;
use super::source::{SourceFacts, SourceFrame, Stamps};
use crate::config::Reconnect;
use crate::sources::{Opened, PullSpec, Pulled, SourceError, Stop};

/// First pause before a source is opened again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One thread of a session.
pub(crate) struct PullRead {
    pub(crate) reconnect: Reconnect,
    pub(crate) declared_fps: Option<f64>,
    pub(crate) facts: Arc<OnceLock<SourceFacts>>,
    pub(crate) frames: Handoff<SourceFrame>,
    pub(crate) control: Arc<Control>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) pool: FramePool,
    /// Why the source ended early; read after its last frame was sent.
    pub(crate) error: Arc<Mutex<Option<String>>>,
}

/// Why reading stopped.
enum Stopped {
    /// The source is over, or the session is.
    Over,
    Broken(SourceError),
}

impl PullRead {
    /// Runs until the source ends, stays away for too long, or the session stops.
    pub(crate) fn run(self, pulled: Pulled) {
        let Pulled {
            spec,
            stop,
            mut opened,
        } = pulled;
        let mut budget = Budget::new(self.reconnect);
        let mut line = Line::default();
        let _ = self.facts.set(SourceFacts {
            declared_fps: opened.fps().or(self.declared_fps),
            total_frames: None,
        }); // set once, here
        loop {
            let Stopped::Broken(error) = self.read(&mut opened, &mut line) else {
                return;
            };
            drop(opened);
            tracing::warn!("the source broke off: {error}");
            let broken = Instant::now();
            opened = match self.reopen(&spec, &stop, &budget, broken, error) {
                Some(opened) => opened,
                None => return,
            };
            budget.spend(broken);
            line.broke();
            self.counts.reconnected();
            tracing::info!("the source is back after {:?}", broken.elapsed());
        }
    }

    /// Tries until it works, the budget is used up or the session stops.
    fn reopen(
        &self,
        spec: &PullSpec,
        stop: &Stop,
        budget: &Budget,
        broken: Instant,
        error: SourceError,
    ) -> Option<Opened> {
        let mut last = error;
        let mut pause = FIRST_PAUSE;
        loop {
            let left = budget.left(broken);
            if left.is_zero() || !last.is_passing() {
                self.report(budget, &last);
                return None;
            }
            if !self.control.wait_until(Instant::now() + pause.min(left)) {
                return None;
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
            let left = budget.left(broken);
            if left.is_zero() {
                continue;
            }
            match spec.open(left, &self.pool, stop) {
                Ok(opened) => return Some(opened),
                Err(SourceError::Stopped) => return None,
                Err(error) => last = error,
            }
        }
    }

    fn read(&self, opened: &mut Opened, line: &mut Line) -> Stopped {
        while !self.control.is_stopped() {
            let mut live = match opened.read() {
                Ok(Some(live)) => live,
                Ok(None) | Err(SourceError::Stopped) => return Stopped::Over,
                Err(error) => return Stopped::Broken(error),
            };
            line.put_on(&mut live.frame, live.captured);
            self.counts.received();
            self.counts.decoded();
            let handed = self.frames.push(SourceFrame {
                frame: live.frame,
                rtp_time: None,
                stamps: Stamps::read(live.captured),
            });
            self.counts.handed(handed);
            if handed.is_closed() {
                return Stopped::Over;
            }
        }
        Stopped::Over
    }

    fn report(&self, budget: &Budget, error: &SourceError) {
        let text = match budget.policy {
            Reconnect::Within(total) if error.is_passing() => {
                format!("the source broke off and did not come back within {total:?}: {error}")
            }
            _ => format!("the source broke off: {error}"),
        };
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

/// The time a source may be away, over the whole session.
#[derive(Debug)]
struct Budget {
    policy: Reconnect,
    spent: Duration,
}

impl Budget {
    fn new(policy: Reconnect) -> Budget {
        Budget {
            policy,
            spent: Duration::ZERO,
        }
    }

    /// What is left of it for a source that has been away since `broken`.
    fn left(&self, broken: Instant) -> Duration {
        match self.policy {
            Reconnect::Off => Duration::ZERO,
            Reconnect::Within(total) => total
                .saturating_sub(self.spent)
                .saturating_sub(broken.elapsed()),
            Reconnect::Forever => Duration::MAX,
        }
    }

    fn spend(&mut self, broken: Instant) {
        self.spent += broken.elapsed();
    }
}

/// One time line in 90 kHz from 0 over all connections of a source: its own time while it runs, the clock's across a gap.
#[derive(Debug, Default)]
struct Line {
    /// What the source's first timestamp since the last gap became.
    start: Option<(i64, i64)>,
    last: Option<(i64, Instant)>,
}

impl Line {
    /// The source starts anew.
    fn broke(&mut self) {
        self.start = None;
    }

    fn put_on(&mut self, frame: &mut Frame, captured: Instant) {
        let Some(pts) = frame.pts() else {
            return;
        };
        let base = TimeBase::RTP_VIDEO;
        let raw = frame.time_base().rescale(pts, base);
        let (from, to) = *self.start.get_or_insert_with(|| match self.last {
            None => (raw, 0),
            Some((last, at)) => {
                let gap = captured.saturating_duration_since(at).as_micros();
                let gap = i64::try_from(gap).unwrap_or(i64::MAX);
                let gap = TimeBase::MICROS.rescale(gap, base).max(1);
                (raw, last.saturating_add(gap))
            }
        });
        let pts = raw.saturating_sub(from).saturating_add(to);
        self.last = Some((pts, captured));
        frame.set_timing(Timing::new(pts, base));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewire_media::Bgr;

    fn frame(pool: &FramePool, pts: i64, base: TimeBase) -> Frame {
        let mut frame = Frame::solid_bgr(pool, 2, 2, Bgr::GREEN).unwrap();
        frame.set_timing(Timing::new(pts, base));
        frame
    }

    #[test]
    fn the_time_line_starts_at_zero_and_goes_on_over_a_gap_and_another_unit() {
        let pool = FramePool::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut line = Line::default();
        let rtp = TimeBase::RTP_VIDEO;
        let put = |line: &mut Line, pts, base, ms| {
            let mut frame = frame(&pool, pts, base);
            line.put_on(&mut frame, at(ms));
            (frame.pts().unwrap(), frame.time_base())
        };
        assert_eq!(put(&mut line, 500_000, rtp, 0), (0, rtp));
        assert_eq!(put(&mut line, 503_000, rtp, 33), (3000, rtp));
        line.broke();
        let base = TimeBase::new(1, 1000).unwrap();
        assert_eq!(put(&mut line, 7, base, 1033), (93_000, rtp));
        assert_eq!(put(&mut line, 40, base, 1066), (95_970, rtp));
    }

    #[test]
    fn hostile_timestamps_saturate() {
        let pool = FramePool::default();
        let now = Instant::now();
        let mut line = Line::default();
        for pts in [i64::MIN, i64::MAX, 0, i64::MIN] {
            let mut frame = frame(&pool, pts, TimeBase::MICROS);
            line.put_on(&mut frame, now);
        }
    }

    #[test]
    fn the_budget_is_for_all_gaps_together() {
        let broken = Instant::now();
        let mut budget = Budget::new(Reconnect::Within(Duration::from_secs(10)));
        assert!(budget.left(broken) > Duration::from_secs(9));
        budget.spent = Duration::from_secs(9);
        assert!(budget.left(broken) <= Duration::from_secs(1));
        budget.spent = Duration::from_secs(11);
        assert!(budget.left(broken).is_zero());
        assert!(Budget::new(Reconnect::Off).left(broken).is_zero());
        assert_eq!(Budget::new(Reconnect::Forever).left(broken), Duration::MAX);
    }
}
