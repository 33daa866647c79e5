//! Starts the threads of a session's video when their time has come.
//! Not here: what they do.

use std::sync::Arc;

use framewire_transport::{VideoCodec, VideoTrack};

use crate::error::{SessionError, Step};
use crate::session::live::{encode, receive};
use crate::session::shared::{Shared, lock};

impl Shared {
    /// The answer is there: frames may come at any time from now on.
    pub(crate) fn start_receiving(self: &Arc<Self>) {
        let Some(link) = self.live.link().filter(|_| self.live.frames_on_track()) else {
            return;
        };
        let (Some(track), mode) = (link.track.clone(), link.pair_mode()) else {
            return;
        };
        lock(&self.state).producers += 1;
        let body = move |shared: &Arc<Shared>| receive::run(shared, &track, mode);
        if let Err(error) = self.spawn_for_leg("framewire-video", body) {
            self.producer_done();
            self.no_thread(&error);
        }
    }

    /// The channels are open: the worker can answer what it is sent.
    pub(crate) fn start_sending(self: &Arc<Self>) {
        let Some(track) = self.live.link().and_then(|link| link.track.clone()) else {
            return;
        };
        if !self.plan.media.sends || !track.direction().can_send() {
            return;
        }
        self.live.begin();
        // Under the lock, so that nobody looks before and waits after.
        drop(lock(&self.state));
        self.changed.notify_all();
        let codec = self.sending_codec(&track);
        let body = move |shared: &Arc<Shared>| encode::run(shared, &track, codec);
        if let Err(error) = self.spawn_for_leg("framewire-encode", body) {
            self.no_thread(&error);
        }
    }

    /// H.264 costs a worker of ours the least; originals get what they prefer.
    fn sending_codec(&self, track: &VideoTrack) -> VideoCodec {
        let ours = self.live.link().is_some_and(|link| link.ours);
        let codecs = track.codecs();
        if ours && codecs.contains(&VideoCodec::H264) {
            VideoCodec::H264
        } else {
            codecs.first().copied().unwrap_or(VideoCodec::Vp8)
        }
    }

    fn no_thread(&self, error: &std::io::Error) {
        self.fail(SessionError::Local {
            step: Step::Connecting,
            reason: error.to_string(),
        });
    }
}
