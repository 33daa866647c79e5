//! Which data channel plays which role.
//! It does not know what travels on them.

/// Label of the channel for results and control messages.
pub const RESULTS_LABEL: &str = "inference";

/// Label of the channel a file goes up on.
pub const UPLOAD_LABEL: &str = "video_upload";

/// Role of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Results and control messages.
    Results,
    /// File chunks.
    Upload,
    /// None: a later channel never steals a role.
    Ignored,
}

/// The channels in use. `inference` is the results channel; another label stands in only while there is no `inference`.
#[derive(Debug, Default)]
pub(super) struct Channels {
    results: Option<u64>,
    named: bool,
    upload: Option<u64>,
}

impl Channels {
    pub(super) fn open(&mut self, channel: u64, label: &str) -> Role {
        let free = match label {
            UPLOAD_LABEL => self.upload.is_none(),
            RESULTS_LABEL => !self.named,
            _ => self.results.is_none(),
        };
        if !free {
            return Role::Ignored;
        }
        if label == UPLOAD_LABEL {
            self.upload = Some(channel);
            return Role::Upload;
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
            Role::Ignored => {}
        }
        role
    }

    pub(super) fn role(&self, channel: u64) -> Role {
        if self.results == Some(channel) {
            Role::Results
        } else if self.upload == Some(channel) {
            Role::Upload
        } else {
            Role::Ignored
        }
    }

    pub(super) fn results(&self) -> Option<u64> {
        self.results
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
}
