//! Sharing a bottleneck with a flow that halves its window at a loss, and with another of our own.

use sctp_proto::__model::FlowConfig;

use super::net::{MS, Path};
use super::peer::Habits;
use super::run::{End, Source, pair, reno, run};

fn ours() -> Vec<End> {
    pair(
        &FlowConfig::default(),
        &Habits::own(8 << 20),
        Source::Endless,
    )
}

fn theirs() -> Vec<End> {
    pair(&reno(), &Habits::own(16 << 20), Source::Endless)
}

/// Share of the first flow over three paths that differ by little, and share of the path that both use.
fn shares(path: &Path, rival: fn() -> Vec<End>, seconds: u64) -> ([f64; 3], f64) {
    let mut used = 0.0;
    let shares = [0, 1, 2].map(|n| {
        let mut path = path.clone().seeded(n + 1);
        path.delay += n * MS / 2;
        let outcomes = run(path.clone(), vec![ours(), rival()], seconds);
        let both = outcomes[0].goodput + outcomes[1].goodput;
        used += both * 1e6 / path.rate / 3.0;
        outcomes[0].goodput / both
    });
    (shares, used)
}

#[test]
fn a_flow_by_the_old_law_keeps_its_share() {
    for (mbit, products) in [(100.0, 1.0), (100.0, 4.0), (20.0, 1.0), (20.0, 4.0)] {
        let (shares, used) = shares(&Path::new(mbit, 50, products), theirs, 60);
        let what = format!("{mbit} Mbit/s, {products} BDP: {shares:.2?} of {used:.2}");
        println!("{what}");
        assert!(
            shares.iter().all(|share| (0.35..=0.65).contains(share)),
            "{what}"
        );
        assert!(used > 0.85, "{what}");
    }
}

#[test]
fn two_flows_of_our_own_share_evenly() {
    for (mbit, products, loss) in [
        (100.0, 0.25, 0.0),
        (100.0, 1.0, 0.0),
        (100.0, 1.0, 1.0),
        (100.0, 4.0, 0.0),
        (20.0, 1.0, 0.0),
    ] {
        let path = Path::new(mbit, 50, products).losing(loss);
        let (shares, used) = shares(&path, ours, 30);
        let what = format!("{mbit} Mbit/s, {products} BDP, {loss} %: {shares:.2?} of {used:.2}");
        println!("{what}");
        let mean = shares.iter().sum::<f64>() / 3.0;
        // Random loss can put one flow ahead for half a minute; none starves.
        assert!((0.35..=0.65).contains(&mean), "{what}");
        assert!(
            shares.iter().all(|share| (0.1..=0.9).contains(share)),
            "{what}"
        );
        assert!(used > 0.9, "{what}");
    }
}
