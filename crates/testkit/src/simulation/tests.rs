//! The simulation itself: its delays, its luck, its cuts and its failures.
//! What nodes do with it is tested where they are.

use super::*;

const ECHO_AFTER: Duration = Duration::from_millis(5);

/// Sends a counter every 5 ms until `left` is used up; remembers what it got.
struct Beacon {
    address: SocketAddr,
    to: SocketAddr,
    next: Instant,
    left: u8,
    got: Vec<u8>,
}

impl Node for Beacon {
    fn receive(&mut self, _: Instant, datagram: Datagram) {
        assert_eq!(datagram.destination, self.address);
        self.got.push(datagram.contents[0]);
    }

    fn turn(&mut self, now: Instant, out: &mut dyn FnMut(Datagram)) {
        while self.left > 0 && now >= self.next {
            self.left -= 1;
            self.next += ECHO_AFTER;
            let contents = Bytes::from(vec![self.left]);
            out(Datagram {
                source: self.address,
                destination: self.to,
                contents,
            });
        }
    }

    fn deadline(&self) -> Option<Instant> {
        (self.left > 0).then_some(self.next)
    }
}

fn beacons(seed: u64, link: Link) -> Simulation<Beacon, Beacon> {
    let start = Instant::now();
    let (a, b) = (
        SocketAddr::from(([10, 0, 0, 1], 1)),
        SocketAddr::from(([10, 0, 0, 2], 2)),
    );
    let node = |address, to, left| Beacon {
        address,
        to,
        next: start,
        left,
        got: Vec::new(),
    };
    Simulation::starting_at(start, seed, link, node(a, b, 100), node(b, a, 0))
}

#[test]
fn a_perfect_link_keeps_order_and_takes_its_delay() {
    let mut simulation = beacons(1, Link::default().with_delay(Duration::from_millis(30)));
    simulation.run_until("all arrive", Duration::from_secs(5), |_, right| {
        right.got.len() == 100
    });
    assert_eq!(simulation.right.got, (0..100).rev().collect::<Vec<u8>>());
    assert_eq!(
        simulation.elapsed(),
        99 * ECHO_AFTER + Duration::from_millis(30)
    );
}

#[test]
fn jitter_reorders_and_a_seed_repeats_the_order() {
    let run = |seed| {
        let mut simulation = beacons(seed, Link::default().with_jitter(Duration::from_millis(50)));
        simulation.run_until("all arrive", Duration::from_secs(5), |_, right| {
            right.got.len() == 100
        });
        std::mem::take(&mut simulation.right.got)
    };
    assert!(!run(3).is_sorted_by(|a, b| a > b));
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_cut_stops_everything_until_it_is_restored() {
    let mut simulation = beacons(1, Link::default());
    simulation.run_for(Duration::from_millis(52));
    simulation.set_cut(true);
    simulation.run_for(Duration::from_millis(50));
    simulation.set_cut(false);
    simulation.run_for(Duration::from_secs(1));
    let got = simulation.right.got.len();
    assert_eq!((got, simulation.stats(Side::Right).cut), (90, 10));
}

#[test]
#[should_panic(expected = "pigs fly (seed 11)")]
fn a_failure_names_its_seed() {
    beacons(11, Link::default()).run_until("pigs fly", Duration::from_secs(1), |_, _| false);
}
