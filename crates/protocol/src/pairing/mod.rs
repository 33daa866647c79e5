//! Which result belongs to which frame of a video track: sans-IO, generic over both.
//! It decodes nothing and delivers to nobody: frames come out in order, each with its result or without.
//!
//! Results and video travel apart, and what they have in common is a timestamp. A worker of ours names the RTP timestamp of the
//! frame in each result ([`PairMode::Exact`]). An original names only the timestamp of its source, which differs from the RTP
//! timestamp by a constant nobody tells: [`PairMode::Nearest`] finds it, see [`Pairing`].
//!
//! # Driving it
//!
//! Feed frames in the order the track delivers them and results in the order the channel does, with the time each of them
//! arrived; drain [`Pairing::poll`] after every call; call [`Pairing::tick`] at [`Pairing::deadline`].
//!
//! ```
//! use std::time::{Duration, Instant};
//! use framewire_protocol::FrameId;
//! use framewire_protocol::pairing::{Match, PairMode, Pairing, ResultKey};
//!
//! let now = Instant::now(); // the caller's clock; the machine has none
//! let mut pairing = Pairing::new(PairMode::Exact, Some(Duration::from_millis(50)));
//! let mut key = ResultKey::new(FrameId(1));
//! key.rtp_ts = Some(7_000); // or `ResultKey::from(&metadata)`
//! pairing.result(now, key, "one car");
//! pairing.frame(now, 7_000, "picture 1");
//! pairing.frame(now, 10_000, "picture 2");
//! let first = pairing.poll().unwrap();
//! assert_eq!((first.frame, first.result, first.matched), ("picture 1", Some("one car"), Match::Exact));
//! assert!(pairing.poll().is_none()); // picture 2 waits for its result …
//! let later = pairing.deadline().unwrap();
//! pairing.tick(later); // … but not for ever
//! assert_eq!(pairing.poll().unwrap().matched, Match::Unpaired);
//! pairing.finish();
//! assert!(pairing.poll().is_none());
//! ```

mod align;
mod key;
mod machine;
mod outcome;

pub use key::ResultKey;
pub use machine::{MAX_PENDING, Pairing, REALTIME_MAX_WAIT};
pub use outcome::{Match, Mismatch, PairCounters, PairMode, Paired};
