//! The thread of a received track: decodes each frame as soon as it is complete, finds its result, hands it to the consumer.
//! There is no jitter buffer: what is late is late. Not here: what a full queue does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_media::{Frame, TimeBase, Timing, VideoDecodeError, VideoDecoder};
use framewire_protocol::pairing::{PairMode, Paired, Pairing, ResultKey};
use framewire_protocol::session::FrameDrop;
use framewire_transport::{IncomingFrame, VideoTrack};

use crate::error::{SessionError, Step};
use crate::session::FrameEvent;
use crate::session::errors::StreamErrorKind;
use crate::session::live::codec::media_codec;
use crate::session::live::inbox::TrackResult;
use crate::session::no_picture::NoPicture;
use crate::session::queue::QueuedFrame;
use crate::session::shared::Shared;
use crate::session::thread::sleep_until;
use crate::stats::Stage;

/// Batch: how long frame and result wait for each other. Longer than any repair of a lost packet takes.
const BATCH_WAIT: Duration = Duration::from_secs(2);
/// After the end of the results: frames that are still missing are given up when none came for this long.
const LAST_FRAMES: Duration = Duration::from_millis(500);

/// The arrival of a result is noticed one thread later than that of a frame. Without this, results of originals would seem
/// to come after their frames.
const RESULT_LAG: Duration = Duration::from_millis(1);

/// Body of the thread.
pub(super) fn run(shared: &Arc<Shared>, track: &VideoTrack, mode: PairMode) {
    let _done = Done(shared);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(Receiver::new(shared, track, mode).run()),
        Err(error) => shared.fail(SessionError::Local {
            step: Step::Streaming,
            reason: error.to_string(),
        }),
    }
}

/// However the thread ends, consumers see the end of the stream.
struct Done<'a>(&'a Arc<Shared>);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.producer_done();
    }
}

/// A picture of the track.
struct Picture {
    frame: Frame,
    timestamp: u32,
    first_packet: Instant,
    decoded: Instant,
}

struct Receiver<'a> {
    shared: &'a Arc<Shared>,
    track: &'a VideoTrack,
    decoder: Option<VideoDecoder>,
    pairing: Pairing<Picture, TrackResult>,
    exact: bool,
    /// Wire timestamp and position of the last frame: the wire's clock wraps around.
    position: Option<(u32, i64)>,
    /// No more results come; until then frames do.
    last_until: Option<Instant>,
}

impl<'a> Receiver<'a> {
    fn new(shared: &'a Arc<Shared>, track: &'a VideoTrack, mode: PairMode) -> Self {
        let wait = if shared.plan.realtime {
            shared.options.pairing_wait
        } else {
            BATCH_WAIT
        };
        Receiver {
            shared,
            track,
            decoder: None,
            pairing: Pairing::new(mode, Some(wait)),
            exact: mode == PairMode::Exact,
            position: None,
            last_until: None,
        }
    }

    async fn run(mut self) {
        loop {
            self.take_results();
            self.settle(Instant::now());
            if self.is_over(Instant::now()) {
                break;
            }
            let wake = [self.pairing.deadline(), self.last_until];
            let wake = wake.into_iter().flatten().min();
            tokio::select! {
                biased;
                () = self.shared.live.inbox().changed() => {}
                frame = self.track.recv() => match frame {
                    Some(frame) => self.frame(frame),
                    None => break,
                },
                () = sleep_until(wake) => {}
            }
        }
        self.take_results();
        self.pairing.finish();
        self.settle(Instant::now());
    }

    fn take_results(&mut self) {
        let (results, ended) = self.shared.live.inbox().take();
        for result in results {
            let (key, arrived) = (ResultKey::from(&result.metadata), result.arrived);
            self.pairing.result(arrived, key, result);
        }
        if ended && self.last_until.is_none() {
            self.last_until = Some(Instant::now() + LAST_FRAMES);
        }
    }

    /// Whether nothing more is worth waiting for.
    fn is_over(&self, now: Instant) -> bool {
        let Some(until) = self.last_until else {
            return false;
        };
        let counters = self.pairing.counters();
        let paired = counters.exact + counters.nearest;
        let waiting = counters.results - paired - counters.results_without_frame;
        (waiting == 0 && self.pairing.waiting() == 0) || until <= now
    }

    fn frame(&mut self, frame: IncomingFrame) {
        let completed = frame.completed;
        if let Some(until) = &mut self.last_until {
            *until = Instant::now() + LAST_FRAMES;
        }
        if let Some(picture) = self.decode(&frame) {
            self.shared.ledger(|ledger| {
                ledger
                    .stages
                    .span(Stage::Receive, picture.first_packet, completed);
                ledger
                    .stages
                    .span(Stage::Decode, completed, picture.decoded);
            });
            // A result that came while this was decoded came before it.
            self.take_results();
            let arrived = completed + RESULT_LAG;
            self.pairing.frame(arrived, picture.timestamp, picture);
        }
    }

