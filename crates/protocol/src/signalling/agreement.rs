//! What two ends of framewire agree on beyond the original: the `framewire` key of request and answer.
//! Originals ignore the key; without it nothing of it is used.

use serde_json::{Value, json};

/// Version of the agreement this crate speaks.
const VERSION: u64 = 1;

/// Something beyond the original's protocol. Used only after both ends named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// Times of each stage in result metadata.
    Ledger,
    /// Images as bytes beside the JSON.
    RawImage,
    /// Resumable, verified uploads.
    Upload,
    /// Results on an unordered channel with a packet lifetime.
    Freshness,
    /// A new network path for a running session.
    IceRestart,
    /// Measuring the connection on a channel of its own.
    Probe,
}

impl Feature {
    const ALL: [Feature; 6] = [
        Feature::Ledger,
        Feature::RawImage,
        Feature::Upload,
        Feature::Freshness,
        Feature::IceRestart,
        Feature::Probe,
    ];

    /// Name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Feature::Ledger => "ledger",
            Feature::RawImage => "raw_image",
            Feature::Upload => "upload",
            Feature::Freshness => "freshness",
            Feature::IceRestart => "ice_restart",
            Feature::Probe => "probe",
        }
    }
}

/// One end's half of the agreement, or both ends' intersection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreement {
    features: Vec<Feature>,
}

impl Agreement {
    /// Offers these features. An end that has none still tells the other that it is not an original.
    pub fn new(features: impl IntoIterator<Item = Feature>) -> Self {
        let mut features: Vec<_> = features.into_iter().collect();
        features.sort_unstable();
        features.dedup();
        Agreement { features }
    }

    /// Reads the key's value. `None`: another version or not an agreement, so the other end counts as an original.
    /// Unknown features are skipped.
    pub fn from_value(value: &Value) -> Option<Self> {
        if value.get("v").and_then(Value::as_u64) != Some(VERSION) {
            return None;
        }
        let names = value.get("features").and_then(Value::as_array);
        let names: Vec<_> = names
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        Some(Agreement::new(
            Feature::ALL
                .into_iter()
                .filter(|feature| names.contains(&feature.as_str())),
        ))
    }

    /// The key's value.
    pub fn to_value(&self) -> Value {
        let names: Vec<_> = self
            .features
            .iter()
            .map(|feature| feature.as_str())
            .collect();
        json!({"v": VERSION, "features": names})
    }

    /// What both ends named.
    #[must_use]
    pub fn intersect(&self, other: &Agreement) -> Agreement {
        Agreement::new(
            self.features
                .iter()
                .copied()
                .filter(|feature| other.has(*feature)),
        )
    }

    /// Whether a feature is in it.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_both_ends_name_is_used() {
        let ours = Agreement::new([Feature::Upload, Feature::Ledger, Feature::Upload]);
        let theirs = json!({"v": 1, "features": ["upload", "teleport", 7]});
        let theirs = Agreement::from_value(&theirs).unwrap();
        assert_eq!(ours.intersect(&theirs), Agreement::new([Feature::Upload]));
        assert_eq!(Agreement::from_value(&ours.to_value()), Some(ours));
    }

    #[test]
    fn another_version_is_an_original() {
        for value in [
            json!({"v": 2, "features": []}),
            json!({}),
            json!(1),
            json!(null),
            json!({"v": "1"}),
        ] {
            assert_eq!(Agreement::from_value(&value), None);
        }
        assert_eq!(
            Agreement::from_value(&json!({"v": 1})),
            Some(Agreement::default())
        );
    }
}
