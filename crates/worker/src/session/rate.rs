//! The measured frame rate: the mean over the last arrivals.
//! No clock of its own: it is told when a frame came.

use std::collections::VecDeque;
use std::time::Instant;

/// Arrivals looked back at, as the original does.
const WINDOW: usize = 30;

#[derive(Debug, Default)]
pub(crate) struct FrameRate(VecDeque<Instant>);

impl FrameRate {
    /// A frame came.
    pub(crate) fn arrived(&mut self, now: Instant) {
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// Frames a second; `None` before the second arrival.
    pub(crate) fn measured(&self) -> Option<f64> {
        let (first, last) = (self.0.front()?, self.0.back()?);
        let seconds = last.saturating_duration_since(*first).as_secs_f64();
        (seconds > 0.0).then(|| (self.0.len() - 1) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_mean_of_the_last_thirty_counts() {
        let start = Instant::now();
        let mut rate = FrameRate::default();
        assert_eq!(rate.measured(), None);
        rate.arrived(start);
        assert_eq!(rate.measured(), None);
        rate.arrived(start + Duration::from_millis(40));
        assert!((rate.measured().unwrap() - 25.0).abs() < 1e-9);
        for n in 0..100u32 {
            rate.arrived(start + Duration::from_secs(10) + Duration::from_millis(10) * n);
        }
        assert!((rate.measured().unwrap() - 100.0).abs() < 1e-6);
        assert_eq!(rate.0.len(), WINDOW);
    }
}
