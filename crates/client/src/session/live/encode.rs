//! The encode thread: takes the newest frame, encodes it at the rate the network bears, hands it to the track.
//! It neither captures nor touches the network; a frame that would leave late is not encoded at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_media::{EncoderOptions, TimeBase, Timing, VideoEncoder};
use framewire_protocol::session::Input;
use framewire_transport::{OutgoingFrame, VideoCodec, VideoSendError, VideoTrack};

use crate::error::{SessionError, SourceError};
use crate::session::live::clock::{RtpClock, SentTimes};
use crate::session::live::codec::media_codec;
use crate::session::live::slot::{Captured, Taken};
use crate::session::shared::Shared;
use crate::stats::Stage;

/// Batch: frames sent and not yet back. Enough to keep encoder, worker and decoder busy.
const BATCH_IN_FLIGHT: u64 = 4;
/// Batch: after this long a frame that did not come back counts as lost.
const BATCH_LOST_AFTER: Duration = Duration::from_secs(10);
/// Frames in a row that cannot be encoded before the session ends with the encoder's reason.
const MAX_REFUSED: u32 = 30;

/// Body of the thread.
pub(super) fn run(shared: &Arc<Shared>, track: &VideoTrack, codec: VideoCodec) {
    let options = EncoderOptions::new(media_codec(codec)).with_bitrate(track.target_bitrate());
    let encoder = match VideoEncoder::new(options) {
        Ok(encoder) => encoder,
        Err(error) => return shared.fail(unencodable(&error)),
    };
    let mut sender = Sender {
        shared,
        track,
        codec,
        encoder,
        clock: RtpClock::default(),
        needs_keyframe: true,
        refused: 0,
    };
    loop {
        match shared.live.slot.take() {
            Taken::Frame(captured) => {
                if let Err(error) = sender.frame(captured) {
                    shared.fail(error);
                    return;
                }
            }
            Taken::Ended => {
                shared.live.exhausted();
                let error = shared.live.take_source_error();
                shared.source_ended(error.map(SessionError::Source));
                return shared.check_drained();
            }
            Taken::Closed => return,
        }
    }
}

struct Sender<'a> {
    shared: &'a Arc<Shared>,
    track: &'a VideoTrack,
    codec: VideoCodec,
    encoder: VideoEncoder,
    clock: RtpClock,
    needs_keyframe: bool,
    /// Frames in a row the encoder refused.
    refused: u32,
}

impl Sender<'_> {
    fn frame(&mut self, captured: Captured) -> Result<(), SessionError> {
        let taken = Instant::now();
        if !self.room() {
            let broken = self.shared.live.slot.is_idle();
            self.shared
                .live
                .skipped(if broken { "no_link" } else { "no_room" });
            return Ok(());
        }
        let Captured { mut frame, at } = captured;
        let (timestamp, ticks) = self.clock.timestamp(at);
        frame.set_timing(Timing::new(ticks, TimeBase::RTP_VIDEO));
        self.encoder.set_bitrate(self.track.target_bitrate());
        self.needs_keyframe |= self.track.take_keyframe_request();
        let encoded = match self.encoder.encode(&frame, self.needs_keyframe) {
            Ok(Some(encoded)) => encoded,
            Ok(None) => {
                self.shared.live.skipped("encoder");
                return Ok(());
            }
            Err(error) => {
                tracing::debug!("a frame could not be encoded: {error}");
                self.shared.live.skipped("encoder");
                self.needs_keyframe = true;
                self.refused += 1;
                return if self.refused < MAX_REFUSED {
                    Ok(())
                } else {
                    Err(unencodable(&error))
                };
            }
        };
        // Pixels go back to the pool before the network is bothered.
        drop(frame);
        self.refused = 0;
        self.needs_keyframe = false;
        let done = Instant::now();
        let times = SentTimes {
            captured: at,
            taken,
            encoded: done,
        };
        // Known before it leaves: it may be back before this thread goes on.
        self.shared.live.sending(timestamp, times);
        let (bytes, keyframe) = (encoded.data.len(), encoded.keyframe);
        let sent = self.track.send(OutgoingFrame {
            codec: self.codec,
            data: encoded.data.into(),
            rtp_time: timestamp,
            captured: at,
        });
        match sent {
            Ok(()) => {
                self.shared
                    .live
                    .sent(bytes, keyframe, self.encoder.bitrate());
                self.shared.ledger(|ledger| {
                    ledger.stages.span(Stage::Capture, at, taken);
                    ledger.stages.span(Stage::Encode, taken, done);
                    ledger.stages.span(Stage::Send, done, Instant::now());
                });
                self.shared.input(Input::FrameSent);
            }
            Err(error) => {
                let reason = match error {
                    VideoSendError::Congested => "no_room",
                    _ if self.shared.live.slot.is_idle() => "no_link",
                    _ => "not_connected",
                };
                self.shared.live.not_sent(timestamp, reason);
                self.needs_keyframe = true;
            }
        }
        Ok(())
    }

    /// Whether a frame encoded now would leave in time. Batch: waits until it would.
    fn room(&self) -> bool {
        if self.shared.plan.realtime {
            return self.track.has_room();
        }
        let live = &self.shared.live;
        live.wait_returned(BATCH_IN_FLIGHT, BATCH_LOST_AFTER);
        loop {
            let until = Instant::now() + BATCH_LOST_AFTER;
            if self.track.wait_room(until) {
                return true;
            }
            // Before its time it says so because the track is over; a link that is dead for long ends the session, not
            // the promise that batch drops nothing.
            if Instant::now() < until {
                return false;
            }
        }
    }
}

fn unencodable(error: &framewire_media::EncodeError) -> SessionError {
    SessionError::Source(SourceError::Broken {
        reason: error.to_string(),
    })
}
