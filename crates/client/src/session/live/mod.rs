//! The video of a session that travels on tracks: what its threads share, and its figures.
//! Not here: what the threads do (`capture`, `encode`, `receive`). Without FFmpeg there are no such threads.

#[cfg(feature = "ffmpeg")]
mod capture;
mod clock;
#[cfg(feature = "ffmpeg")]
mod codec;
#[cfg(feature = "ffmpeg")]
mod encode;
mod inbox;
#[cfg(feature = "ffmpeg")]
mod receive;
mod slot;
#[cfg(feature = "ffmpeg")]
mod start;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use framewire_protocol::pairing::{PairCounters, PairMode};
use framewire_transport::{PeerFigures, VideoTrack};

use crate::error::SourceError;
use crate::session::live::clock::{History, SentTimes};
use crate::session::live::inbox::Inbox;
use crate::stats::{OutgoingStats, PairingCounts, SessionStats};

#[cfg(feature = "ffmpeg")]
pub(crate) use capture::{LiveSource, open, run as capture};
pub(crate) use slot::{FrameSlot, Put};

/// What both ends came to.
#[derive(Debug)]
pub(crate) struct Link {
    /// Of the connection.
    pub(crate) figures: PeerFigures,
    /// Absent when the worker left the section unused.
    pub(crate) track: Option<VideoTrack>,
    /// The worker is one of ours: it keeps timestamps, and decodes H.264 as gladly as VP8.
    pub(crate) ours: bool,
    /// It sends results beside the ordered channel; for how long it tries.
    pub(crate) fresh: Option<Duration>,
    /// It goes on with uploads that broke off, and verifies them.
    pub(crate) upload: bool,
    /// It tells its times and which frame a result belongs to.
    pub(crate) ledger: bool,
}

impl Link {
    pub(crate) fn pair_mode(&self) -> PairMode {
        if self.ledger {
            PairMode::Exact
        } else {
            PairMode::Nearest
        }
    }
}

/// Frames on their way out.
#[derive(Debug, Default)]
struct Outgoing {
    history: History,
    figures: OutgoingStats,
    /// The input is over and its last frame was handed to the network.
    exhausted: bool,
    /// What ended the input.
    error: Option<SourceError>,
}

/// How frames of a track found their results: on connections that are over, and on this one.
#[derive(Debug, Default)]
struct Pairs {
    before: PairingCounts,
    now: PairCounters,
}

impl Pairs {
    fn total(&self) -> PairingCounts {
        PairingCounts {
            exact: self.before.exact + self.now.exact,
            nearest: self.before.nearest + self.now.nearest,
            unpaired: self.before.unpaired + self.now.unpaired,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) slot: Arc<FrameSlot>,
    #[cfg(feature = "ffmpeg")]
    pub(crate) interrupt: framewire_media::Interrupt,
    link: Mutex<Option<Arc<Link>>>,
    begun: AtomicBool,
    outgoing: Mutex<Outgoing>,
    /// Frames came back, or the session is over.
    progress: Condvar,
    inbox: Inbox,
    pairing: Mutex<Pairs>,
}

impl Live {
    pub(crate) fn new(slot: Arc<FrameSlot>) -> Self {
        Live {
            slot,
            #[cfg(feature = "ffmpeg")]
            interrupt: framewire_media::Interrupt::new(),
            link: Mutex::default(),
            begun: AtomicBool::new(false),
            outgoing: Mutex::default(),
            progress: Condvar::new(),
            inbox: Inbox::default(),
            pairing: Mutex::default(),
        }
    }

    /// The session begins: frames may come in.
    pub(crate) fn open(&self, lossless: bool) {
        self.slot.open(lossless);
    }

    /// The session is over: ends whatever its threads are blocked in.
    pub(crate) fn stop(&self) {
        #[cfg(feature = "ffmpeg")]
        self.interrupt.interrupt();
        self.slot.close();
        // Whoever waits for progress looks at the slot again.
        drop(self.outgoing());
        self.progress.notify_all();
    }

    /// The session is paused, or goes on.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.slot.set_paused(paused);
        // Whoever waits for progress looks at the slot again.
        drop(self.outgoing());
        self.progress.notify_all();
    }

    /// The connection is over, the session is not: ends what its threads are blocked in.
    pub(crate) fn stop_leg(&self) {
        self.slot.unlink();
        // Whoever waits for progress looks at the slot again.
        drop(self.outgoing());
        self.progress.notify_all();
    }

    /// A new connection begins, whose threads know nothing of the one before.
    pub(crate) fn renew(&self) {
        let mut outgoing = self.outgoing();
        outgoing.history = History::default();
        outgoing.exhausted = false;
        drop(outgoing);
        self.inbox.renew();
        let mut pairing = self.pairing.lock().unwrap_or_else(PoisonError::into_inner);
        *pairing = Pairs {
            before: pairing.total(),
            now: PairCounters::default(),
        };
    }

    /// Sent and not returned.
    pub(crate) fn outstanding(&self) -> u64 {
        self.outgoing().history.outstanding()
    }

