//! Frames and results as their handlers see them.
//! Nothing is parsed or copied that is not asked for.

use std::time::Instant;

use framewire_media::Frame;
use framewire_protocol::FrameId;
use framewire_protocol::message::VideoMetadata;
use framewire_protocol::pairing::Match;

use crate::json::{Json, Outputs};
use crate::request::Selection;
use crate::session::decode::is_picture;
use crate::session::shared::Shared;

/// A frame for its consumer. Cloning is cheap; pixels are shared.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FrameEvent {
    /// The picture, BGR.
    pub frame: Frame,
    /// What the worker says about it; none when its message had none that could be read.
    pub metadata: Option<VideoMetadata>,
    /// Model mode: the predictions of this frame, exactly as received.
    pub data: Option<Json>,
    /// How surely metadata and predictions belong to this picture. Frames that came inside a result are
    /// [`Match::Exact`].
    pub pairing: Match,
    /// When the picture was captured, if that was on this side: `captured.elapsed()` is its age. Against an original worker
    /// it is an estimate.
    pub captured: Option<Instant>,
}

impl FrameEvent {
    /// The frame's id, if the worker gave one.
    pub fn frame_id(&self) -> Option<FrameId> {
        self.metadata.as_ref().map(|metadata| metadata.frame_id)
    }
}

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
