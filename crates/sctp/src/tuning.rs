//! Settings and figures that str0m has no word for, reached around it while it makes its endpoint.
//! It is not process-wide: a setting holds for the endpoints made inside one closure, on one thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use counters::Shared;

pub(crate) mod counters;

pub use counters::{Snapshot, StreamSnapshot};

/// The smallest receive window that can be set: below it a path of 50 ms would not carry 20 MB/s.
pub(crate) const MIN_WINDOW: u32 = 1 << 20;
/// The largest receive window that can be set: it bounds the memory a peer can make an association hold.
pub(crate) const MAX_WINDOW: u32 = 64 << 20;

/// How the sender decides how much may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Congestion {
    /// By the measured delivery rate and the shortest round trip; single losses do not slow it down.
    #[default]
    Rate,
    /// By a window that halves at each loss, as RFC 9260 describes it. For comparisons.
    NewReno,
}

/// Settings of the endpoints made inside [`scope`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tuning {
    /// Bytes the peer may have sent and we not read. Default 8 MiB, kept within 1 to 64 MiB, and at least what str0m asks for.
    pub receive_window: u32,
    /// The sender's congestion control. Default [`Congestion::Rate`].
    pub congestion: Congestion,
    /// The most bytes a second to send. Default: no limit.
    pub max_rate: Option<u64>,
    /// Bytes of the largest packets sent before the path has carried a full one. Default: none, full ones are sent at once.
    pub first_packet: Option<u32>,
    /// How long an acknowledgement may wait for a second packet. Default 20 ms.
    pub sack_delay: Duration,
    /// Replaces the system's random source, so that a run can be repeated.
    #[doc(hidden)]
    pub seed: Option<u64>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            receive_window: 8 << 20,
            congestion: Congestion::Rate,
            max_rate: None,
            first_packet: None,
            sack_delay: Duration::from_millis(20),
            seed: None,
        }
    }
}

impl Tuning {
    /// The receive window to use when the caller asks for at least `floor` bytes.
    pub(crate) fn window(&self, floor: u32) -> u32 {
        self.receive_window.max(floor).clamp(MIN_WINDOW, MAX_WINDOW)
    }
}

/// Reads the figures of the association whose endpoint was made inside one [`scope`]. Cheap to clone, usable from any thread.
///
/// If more than one endpoint was made inside, the figures are those of whichever wrote last.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// The figures of the association, a few milliseconds old at most while it is driven. Does not block.
    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    /// The figures of one stream; `None` if it never existed or is not among the 64 that are followed. Does not block.
    pub fn stream(&self, id: u16) -> Option<StreamSnapshot> {
        self.0.stream(id)
    }

    /// While `false`, reading a stream finds nothing, so that the receive window closes and the peer has to wait.
    /// Whoever sets it back to `true` drives the association once, so that reading goes on. Default `true`. Does not block.
    pub fn set_reading(&self, reading: bool) {
        self.0.set_reading(reading);
    }

    /// The path is back after an outage, or new: whatever the association waits for is repeated at its next `handle_timeout`
    /// instead of at the end of a wait that grew while nothing came back. Does not block.
    pub fn hurry(&self) {
        self.0.set_hurry();
    }
}

thread_local! {
    static CURRENT: RefCell<Option<(Tuning, Arc<Shared>)>> = const { RefCell::new(None) };
}

/// Runs `f`; every endpoint made in it, on this thread, gets `tuning` and writes its figures for the returned handle.
///
/// Scopes can be nested: the innermost counts. A panic in `f` passes through and leaves no setting behind.
pub fn scope<T>(tuning: Tuning, f: impl FnOnce() -> T) -> (T, Handle) {
    /// Puts the outer scope's setting back, also when `f` panics.
    struct Restore(Option<(Tuning, Arc<Shared>)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }

    let shared = Arc::new(Shared::default());
    let restore = Restore(CURRENT.replace(Some((tuning, shared.clone()))));
    let made = f();
    drop(restore);
    (made, Handle(shared))
}

/// The setting that holds now, on this thread.
pub(crate) fn current() -> (Tuning, Arc<Shared>) {
    CURRENT.with_borrow(|current| current.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_holds_inside_its_scope_only() {
        let tuned = |window| Tuning {
            receive_window: window,
            ..Tuning::default()
        };
        let ((), _) = scope(tuned(2 << 20), || {
            let ((), _) = scope(tuned(4 << 20), || {
                assert_eq!(current().0.receive_window, 4 << 20);
            });
            assert_eq!(current().0.receive_window, 2 << 20);
        });
        assert_eq!(current().0.receive_window, 8 << 20);
        let caught = std::panic::catch_unwind(|| scope(tuned(3 << 20), || panic!("inside")));
        assert!(caught.is_err());
        assert_eq!(current().0.receive_window, 8 << 20);
    }

    #[test]
    fn the_window_is_kept_within_its_limits() {
        let tuning = Tuning::default();
        assert_eq!(tuning.window(0), 8 << 20);
        assert_eq!(tuning.window(9 << 20), 9 << 20);
        assert_eq!(tuning.window(u32::MAX), MAX_WINDOW);
        let small = Tuning {
            receive_window: 1,
            ..Tuning::default()
        };
        assert_eq!(small.window(0), MIN_WINDOW);
    }
}
