//! The highest delivery rate of the last ten turns.
//! Not an average: one undisturbed turn among ten is enough to know the path.

/// Turns that count.
const TURNS: usize = 10;
/// A turn is a round trip, but at least this long: on a loopback ten round trips are shorter than one pause of the scheduler.
const SHORTEST: u64 = 20_000_000;

/// Highest rate per turn, in a ring.
#[derive(Debug, Default)]
pub(super) struct MaxFilter {
    turns: [f64; TURNS],
    current: usize,
    began: u64,
    max: f64,
}

impl MaxFilter {
    #[inline]
    pub(super) fn max(&self) -> f64 {
        self.max
    }

    /// A round trip ended.
    pub(super) fn turn(&mut self, now: u64) {
        if now < self.began + SHORTEST {
            return;
        }
        self.began = now;
        let next = (self.current + 1) % TURNS;
        self.turns[next] = 0.0;
        self.current = next;
        let max = self.turns.iter().copied().fold(0.0, f64::max);
        // Turns without a sample leave the estimate as it is.
        if max > 0.0 {
            self.max = max;
        } else {
            self.turns[next] = self.max;
        }
    }

    #[inline]
    pub(super) fn add(&mut self, rate: f64) {
        let turn = &mut self.turns[self.current];
        *turn = turn.max(rate);
        self.max = self.max.max(rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_of_ten_turns_counts_and_short_turns_are_joined() {
        let mut filter = MaxFilter::default();
        let mut now = 0;
        filter.add(100.0);
        for _ in 0..9 {
            now += SHORTEST;
            filter.turn(now);
            filter.add(50.0);
        }
        assert_eq!(filter.max(), 100.0);
        filter.turn(now + 5);
        assert_eq!(filter.max(), 100.0);
        filter.turn(now + SHORTEST);
        assert_eq!(filter.max(), 50.0);
    }

    #[test]
    fn an_estimate_does_not_fade_without_samples() {
        let mut filter = MaxFilter::default();
        filter.add(100.0);
        for n in 1..50 {
            filter.turn(n * SHORTEST);
        }
        assert_eq!(filter.max(), 100.0);
        filter.add(10.0);
        for n in 50..61 {
            filter.turn(n * SHORTEST);
            filter.add(10.0);
        }
        assert_eq!(filter.max(), 10.0);
    }
}
