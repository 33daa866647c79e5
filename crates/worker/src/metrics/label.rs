//! Labels with a fixed list of values, and counters by such a label.
//! Nothing a client sends can be a value: the number of series is known before the first request.

use std::marker::PhantomData;

use super::{Counter, Histogram};

/// A label's values.
pub(crate) trait Label: Copy + 'static {
    /// All of them, each at its own index.
    const ALL: &'static [Self];

    fn index(self) -> usize;

    /// The value as it is written.
    fn as_str(self) -> &'static str;
}

/// Declares an enum that is a [`Label`].
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $crate::metrics::Label for $name {
            const ALL: &'static [Self] = &[$($name::$variant),*];

            fn index(self) -> usize {
                self as usize
            }

            fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }
    };
}

pub(crate) use labels;

/// One counter for each value of a label.
#[derive(Debug)]
pub(crate) struct Counters<L>(Vec<Counter>, PhantomData<L>);

impl<L: Label> Default for Counters<L> {
    fn default() -> Counters<L> {
        let counters = L::ALL.iter().map(|_| Counter::default());
        Counters(counters.collect(), PhantomData)
    }
}

impl<L: Label> Counters<L> {
    /// The counter of a value; adding to it is one relaxed addition.
    pub(crate) fn of(&self, label: L) -> &Counter {
        &self.0[label.index()] // one was made for each value
    }

    /// All values together.
    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().map(Counter::get).sum()
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        L::ALL
            .iter()
            .map(|label| (label.as_str(), self.of(*label).get()))
    }
}

/// One histogram for each value of a label.
#[derive(Debug)]
pub(crate) struct Histograms<L>(Vec<Histogram>, PhantomData<L>);

impl<L: Label> Histograms<L> {
    pub(crate) fn new(bounds: &'static [u64]) -> Histograms<L> {
        let histograms = L::ALL.iter().map(|_| Histogram::new(bounds));
        Histograms(histograms.collect(), PhantomData)
    }

    pub(crate) fn of(&self, label: L) -> &Histogram {
        &self.0[label.index()] // one was made for each value
    }
}
