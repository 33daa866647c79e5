//! The path between two peers: delay, loss, a rate with a queue in front of it; seeded, userspace, one thread.
//! It knows datagrams only. What it or the kernel dropped beyond the seeded loss is counted, so that such a run can be void.
//!
//! usage: relay [--lanes N] [--delay-ms D] [--loss PERCENT] [--seed S] [--rate BYTES/S] [--queue BYTES]
//!
//! A lane is a pair of sockets; what one receives leaves from the other, to whoever spoke to it last. All lanes share the
//! bottleneck of a direction. Prints one JSON line when it is ready and one with its counters when standard input ends.

mod direction;
mod lane;
mod options;

use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use direction::Direction;
use lane::{Lane, Receiver, Train};
use options::Options;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

/// How often one socket is read before the others get their turn.
const READS: usize = 4;

fn main() -> io::Result<()> {
    let options = Options::parse(std::env::args().skip(1)).map_err(io::Error::other)?;
    // The default slack of 50 us would make bursts out of what was spaced.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    // A network is not slowed down by the programs that use it. Without the privilege its lateness is only counted.
    let _ = rustix::process::setpriority_process(None, -15);
    let lanes: Vec<Lane> = (0..options.lanes).map(|_| Lane::open()).collect::<io::Result<_>>()?;
    let ports: Vec<[u16; 2]> = lanes.iter().map(Lane::ports).collect();
    println!("{}", json!({"event": "ready", "lanes": ports}));
    let mut relay = Relay {
        directions: [0, 1].map(|way| Direction::new(&options, way)),
        receiver: Receiver::new(),
        train: Train::default(),
        begun: Instant::now(),
        lanes,
    };
    relay.run()?;
    let drops = lane::kernel_drops(&ports);
    let [there, back] = &relay.directions;
    println!("{}", json!({"event": "relayed", "there": there.report(), "back": back.report(), "kernel_drops": drops}));
    Ok(())
}

struct Relay {
    lanes: Vec<Lane>,
    /// From the first socket of each lane to the second, and back.
    directions: [Direction; 2],
    receiver: Receiver,
    train: Train,
    begun: Instant,
}

impl Relay {
    /// Until standard input ends.
    fn run(&mut self) -> io::Result<()> {
        let stdin = io::stdin();
        loop {
            let next = self.directions.iter().filter_map(Direction::next_due).min();
            let now = self.now();
            let wait = next.map_or(Duration::from_secs(1), |due| Duration::from_nanos(due.saturating_sub(now)));
            let mut ready = Vec::with_capacity(self.lanes.len() * 2 + 1);
            ready.push(PollFd::new(&stdin, PollFlags::IN));
            for side in self.lanes.iter().flat_map(|lane| &lane.sides) {
                ready.push(PollFd::from_borrowed_fd(side.as_fd(), PollFlags::IN));
            }
            let timeout = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
            poll(&mut ready, Some(&timeout))?;
            let readable: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
            if readable[0] {
                return Ok(());
            }
            for (index, _) in readable[1..].iter().enumerate().filter(|(_, readable)| **readable) {
                self.take(index / 2, index % 2)?;
            }
            self.deliver();
        }
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    /// What waits at one side of a lane.
    fn take(&mut self, lane: usize, way: usize) -> io::Result<()> {
        for _ in 0..READS {
            let count = self.receiver.receive(&mut self.lanes[lane].sides[way])?;
            if count == 0 {
                break;
            }
            let now = self.now();
            for (block, stride) in self.receiver.blocks(count) {
                self.directions[way].arrived(now, lane, &block, stride);
            }
        }
        Ok(())
    }

    /// What is due, in trains of datagrams of one size.
    fn deliver(&mut self) {
        for way in 0..2 {
            let now = self.now();
            let direction = &mut self.directions[way];
            while let Some(packet) = direction.due(now) {
                if !self.train.fits(packet.lane, packet.bytes.len()) {
                    let sent = self.train.leave(&mut self.lanes, 1 - way);
                    direction.left(sent);
                }
                self.train.push(packet.lane, &packet.bytes);
            }
            let sent = self.train.leave(&mut self.lanes, 1 - way);
            direction.left(sent);
        }
    }
}
