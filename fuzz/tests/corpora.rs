//! Every target over its kept corpus and over a fixed number of mutations of it.

use framewire_fuzz::{Mutator, TARGETS, corpus, run};

/// Enough to find shallow faults in under a second per target; longer searches are done by hand.
const MUTATIONS: usize = 20_000;

#[test]
fn every_target_has_a_corpus_and_survives_it() {
    for (name, body) in TARGETS {
        let corpus = corpus(name).unwrap();
        assert!(!corpus.is_empty(), "target {name} has no corpus");
        for (file, input) in &corpus {
            run(name, *body, file, input);
        }
    }
}

#[test]
fn every_target_survives_mutations_of_its_corpus() {
    for (at, (name, body)) in TARGETS.iter().enumerate() {
        let corpus: Vec<_> = corpus(name)
            .unwrap()
            .into_iter()
            .map(|(_, input)| input)
            .collect();
        let seed = at as u64 + 1;
        let mut mutator = Mutator::new(seed);
        for n in 0..MUTATIONS {
            run(
                name,
                *body,
                &format!("mutation {n} of seed {seed}"),
                &mutator.input(&corpus),
            );
        }
    }
}

#[test]
fn a_seed_gives_the_same_inputs_every_time() {
    let corpus = vec![b"abc".to_vec(), b"0123456789".to_vec()];
    let inputs = |seed| {
        let mut mutator = Mutator::new(seed);
        (0..50).map(|_| mutator.input(&corpus)).collect::<Vec<_>>()
    };
    assert_eq!(inputs(7), inputs(7));
    assert_ne!(inputs(7), inputs(8));
}
