//! One result as its handlers see it.
//! It parses and copies nothing that is not asked for.

use framewire_protocol::message::VideoMetadata;

use crate::json::Outputs;
use crate::request::Selection;
use crate::session::decode::is_picture;
use crate::session::shared::Shared;

/// One result of the worker, for [`Session::on_result`](crate::Session::on_result).
#[derive(Debug)]
#[non_exhaustive]
pub struct ResultEvent<'a> {
    /// Every output, pictures included; none when the result has no outputs.
    pub outputs: Option<&'a Outputs>,
    /// What the worker says about the frame; none when its message had none that could be read.
    pub metadata: Option<&'a VideoMetadata>,
    /// Errors of this frame. Error handlers have run with them.
    pub errors: &'a [String],
    asked: &'a Selection,
    in_results: bool,
}

impl<'a> ResultEvent<'a> {
    pub(super) fn new(
        shared: &Shared,
        asked: &'a Selection,
        outputs: Option<&'a Outputs>,
        metadata: Option<&'a VideoMetadata>,
        errors: &'a [String],
    ) -> Self {
        ResultEvent {
            outputs,
            metadata,
            errors,
            asked,
            in_results: shared.plan.rules.in_results,
        }
    }

    /// The outputs that [`on_any_data`](crate::Session::on_any_data) sees: without those that travel as frames. Costs a short
    /// list, no copy of values.
    pub fn visible(&self) -> Option<Outputs> {
        let outputs = self.outputs?;
        if !self.in_results {
            return Some(outputs.clone());
        }
        let mut hidden = self.asked.candidates();
        if self.asked.hide_pictures {
            let pictures = outputs.iter().filter(|(_, value)| is_picture(value));
            hidden.extend(pictures.map(|(name, _)| name.to_owned()));
        }
        Some(outputs.without(&hidden))
    }
}
