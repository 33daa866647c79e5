//! Two processes on one machine: what a packet costs decides the rate, answers come in batches, and now and then a process stands still.
//! Congestion control must stay out of the way there.

use std::collections::VecDeque;

use sctp_proto::__model::{Flow, FlowConfig};

use super::net::{MS, Node, Random, S};
use super::peer::{Habits, Peer};

/// Time a datagram takes between the processes.
const HOP: u64 = 5_000;
/// What a turn of a driver costs, and a packet in it at the sender and at the receiver.
const TURN: u64 = 5_000;
const SEND: u64 = 1_200;
const RECEIVE: u64 = 1_900;
/// Datagrams a driver takes in before it answers.
const BATCH: usize = 16;
/// Datagrams a socket holds.
const SOCKET: usize = 3500;

/// One process: when it is free again, what waits for it, and how often it stands still.
struct Process {
    free_at: u64,
    inbox: VecDeque<(u64, Vec<u8>)>,
    dropped: u64,
    random: Random,
    /// Mean time between pauses, and longest pause, ns.
    pauses: Option<(u64, u64)>,
}

impl Process {
    fn new(seed: u64, pauses: Option<(u64, u64)>) -> Process {
        Process {
            free_at: 0,
            inbox: VecDeque::new(),
            dropped: 0,
            random: Random::new(seed),
            pauses,
        }
    }

    /// When it runs next, given when it wants to at the latest. Timers count whole milliseconds.
    fn next(&self, deadline: Option<u64>) -> u64 {
        let timer = deadline.map_or(u64::MAX, |at| at.div_ceil(MS) * MS);
        let input = self.inbox.front().map_or(u64::MAX, |(at, _)| *at);
        self.free_at.max(timer.min(input))
    }

    fn take(&mut self, now: u64) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        while taken.len() < BATCH && self.inbox.front().is_some_and(|(at, _)| *at <= now) {
            taken.extend(self.inbox.pop_front().map(|(_, packet)| packet));
        }
        taken
    }

    fn put(&mut self, at: u64, packet: Vec<u8>) {
        if self.inbox.len() < SOCKET {
            self.inbox.push_back((at, packet));
        } else {
            self.dropped += 1;
        }
    }

    fn spend(&mut self, now: u64, cost: u64) {
        self.free_at = now + cost;
        if let Some((every, longest)) = self.pauses
            && self.random.share() < cost as f64 / every as f64
        {
            self.free_at += (self.random.share() * longest as f64) as u64;
        }
    }
}

/// MB/s over `seconds`, and datagrams that a socket had no room for.
fn rate(seconds: u64, seed: u64, pauses: Option<(u64, u64)>) -> (f64, u64) {
    let mut flow = Flow::new(&FlowConfig::default());
    let mut peer = Peer::new(Habits::own(8 << 20), 7, 1);
    let data = vec![7; 48 << 10];
    let (mut sender, mut receiver) = (Process::new(seed, pauses), Process::new(seed + 1, pauses));
    let mut now = 0;
    while now < seconds * S {
        let sends = sender.next(flow.deadline().or(Some(0)));
        let receives = receiver.next(peer.deadline());
        now = sends.min(receives);
        if sends <= receives {
            let answers = sender.take(now);
            let mut cost = TURN + answers.len() as u64 * SEND;
            for answer in answers {
                assert!(flow.receive(now, answer));
            }
            flow.on_timeout(now);
            while flow.unsent() < 256 << 10 {
                flow.write(1, &data);
            }
            while let Some(packet) = flow.poll(now) {
                cost += SEND;
                receiver.put(now + cost + HOP, packet);
            }
            sender.spend(now, cost);
        } else {
            let packets = receiver.take(now);
            let cost = TURN + packets.len() as u64 * RECEIVE;
            for packet in packets {
                peer.receive(now, packet);
            }
            peer.timeout(now);
            while let Some(answer) = peer.poll(now) {
                sender.put(now + cost + HOP, answer);
            }
            receiver.spend(now, cost);
        }
    }
    (
        peer.delivered() as f64 / seconds as f64 / 1e6,
        receiver.dropped,
    )
}

#[test]
fn the_slower_end_decides_the_rate_on_one_machine() {
    // What the receiver could take if it never stood still, less the time it does.
    let most = 1132.0 * 1e3 / (RECEIVE as f64 + TURN as f64 / BATCH as f64);
    for (what, pauses, share) in [
        ("no pauses", None, 1.0),
        ("up to 2 ms every 5 ms", Some((5 * MS, 2 * MS)), 5.0 / 6.0),
        (
            "up to 10 ms every 20 ms",
            Some((20 * MS, 10 * MS)),
            20.0 / 25.0,
        ),
        (
            "up to 40 ms every 200 ms",
            Some((200 * MS, 40 * MS)),
            200.0 / 220.0,
        ),
    ] {
        for seed in 1..=2 {
            let (rate, dropped) = rate(2, seed, pauses);
            println!(
                "{what}: {rate:.0} of {:.0} MB/s, {dropped} dropped",
                most * share
            );
            assert!(rate > 0.82 * most * share, "{what}: {rate}");
            assert_eq!(dropped, 0, "{what}");
        }
    }
}
