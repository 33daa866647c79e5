//! Channels opened while the connection runs, and how options are written for the engine and read from it.
//! Channels of the first offer are set up elsewhere.

use std::time::{Duration, Instant};

use str0m::channel::{ChannelConfig, Reliability};

use super::channels::Slot;
use super::{PeerCore, Sink};
use crate::config::ChannelOptions;

impl PeerCore {
    /// Opens what users asked for since the last turn.
    pub(super) fn open_channels(&mut self, now: Instant, sink: &mut Sink<'_>) {
        let wanted = std::mem::take(&mut *self.shared.opening());
        if wanted.is_empty() {
            return;
        }
        for channel in wanted {
            let config = config_of(&channel.label, &channel.options);
            let engine = self.rtc.direct_api().create_data_channel(config);
            self.channels.push(Slot::new(engine, channel));
        }
        // The engine opens them when it is told the time.
        self.tell_time(now, sink);
        self.drain(sink);
    }
}

fn config_of(label: &str, options: &ChannelOptions) -> ChannelConfig {
    let reliability = match (options.max_lifetime, options.max_retransmits) {
        (Some(lifetime), _) => Reliability::MaxPacketLifetime {
            lifetime: u16::try_from(lifetime.as_millis()).unwrap_or(u16::MAX),
        },
        (None, Some(retransmits)) => Reliability::MaxRetransmits { retransmits },
        (None, None) => Reliability::Reliable,
    };
    ChannelConfig {
        label: label.to_owned(),
        ordered: options.ordered,
        reliability,
        ..ChannelConfig::default()
    }
}

pub(super) fn options_of(config: &ChannelConfig) -> ChannelOptions {
    let options = ChannelOptions::default().with_ordered(config.ordered);
    match config.reliability {
        Reliability::Reliable => options,
        Reliability::MaxPacketLifetime { lifetime } => {
            options.with_max_lifetime(Duration::from_millis(lifetime.into()))
        }
        Reliability::MaxRetransmits { retransmits } => options.with_max_retransmits(retransmits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_the_way_through_the_engine() {
        let plain = ChannelOptions::default();
        for (given, agreed) in [
            (plain, plain),
            (
                plain
                    .with_ordered(false)
                    .with_max_lifetime(Duration::from_millis(200)),
                plain
                    .with_ordered(false)
                    .with_max_lifetime(Duration::from_millis(200)),
            ),
            (plain.with_max_retransmits(0), plain.with_max_retransmits(0)),
            (
                plain.with_max_lifetime(Duration::from_secs(3600)),
                plain.with_max_lifetime(Duration::from_millis(65_535)),
            ),
        ] {
            assert_eq!(options_of(&config_of("x", &given)), agreed);
        }
    }
}
