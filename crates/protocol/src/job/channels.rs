//! Which data channel plays which role.
//! It does not know what travels on them.

/// Label of the channel for results and control messages.
pub const RESULTS_LABEL: &str = "inference";

/// Label of the channel a file goes up on.
pub const UPLOAD_LABEL: &str = "video_upload";

/// Label of the channel that carries the results of single frames, unordered and only for a short time, between two ends that
/// agreed on it. Everything else stays on [`RESULTS_LABEL`].
pub const FRESH_LABEL: &str = "framewire-results";

/// Role of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Results and control messages.
    Results,
    /// File chunks.
    Upload,
    /// Results of single frames, nothing else, in this direction only.
    Fresh,
    /// None: a later channel never steals a role.
    Ignored,
}

/// The channels in use. `inference` is the results channel; another label stands in only while there is no `inference`.
#[derive(Debug, Default)]
pub(super) struct Channels {
    results: Option<u64>,
    named: bool,
    upload: Option<u64>,
    /// Both ends agreed on such a channel; else its label is like any other.
    agreed: bool,
    fresh: Option<u64>,
}

impl Channels {
    pub(super) fn new(agreed: bool) -> Self {
        Channels {
            agreed,
            ..Channels::default()
        }
    }

    pub(super) fn open(&mut self, channel: u64, label: &str) -> Role {
        let free = match label {
            UPLOAD_LABEL => self.upload.is_none(),
            RESULTS_LABEL => !self.named,
            FRESH_LABEL if self.agreed => self.fresh.is_none(),
            _ => self.results.is_none(),
        };
        // A channel keeps the role it has.
        if !free || self.role(channel) != Role::Ignored {
            return Role::Ignored;
        }
        if label == UPLOAD_LABEL {
            self.upload = Some(channel);
            return Role::Upload;
        }
        if self.agreed && label == FRESH_LABEL {
            self.fresh = Some(channel);
            return Role::Fresh;
        }
        self.named = label == RESULTS_LABEL;
        self.results = Some(channel);
        Role::Results
    }

    /// Forgets a closed channel and says which role it had.
    pub(super) fn close(&mut self, channel: u64) -> Role {
        let role = self.role(channel);
        match role {
            Role::Results => self.results = None,
            Role::Upload => self.upload = None,
            Role::Fresh => self.fresh = None,
            Role::Ignored => {}
        }
        role
    }

    pub(super) fn role(&self, channel: u64) -> Role {
        if self.results == Some(channel) {
            Role::Results
        } else if self.upload == Some(channel) {
            Role::Upload
        } else if self.fresh == Some(channel) {
            Role::Fresh
        } else {
            Role::Ignored
        }
    }

    pub(super) fn results(&self) -> Option<u64> {
        self.results
    }

    pub(super) fn fresh(&self) -> Option<u64> {
        self.fresh
    }

    pub(super) fn upload(&self) -> Option<u64> {
        self.upload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_channel_never_steals_a_role() {
        let mut channels = Channels::default();
        assert_eq!(channels.open(1, "inference"), Role::Results);
        assert_eq!(channels.open(2, "inference"), Role::Ignored);
        assert_eq!(channels.open(3, "roboflow-control"), Role::Ignored);
        assert_eq!(channels.open(4, "video_upload"), Role::Upload);
        assert_eq!(channels.open(5, "video_upload"), Role::Ignored);
        assert_eq!((channels.results(), channels.upload()), (Some(1), Some(4)));
    }

    #[test]
    fn another_label_stands_in_until_inference_opens() {
        let mut channels = Channels::default();
        assert_eq!(channels.open(1, "roboflow-control"), Role::Results);
        assert_eq!(channels.open(2, "another"), Role::Ignored);
        assert_eq!(channels.open(3, "inference"), Role::Results);
        assert_eq!(channels.role(1), Role::Ignored);
        assert_eq!(channels.close(3), Role::Results);
        assert_eq!(channels.results(), None);
    }

    #[test]
    fn a_channel_for_fresh_results_is_one_only_where_both_ends_agreed() {
        let mut plain = Channels::new(false);
        assert_eq!(plain.open(1, FRESH_LABEL), Role::Results);
        assert_eq!(plain.open(2, RESULTS_LABEL), Role::Results);
        assert_eq!((plain.role(1), plain.fresh()), (Role::Ignored, None));
        let mut agreed = Channels::new(true);
        assert_eq!(agreed.open(1, FRESH_LABEL), Role::Fresh);
        assert_eq!(agreed.results(), None, "it never stands in");
        assert_eq!(agreed.open(2, RESULTS_LABEL), Role::Results);
        assert_eq!(agreed.open(3, FRESH_LABEL), Role::Ignored);
        assert_eq!((agreed.results(), agreed.fresh()), (Some(2), Some(1)));
        assert_eq!(agreed.close(1), Role::Fresh);
        assert_eq!((agreed.results(), agreed.fresh()), (Some(2), None));
    }
}