    /// The picture of a frame; none when frames before it are missing or it is damaged.
    fn decode(&mut self, frame: &IncomingFrame) -> Option<Picture> {
        if !frame.contiguous && !frame.keyframe {
            // The track asks for a keyframe itself.
            self.shared
                .control(|machine| machine.track_frames_dropped(FrameDrop::Lost, 1));
            return None;
        }
        let timing = Timing::new(self.ticks(frame.rtp_time), TimeBase::RTP_VIDEO);
        let codec = media_codec(frame.codec);
        if self
            .decoder
            .as_ref()
            .is_none_or(|decoder| decoder.codec() != codec)
        {
            match VideoDecoder::new(codec, self.shared.pool.clone()) {
                Ok(decoder) => self.decoder = Some(decoder),
                Err(error) => {
                    self.shared.fail(SessionError::Local {
                        step: Step::Streaming,
                        reason: error.to_string(),
                    });
                    return None;
                }
            }
        }
        let decoder = self.decoder.as_mut()?;
        if !frame.contiguous {
            decoder.reset();
        }
        match decoder.decode(&frame.data, timing) {
            Ok(picture) => Some(Picture {
                frame: picture?,
                timestamp: frame.rtp_time,
                first_packet: frame.first_packet,
                decoded: Instant::now(),
            }),
            Err(error) => {
                let why = match error {
                    VideoDecodeError::Frame(error) => NoPicture::from(error),
                    other => NoPicture::undecodable(other),
                };
                tracing::debug!("a frame of the track was skipped: {}", why.text);
                self.shared.needs_picture(&why);
                self.shared.ledger(|ledger| {
                    ledger.received();
                    ledger.dropped(why.reason, 1);
                });
                let kind = StreamErrorKind::FrameDropped(why.reason);
                self.shared.report(kind, None, why.text);
                self.shared
                    .control(|machine| machine.track_frames_dropped(FrameDrop::Undecodable, 1));
                self.track.request_keyframe();
                None
            }
        }
    }

    /// Ticks since the first frame.
    fn ticks(&mut self, timestamp: u32) -> i64 {
        let (last, at) = self.position.unwrap_or((timestamp, 0));
        let at = at + i64::from(timestamp.wrapping_sub(last).cast_signed());
        self.position = Some((timestamp, at));
        at
    }

    /// Hands out what is ready, and gives up what waited too long.
    fn settle(&mut self, now: Instant) {
        self.pairing.tick(now);
        while let Some(paired) = self.pairing.poll() {
            self.deliver(paired);
        }
        self.shared.live.set_pairing(self.pairing.counters());
        if let Some(mismatch) = self.pairing.take_mismatch() {
            tracing::warn!("{mismatch}");
        }
    }

    fn deliver(&mut self, paired: Paired<Picture, TrackResult>) {
        let Paired {
            frame: picture,
            result,
            matched,
            ..
        } = paired;
        let owed = result.as_ref().and_then(|result| result.ticket);
        let ticket = self
            .shared
            .control(|machine| machine.track_frame(Instant::now(), matched, owed));
        let id = result.as_ref().map(|result| result.metadata.frame_id);
        if !self.shared.admit_picture(id) {
            self.shared.skip_repeated(ticket);
            return;
        }
        let captured = self.account(&picture, result.as_ref());
        let (metadata, data) = match result {
            Some(result) => (Some(result.metadata), result.data),
            None => (None, None),
        };
        let event = FrameEvent {
            frame: picture.frame,
            metadata,
            data,
            pairing: matched,
            captured,
        };
        self.shared.ledger(|ledger| ledger.received());
        self.shared.enqueue(QueuedFrame {
            event,
            ticket,
            ready: picture.decoded,
        });
        self.shared.check_drained();
    }

    /// Writes the frame's way into the books, and says when it was captured.
    fn account(&self, picture: &Picture, result: Option<&TrackResult>) -> Option<Instant> {
        let metadata = result.map(|result| &result.metadata);
        let sent = self.shared.plan.media.sends.then(|| {
            // Workers of ours keep the timestamp; originals only say which frame since their first one it was.
            let ticks = metadata.and_then(|metadata| metadata.pts);
            let timestamp = self.exact.then_some(picture.timestamp);
            self.shared.live.came_back(timestamp, ticks)
        });
        let sent = sent.flatten();
        let round_trip =
            sent.map(|sent| picture.first_packet.saturating_duration_since(sent.encoded));
        let times = metadata.and_then(|metadata| metadata.fw.as_ref());
        if times.is_some() || !self.exact {
            self.shared
                .ledger(|ledger| ledger.stages.worker(times, round_trip));
        }
        sent.map(|sent| sent.captured)
    }
}
