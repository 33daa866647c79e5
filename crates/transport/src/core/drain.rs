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

impl PeerCore {
    /// Empties the engine. Must follow every change made to it. Returns how many datagrams it had.
    pub(super) fn drain(&mut self, sink: &mut Sink<'_>) -> usize {
        self.undrained = 0;
        let mut sent = 0;
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.engine_deadline = self.clock.real(at);
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
        sent
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
                    self.step = ConnectStep::Dtls;
                }
                self.restarting &= !up;
            }
            Event::Connected => {
                self.connected = true;
                self.step = ConnectStep::Channels;
                self.detail = None;
                self.set_state(PeerState::Connected);
                self.outbox.push(PeerEvent::Connected);
                self.heard(self.engine_now);
                self.open_video();
                self.check_channels();
            }
            Event::ChannelOpen(id, label) => self.opened(id, label),
            Event::ChannelData(data) => self.message(data),
            Event::ChannelClose(id) => {
                if let Some(slot) = self.channels.iter().find(|s| s.engine == id) {
                    slot.shared.queue.set_life(Life::Closed);
                    self.outbox.push(PeerEvent::ChannelClosed(slot.shared.id));
                }
            }
            Event::Closed => self.end(CloseReason::Remote),
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
                let added = (label.len() <= MAX_LABEL)
                    .then(|| self.shared.add_channel(&label, options.unwrap_or_default()));
                let Some(added) = added.flatten() else {
                    add(&self.shared.counters.dropped_channels, 1);
                    self.rtc.direct_api().close_data_channel(id);
                    return;
                };
                self.channels.push(Slot::new(id, added));
                self.channels.len() - 1
            }
        };
        let channel = self.channels[index].shared.clone();
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
        }
    }

    fn message(&mut self, data: ChannelData) {
        self.heard(self.engine_now);
        let Some(slot) = self.channels.iter().find(|s| s.engine == data.id) else {
            add(&self.shared.counters.dropped_messages, 1);
            return;
        };
        add(&self.shared.counters.messages_received, 1);
        add(&self.shared.counters.bytes_received, data.data.len());
        let channel = slot.shared.id;
        self.outbox.push(PeerEvent::Message {
            channel,
            data: data.data.into(),
            text: !data.binary,
        });
    }
}
