//! The sender over paths in virtual time: goodput, loss, queues, fairness, odd peers, outages.
//! Every run is repeatable: a failure names its seed.
#![allow(missing_docs)]

mod fairness;
mod goodput;
mod latency;
mod loopback;
mod narrow;
mod net;
mod outage;
mod peer;
mod peers;
mod real;
mod run;
mod whole;
