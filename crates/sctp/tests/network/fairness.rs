//! Sharing a bottleneck with a flow that halves its window at a loss, and with another of our own.

use sctp_proto::__model::FlowConfig;

use super::net::Path;
use super::peer::Habits;
use super::run::{End, Outcome, Source, pair, reno, run};

fn ours() -> Vec<End> {
    pair(
        &FlowConfig::default(),
        &Habits::own(8 << 20),
        Source::Endless,
    )
}

fn share(outcomes: &[Outcome]) -> f64 {
    outcomes[0].goodput / (outcomes[0].goodput + outcomes[1].goodput)
}

#[test]
fn a_flow_by_the_old_law_keeps_its_share() {
    for mbit in [20.0, 100.0] {
        for products in [1.0, 4.0] {
            let theirs = pair(&reno(), &Habits::own(16 << 20), Source::Endless);
            let outcomes = run(Path::new(mbit, 50, products), vec![ours(), theirs], 60);
            let share = share(&outcomes);
            println!(
                "{mbit} Mbit/s, {products} BDP: ours {:.2}, theirs {:.2} MB/s, {:.0} %, queue {:.0} ms",
                outcomes[0].goodput,
                outcomes[1].goodput,
                100.0 * share,
                outcomes[0].queueing.mean_ms()
            );
            assert!(
                (0.35..=0.65).contains(&share),
                "{mbit} Mbit/s, {products} BDP: {share}"
            );
            let used = (outcomes[0].goodput + outcomes[1].goodput) / (mbit / 8.0);
            assert!(
                used > 0.85,
                "{mbit} Mbit/s, {products} BDP: {used} of the path"
            );
        }
    }
}

#[test]
fn two_flows_of_our_own_share_evenly_enough() {
    for (mbit, products, loss) in [
        (100.0, 0.25, 0.0),
        (100.0, 1.0, 0.0),
        (100.0, 1.0, 1.0),
        (100.0, 4.0, 0.0),
        (20.0, 1.0, 0.0),
    ] {
        let path = Path::new(mbit, 50, products).losing(loss);
        let outcomes = run(path, vec![ours(), ours()], 30);
        let share = share(&outcomes);
        println!(
            "{mbit} Mbit/s, {products} BDP, {loss} %: {:.0} %",
            100.0 * share
        );
        assert!(
            (0.3..=0.7).contains(&share),
            "{mbit} Mbit/s, {products} BDP: {share}"
        );
    }
}
