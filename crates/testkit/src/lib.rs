//! Virtual time and a seeded network between two peers, for tests of anything that is told datagrams and the time.
//! Nothing here sleeps, opens a socket or reads a clock; the same seed gives the same run.
//!
//! ```
//! use framewire_testkit::{Datagram, Link, Node, Simulation};
//! use std::time::{Duration, Instant};
//!
//! /// Sends one datagram at the start and counts what comes in.
//! struct Greeter { address: std::net::SocketAddr, to: std::net::SocketAddr, send: bool, heard: usize }
//!
//! impl Node for Greeter {
//!     fn receive(&mut self, _: Instant, _: Datagram) { self.heard += 1; }
//!     fn turn(&mut self, _: Instant, out: &mut dyn FnMut(Datagram)) {
//!         if std::mem::take(&mut self.send) {
//!             out(Datagram { source: self.address, destination: self.to, contents: b"hello".to_vec().into() });
//!         }
//!     }
//!     fn deadline(&self) -> Option<Instant> { None }
//! }
//!
//! let (a, b) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
//! let left = Greeter { address: a, to: b, send: true, heard: 0 };
//! let right = Greeter { address: b, to: a, send: false, heard: 0 };
//! let mut simulation = Simulation::new(7, Link::default().with_delay(Duration::from_millis(20)), left, right);
//! simulation.run_until("the greeting arrives", Duration::from_secs(1), |_, right| right.heard == 1);
//! assert_eq!(simulation.elapsed(), Duration::from_millis(20));
//! ```
#![forbid(unsafe_code)]

mod link;
mod simulation;

pub use link::{Link, LinkStats};
pub use simulation::{Datagram, Node, Side, Simulation};
