//! The channels a connection has, and what those it had amount to.
//! Not what they do: that is the core's and their users'.

use std::collections::BTreeMap;
use std::sync::Arc;

use sctp_proto::tuning::Handle;

use crate::channel::{ChannelId, ChannelShared};
use crate::config::{ChannelOptions, MAX_CHANNELS};
use crate::data::ChannelStats;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    living: Vec<Arc<ChannelShared>>,
    /// How many there were.
    count: u32,
    /// Sums of those that are gone, by label. The peer chooses labels, so beyond [`MAX_CHANNELS`] they share the empty one.
    gone: BTreeMap<String, ChannelStats>,
}

impl Channels {
    /// `None` when [`MAX_CHANNELS`] are there.
    pub(crate) fn add(
        &mut self,
        label: &str,
        options: ChannelOptions,
    ) -> Option<Arc<ChannelShared>> {
        if self.living.len() >= MAX_CHANNELS {
            return None;
        }
        let id = ChannelId(self.count);
        self.count = self.count.wrapping_add(1);
        let channel = Arc::new(ChannelShared::new(id, label.to_owned(), options));
        self.living.push(channel.clone());
        Some(channel)
    }

    /// The channel has closed, and makes room for another.
    pub(crate) fn remove(&mut self, channel: &ChannelShared, figures: &Handle) {
        channel.end(figures);
        let before = self.living.len();
        self.living.retain(|known| known.id != channel.id);
        if self.living.len() == before {
            return;
        }
        let known = self.gone.contains_key(&channel.label) || self.gone.len() < MAX_CHANNELS;
        let label = if known { channel.label.as_str() } else { "" };
        let last = ChannelStats {
            buffered: 0,
            ..channel.stats(figures)
        };
        *self.gone.entry(label.to_owned()).or_default() += &last;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ChannelShared>> {
        self.living.iter()
    }

    /// The figures of each living channel with its label, then those of the others.
    pub(crate) fn stats(&self, figures: &Handle) -> Vec<(String, ChannelStats)> {
        let living = self.living.iter();
        let living = living.map(|channel| (channel.label.clone(), channel.stats(figures)));
        let gone = self.gone.iter();
        let gone = gone.map(|(label, stats)| (label.clone(), *stats));
        living.chain(gone).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use sctp_proto::tuning::{Tuning, scope};

    use super::*;

    #[test]
    fn only_living_channels_count_and_what_is_gone_stays_in_the_sums_of_few_labels() {
        let (mut channels, figures) = (Channels::default(), scope(Tuning::default(), || ()).1);
        let options = ChannelOptions::default();
        let first = channels.add("kept", options).expect("room");
        for n in 1..MAX_CHANNELS {
            channels.add(&format!("c{n}"), options).expect("room");
        }
        assert!(channels.add("more", options).is_none());
        for n in 0..100 {
            let old = channels.iter().last().expect("some").clone();
            old.counters.bytes_sent.store(7, Ordering::Relaxed);
            channels.remove(&old, &figures);
            channels.remove(&old, &figures);
            let new = channels.add(&format!("later {n}"), options).expect("room");
            assert_eq!(new.id.0, MAX_CHANNELS as u32 + n);
        }
        assert_eq!(channels.iter().count(), MAX_CHANNELS);
        assert_eq!(channels.iter().next().map(|c| c.id), Some(first.id));
        let stats = channels.stats(&figures);
        assert_eq!(stats.len(), 2 * MAX_CHANNELS + 1, "with the shared label");
        let sent: u64 = stats.iter().map(|(_, stats)| stats.bytes_sent).sum();
        assert_eq!(sent, 700);
    }
}
