//! The worker's half of a probe: a channel of its own on which a client measures the connection.
//! Not part of the job: nothing here touches frames, and the session takes it up between its other events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::probe::{MAX_PROBE_TOTAL, PROBE_LABEL, ProbeReply, ProbeRequest};
use framewire_transport::{ChannelId, DataChannel, DataStats, PeerFigures};

use crate::metrics::Metrics;

/// Replies that may wait to leave; a client that asks faster than it reads gets no more of them.
const MAX_WAITING_REPLIES: usize = 64 * 1024;
/// Messages and bytes queued in one turn, so that the session sees its other events between two.
const TURN_MESSAGES: usize = 64;
const TURN_BYTES: usize = 256 * 1024;
/// Unsent bytes kept ready: what the path takes in a twentieth of a second, so that little is left over when the time is up.
const AHEAD: (u64, u64) = (32 * 1024, 1024 * 1024);
const AHEAD_SHARE: u64 = 20;

/// See the module.
pub(super) struct Probe {
    /// Both ends named the feature; else the label is like any other.
    agreed: bool,
    figures: PeerFigures,
    metrics: Arc<Metrics>,
    channel: Option<DataChannel>,
    counted: Counted,
    /// How long this session may still be made to send.
    allowance: Duration,
    sending: Option<Sending>,
}

#[derive(Default)]
struct Counted {
    bytes: u64,
    messages: u64,
    largest: u64,
}

struct Sending {
    until: Instant,
    message: Bytes,
    bytes: u64,
    before: DataStats,
}

impl Probe {
    pub(super) fn new(agreed: bool, figures: PeerFigures, metrics: Arc<Metrics>) -> Probe {
        Probe {
            agreed,
            figures,
            metrics,
            channel: None,
            counted: Counted::default(),
            allowance: MAX_PROBE_TOTAL,
            sending: None,
        }
    }

    /// Takes the channel if it is the one for probes; otherwise gives it back.
    pub(super) fn opened(&mut self, channel: DataChannel) -> Option<DataChannel> {
        if !self.agreed || channel.label() != PROBE_LABEL || self.channel.is_some() {
            return Some(channel);
        }
        self.channel = Some(channel);
        None
    }

    /// Whether it was that channel which closed.
    pub(super) fn closed(&mut self, id: ChannelId) -> bool {
        let ours = self.is_on(id);
        if ours {
            (self.channel, self.sending) = (None, None);
        }
        ours
    }

    /// Whether the message came on that channel; it is answered then.
    pub(super) fn message(&mut self, id: ChannelId, data: &[u8], text: bool) -> bool {
        if !self.is_on(id) {
            return false;
        }
        let len = data.len() as u64;
        if !text {
            self.metrics.probe_bytes_received.add(len);
            self.counted.bytes += len;
            self.counted.messages += 1;
            self.counted.largest = self.counted.largest.max(len);
            return true;
        }
        match ProbeRequest::parse(data) {
            Ok(request) => self.request(request),
            Err(error) => self.refuse(&error),
        }
        true
    }

    /// Waits for the next turn of sending; forever when there is none. Cancel-safe.
    pub(super) async fn ready(&self) {
        let (Some(sending), Some(channel)) = (&self.sending, &self.channel) else {
            return std::future::pending().await;
        };
        let ahead = self.figures.stats().data.rate / AHEAD_SHARE;
        let ahead = ahead.clamp(AHEAD.0, AHEAD.1) as usize;
        tokio::select! {
            // A channel that closed meanwhile is told by its own event.
            _ = channel.buffered_at_most(ahead) => {}
            () = tokio::time::sleep_until(sending.until.into()) => {}
        }
    }

