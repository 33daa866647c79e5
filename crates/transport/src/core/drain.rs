//! Taking everything out of the engine: datagrams to send, what happened, and when it wants to be called again.
//! Nothing is put in here, except the refusal of channels beyond the limit.

use str0m::channel::ChannelData;
use str0m::{Event, IceConnectionState, Output};

use super::channels::Slot;
use super::opening::options_of;
use super::{PeerCore, Sink, Transmit};
use crate::channel::DataChannel;
use crate::config::MAX_LABEL;
use crate::error::{CloseReason, ConnectStep};
use crate::events::PeerEvent;
use crate::peer::PeerState;
use crate::send_queue::Life;
use crate::stats::add;

/// What the engine says when it is given something to send after the peer closed.
const CLOSED: &str = "connection closed";
/// So often in one go; each time it throws away what it could not send.
const REFUSED: u32 = 8;

impl PeerCore {
    /// Empties the engine. Must follow every change made to it. Returns how many datagrams it had.
    pub(super) fn drain(&mut self, sink: &mut Sink<'_>) -> usize {
        let fed = std::mem::take(&mut self.undrained) > 0;
        let (mut sent, mut refused) = (0, 0);
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.engine_deadline = at;
                    break;
                }
                Ok(Output::Transmit(transmit)) => {
                    let (source, destination) = self.path_of(&transmit);
                    sent += 1;
                    sink(Transmit {
                        source,
                        destination,
                        contents: &transmit.contents,
                    });
                }
                Ok(Output::Event(event)) => self.event(event),
                // The peer's last word is read only after what SCTP still wanted to say was refused.
                Err(error) if refused < REFUSED && error.to_string().contains(CLOSED) => {
                    refused += 1
                }
                Err(error) => {
                    self.failed(&error);
                    break;
                }
            }
        }
        if sent > 0 {
            add(&self.shared.counters.datagrams_sent, sent);
        }
        self.flush_events();
        if fed {
            self.listen();
        }
        sent
    }

    /// A packet SCTP accepted is a word from the peer: nobody else can make one.
    fn listen(&mut self) {
        let received = self.figures.snapshot().packets_received;
        if received != std::mem::replace(&mut self.packets_received, received) {
            self.heard(self.engine_now);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::IceConnectionStateChange(state) => {
                tracing::debug!(peer = self.shared.id.0, ?state, "ICE");
                let up = matches!(
                    state,
                    IceConnectionState::Connected | IceConnectionState::Completed
                );
                if up && self.step == ConnectStep::Ice {
                    self.reach(ConnectStep::Dtls);
                }
                self.restarting &= !up;
            }
            Event::Connected => {
                self.connected = true;
                if self.step == ConnectStep::Ice {
                    self.reach(ConnectStep::Dtls);
                }
                self.reach(ConnectStep::Channels);
                self.detail = None;
                self.set_state(PeerState::Connected);
                self.outbox.push(PeerEvent::Connected);
                self.heard(self.engine_now);
                self.open_video();
                self.check_channels();
            }
            Event::ChannelOpen(id, label) => self.opened(id, label),
            Event::ChannelData(data) => self.message(data),
            Event::ChannelClose(id) => self.channel_closed(id),
            Event::Closed => {
                self.read_rest();
                self.end(CloseReason::Remote);
            }
            Event::RtpPacket(packet) => self.video_packet(packet),
            Event::KeyframeRequest(_) => self.keyframe_wanted(),
            Event::EgressBitrateEstimate(kind) => self.bitrate_event(kind),
            Event::PeerStats(stats) => self.peer_stats(&stats),
            Event::MediaEgressStats(stats) => self.egress_stats(&stats),
            Event::MediaIngressStats(stats) => self.ingress_stats(&stats),
            _ => {}
        }
    }

    fn opened(&mut self, id: str0m::channel::ChannelId, label: String) {
        self.heard(self.engine_now);
        let index = self.channels.iter().position(|s| s.engine == id);
        let index = match index {
            Some(index) => index,
            None => {
                let channel = self.rtc.channel(id);
                let options = channel.and_then(|c| c.config().map(options_of));
                let added = (label.len() <= MAX_LABEL).then(|| {
                    self.shared
                        .channels()
                        .add(&label, options.unwrap_or_default())
                });
                let Some(added) = added.flatten() else {
                    add(&self.shared.counters.dropped_channels, 1);
                    self.rtc.direct_api().close_data_channel(id);
                    return;
                };
                self.channels.push(Slot::new(id, added));
                self.channels.len() - 1
            }
        };
        self.channels[index].stream = self.rtc.direct_api().sctp_stream_id_by_channel_id(id);
        let channel = self.channels[index].shared.clone();
        channel.set_stream(self.channels[index].stream);
        channel.set_max_message(self.max_message);
        channel.queue.set_life(Life::Open);
        self.outbox.push(PeerEvent::ChannelOpen(DataChannel::new(
            channel,
            self.shared.clone(),
        )));
        self.check_channels();
    }

    /// Ends the connect phase once the channels we created are open.
    fn check_channels(&mut self) {
        if self.connected
            && self
                .channels
                .iter()
                .all(|s| s.shared.queue.life() != Life::Connecting)
        {
            self.connect_deadline = None;
            let watch = &self.shared.watch;
            watch.end(self.engine_now, ConnectStep::Channels);
        }
    }

    /// The step before this one is done.
    fn reach(&mut self, step: ConnectStep) {
        let watch = &self.shared.watch;
        watch.end(self.engine_now, self.step);
        watch.begin(self.engine_now, step);
        self.step = step;
    }

    fn message(&mut self, data: ChannelData) {
        let Some(slot) = self.channels.iter().find(|s| s.engine == data.id) else {
            add(&self.shared.counters.dropped_messages, 1);
            return;
        };
        let len = data.data.len();
        add(&slot.shared.counters.messages_received, 1);
        add(&slot.shared.counters.bytes_received, len);
        add(&self.shared.counters.messages_received, 1);
        add(&self.shared.counters.bytes_received, len);
        let message = PeerEvent::Message {
            channel: slot.shared.id,
            data: data.data.into(),
            text: !data.binary,
        };
        let cost = message.cost();
        self.outbox.push(message);
        self.collected(cost);
    }
}