    /// Whether the last frame of the input was sent.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.outgoing().exhausted
    }

    pub(crate) fn set_link(&self, link: Link) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(link));
    }

    /// What both ends came to, on the latest connection.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.clone()
    }

    /// Whether pictures come on a track. False until the answer is there.
    pub(crate) fn frames_on_track(&self) -> bool {
        let link = self.link();
        let track = link.as_ref().and_then(|link| link.track.as_ref());
        track.is_some_and(|track| track.direction().can_receive())
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// A frame is about to be sent.
    pub(crate) fn sending(&self, timestamp: u32, times: SentTimes) {
        self.outgoing().history.sent(timestamp, times);
    }

    /// It was sent; the encoder worked with this many bits a second.
    pub(crate) fn sent(&self, bytes: usize, keyframe: bool, bitrate: u32) {
        let figures = &mut self.outgoing().figures;
        figures.sent += 1;
        figures.bytes += bytes as u64;
        figures.keyframes += u64::from(keyframe);
        figures.bitrate = bitrate;
    }

    /// It was refused.
    pub(crate) fn not_sent(&self, timestamp: u32, reason: &'static str) {
        let mut outgoing = self.outgoing();
        outgoing.history.unsend(timestamp);
        *outgoing.figures.dropped.entry(reason).or_default() += 1;
    }

    /// A frame was given up before it was encoded.
    pub(crate) fn skipped(&self, reason: &'static str) {
        *self.outgoing().figures.dropped.entry(reason).or_default() += 1;
    }

    /// The worker can take frames.
    pub(crate) fn begin(&self) {
        self.slot.link();
        self.begun.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// The source failed: the input ends with this error.
    pub(crate) fn source_broke(&self, error: SourceError) {
        self.outgoing().error.get_or_insert(error);
        self.slot.end();
    }

    pub(crate) fn take_source_error(&self) -> Option<SourceError> {
        self.outgoing().error.take()
    }

    /// The last frame of the input was sent.
    pub(crate) fn exhausted(&self) {
        self.outgoing().exhausted = true;
    }

    /// Whether the input is over and everything sent has come back.
    pub(crate) fn is_drained(&self) -> bool {
        let outgoing = self.outgoing();
        outgoing.exhausted && outgoing.history.outstanding() == 0
    }

    /// A frame with this timestamp came back, or a result for it. `ticks`: what an original says of it instead.
    pub(crate) fn came_back(
        &self,
        timestamp: Option<u32>,
        ticks: Option<i64>,
    ) -> Option<SentTimes> {
        let mut outgoing = self.outgoing();
        let found = match (timestamp, ticks) {
            (Some(timestamp), _) => outgoing.history.came_back(timestamp),
            (None, Some(ticks)) => outgoing.history.came_back_at(ticks),
            (None, None) => None,
        };
        if found.is_none() {
            outgoing.history.some_came_back();
        }
        drop(outgoing);
        self.progress.notify_all();
        found
    }

    /// Batch: waits until fewer than `limit` frames are out, at most for this long, pauses not counted; then those are given up.
    pub(crate) fn wait_returned(&self, limit: u64, patience: Duration) {
        let mut deadline = Instant::now() + patience;
        let mut outgoing = self.outgoing();
        while outgoing.history.outstanding() >= limit {
            if self.slot.is_idle() {
                return;
            }
            if self.slot.is_paused() {
                // The worker waits for us: nothing comes back, and nothing is lost.
                let waited = self.progress.wait(outgoing);
                outgoing = waited.unwrap_or_else(PoisonError::into_inner);
                deadline = Instant::now() + patience;
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                outgoing.history.forget();
                return;
            }
            let waited = self.progress.wait_timeout(outgoing, left);
            outgoing = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn set_pairing(&self, counters: PairCounters) {
        let mut pairing = self.pairing.lock().unwrap_or_else(PoisonError::into_inner);
        pairing.now = counters;
    }

    /// Adds its figures to a snapshot.
    pub(crate) fn fill(&self, stats: &mut SessionStats, sends: bool) {
        let pairing = self.pairing.lock().unwrap_or_else(PoisonError::into_inner);
        stats.pairing = pairing.total();
        drop(pairing);
        let link = self.link();
        stats.transport = link.as_ref().map(|link| link.figures.stats().data);
        stats.video = link
            .as_ref()
            .and_then(|link| link.track.as_ref())
            .map(VideoTrack::stats);
        if sends {
            let mut figures = self.outgoing().figures.clone();
            let counts = self.slot.counts();
            figures.captured = counts.captured;
            let of_slot = [
                ("replaced", counts.replaced),
                ("paused", counts.paused),
                ("closed", counts.discarded),
                ("no_link", counts.no_link),
            ];
            add(&mut figures.dropped, &of_slot);
            stats.outgoing = Some(figures);
        }
    }

    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        // No foreign code runs under the lock.
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(dropped: &mut BTreeMap<&'static str, u64>, counts: &[(&'static str, u64)]) {
    for (reason, count) in counts.iter().filter(|(_, count)| *count > 0) {
        *dropped.entry(reason).or_default() += count;
    }
}