    /// Queues the next messages, or the word that there are no more.
    pub(super) fn turn(&mut self) {
        let Some(sending) = &mut self.sending else {
            return;
        };
        let Some(channel) = self
            .channel
            .as_ref()
            .filter(|_| Instant::now() < sending.until)
        else {
            return self.finish();
        };
        let len = sending.message.len();
        let mut queued = 0;
        for _ in 0..TURN_MESSAGES.min(TURN_BYTES.div_ceil(len)) {
            // The channel is closing, or so full that its client cannot be reading.
            if channel.send(sending.message.clone()).is_err() {
                return self.finish();
            }
            queued += len as u64;
        }
        sending.bytes += queued;
        self.metrics.probe_bytes_sent.add(queued);
    }

    fn request(&mut self, request: ProbeRequest) {
        match request {
            ProbeRequest::Echo(n) => self.reply(ProbeReply::Echo(n)),
            ProbeRequest::Count => self.reply(ProbeReply::Count {
                received: self.counted.bytes,
                messages: self.counted.messages,
                largest: self.counted.largest,
            }),
            ProbeRequest::Send { .. } if self.sending.is_some() => {
                self.refuse(&"one at a time: messages are being sent already");
            }
            ProbeRequest::Send { time, message } => {
                let time = granted(&mut self.allowance, time);
                self.sending = Some(Sending {
                    until: Instant::now() + time,
                    message: Bytes::from(vec![0; message]),
                    bytes: 0,
                    before: self.figures.stats().data,
                });
            }
            _ => self.refuse(&"a request this worker does not know"),
        }
    }

    fn finish(&mut self) {
        let Some(sending) = self.sending.take() else {
            return;
        };
        let (before, now) = (sending.before, self.figures.stats().data);
        let lost = |data: DataStats| data.lost.saturating_sub(data.spurious);
        self.reply(ProbeReply::Sent {
            bytes: sending.bytes,
            packets: now.packets_sent.saturating_sub(before.packets_sent),
            lost: lost(now).saturating_sub(lost(before)),
        });
    }

    fn reply(&mut self, reply: ProbeReply) {
        let Some(channel) = &self.channel else { return };
        // The word that a sending is over is said once for each, so it needs no bound.
        let sent = matches!(reply, ProbeReply::Sent { .. });
        if !sent && channel.buffered_amount() > most_waiting(self.sending.is_some()) {
            return self.refuse(&"its replies are not read");
        }
        if let Err(error) = channel.send_text(reply.text()) {
            self.refuse(&error);
        }
    }

    fn refuse(&self, reason: &dyn std::fmt::Display) {
        self.metrics.probe_rejected.add(1);
        tracing::debug!(%reason, "a word of a probe was dropped");
    }

    fn is_on(&self, id: ChannelId) -> bool {
        self.channel
            .as_ref()
            .is_some_and(|channel| channel.id() == id)
    }
}

/// Unsent bytes beyond which nothing is answered: replies, and what a sending keeps ready.
const fn most_waiting(sending: bool) -> usize {
    let ready = if sending {
        AHEAD.1 as usize + TURN_BYTES
    } else {
        0
    };
    ready + MAX_WAITING_REPLIES
}

/// As much of the time asked for as is left.
fn granted(allowance: &mut Duration, asked: Duration) -> Duration {
    let time = asked.min(*allowance);
    *allowance -= time;
    time
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewire_protocol::probe::MAX_PROBE_TIME;

    #[test]
    fn answers_nobody_reads_are_bounded_also_while_messages_are_sent() {
        assert_eq!(most_waiting(false), 64 * 1024);
        // Whatever a turn may leave, and as many answers as at other times.
        assert_eq!(most_waiting(true), (1024 + 256 + 64) * 1024);
    }

    #[test]
    fn a_session_is_made_to_send_for_ten_seconds_in_all() {
        let mut allowance = MAX_PROBE_TOTAL;
        let times = [(); 5].map(|()| granted(&mut allowance, MAX_PROBE_TIME).as_secs());
        assert_eq!(times, [3, 3, 3, 1, 0]);
    }
}
