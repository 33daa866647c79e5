//! What a session asks the worker for at the moment, and changing it while the session runs.
//! Not here: what follows from a choice, which is the request's to know.

use std::sync::{Arc, Mutex};

use framewire_protocol::message::outputs_text;

use crate::error::SessionError;
use crate::request::{Plan, Rules, Selection};
use crate::session::Session;
use crate::session::shared::{Shared, Start, lock};

/// Outputs to ask for from now on; `None` leaves that part as it is. Made with [`Reconfigure::new`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reconfigure {
    /// Outputs wanted as pictures. On a video track an empty list lets the worker choose (workers of ours do; originals then
    /// send the frames as they came); inside results it means no pictures.
    pub stream_output: Option<Vec<String>>,
    /// Outputs wanted as data, as in [`StreamConfig::data_output`](crate::StreamConfig::data_output).
    pub data_output: Option<Vec<String>>,
}

impl Reconfigure {
    /// No change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the outputs wanted as pictures.
    pub fn stream_output<I: IntoIterator<Item = S>, S: Into<String>>(mut self, names: I) -> Self {
        self.stream_output = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the outputs wanted as data.
    pub fn data_output<I: IntoIterator<Item = S>, S: Into<String>>(mut self, names: I) -> Self {
        self.data_output = Some(names.into_iter().map(Into::into).collect());
        self
    }
}

impl Session {
    /// Asks the worker for other outputs while the session runs. Returns at once; results that are under way still have the
    /// outputs asked for before, and their pictures are delivered. Before the channel to the worker is open, the change is
    /// kept and sent then; later changes are merged into it.
    ///
    /// Names are not checked here: what the workflow lacks comes back as errors of single frames.
    ///
    /// # Errors
    /// The session has not started or is closed, or was started without a video track and pictures are asked for now.
    pub fn reconfigure(&self, change: Reconfigure) -> Result<(), SessionError> {
        self.shared.reconfigure(&change)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Asked(Mutex<State>);

#[derive(Debug)]
struct State {
    selection: Arc<Selection>,
    /// Pictures are asked for since the last change, and none has come yet.
    awaits_pictures: bool,
    /// Changes the worker has not been told.
    unsent: Unsent,
}

#[derive(Debug, Clone, Copy, Default)]
struct Unsent {
    stream: bool,
    data: bool,
}

impl Asked {
    pub(crate) fn new(selection: Selection) -> Self {
        Asked(Mutex::new(State {
            selection: Arc::new(selection),
            awaits_pictures: false,
            unsent: Unsent::default(),
        }))
    }

    /// What is asked for at the moment.
    pub(crate) fn now(&self) -> Arc<Selection> {
        lock(&self.0).selection.clone()
    }

    /// The same for a request, which tells the worker everything.
    pub(crate) fn for_request(&self) -> Arc<Selection> {
        let mut state = lock(&self.0);
        state.unsent = Unsent::default();
        state.selection.clone()
    }

    /// Whether a result without a picture lacks one.
    pub(crate) fn expects_pictures(&self) -> bool {
        let state = lock(&self.0);
        !state.selection.picture_names.is_empty() && !state.awaits_pictures
    }

    /// A result had a picture.
    pub(crate) fn picture_came(&self) {
        lock(&self.0).awaits_pictures = false;
    }

    fn change(&self, rules: &Rules, change: &Reconfigure) -> Arc<Selection> {
        let mut state = lock(&self.0);
        let (pictures, data) = (&change.stream_output, &change.data_output);
        let changed = rules.change(&state.selection, pictures.as_deref(), data.as_deref());
        state.awaits_pictures |= state.selection.picture_names.is_empty();
        // Pictures inside results are a matter of data.
        state.unsent.stream |= pictures.is_some() && !rules.in_results;
        state.unsent.data |= data.is_some() || (pictures.is_some() && rules.in_results);
        state.selection = Arc::new(changed);
        state.selection.clone()
    }

    /// The text that tells the worker what it has not been told.
    pub(crate) fn take_text(&self) -> Option<String> {
        let mut state = lock(&self.0);
        let Unsent { stream, data } = std::mem::take(&mut state.unsent);
        let selection = &state.selection;
        (stream || data).then(|| {
            outputs_text(
                stream.then_some(&selection.picture_names),
                data.then_some(&selection.data_output),
            )
        })
    }
}

impl Shared {
    fn reconfigure(&self, change: &Reconfigure) -> Result<(), SessionError> {
        let state = lock(&self.state);
        match &state.start {
            Start::Done(Err(error)) => return Err(error.clone()),
            _ if state.closed => return Err(SessionError::Closed),
            Start::Not => return Err(SessionError::NotStarted),
            Start::Running | Start::Done(Ok(())) => {}
        }
        drop(state);
        let plan = &self.plan;
        let no_track = !plan.rules.in_results && plan.selection.picture_names.is_empty();
        if no_track && change.stream_output.is_some() {
            return Err(SessionError::NotPossible {
                reason: "the session was started without a video track, and none can be added; name an output in `stream_output` from the beginning",
            });
        }
        self.ask(|| self.asked.change(&plan.rules, change));
        Ok(())
    }

    /// Changes what is asked for, here and at the worker.
    fn ask(&self, change: impl FnOnce() -> Arc<Selection>) {
        let mut control = lock(&self.control);
        let names = frame_outputs(&self.plan, &change());
        control.machine.set_frame_outputs(names);
        self.tell_asked();
    }

    /// Tells the worker what it has not been told, if it can be told. Under the lock of the machine, so that the texts of
    /// several threads leave in order.
    pub(super) fn tell_asked(&self) {
        if lock(&self.results_channel).is_some()
            && let Some(text) = self.asked.take_text()
        {
            self.send_text(&text);
        }
    }
}

/// Where pictures inside results are looked for; nowhere when they come on a track.
pub(super) fn frame_outputs(plan: &Plan, selection: &Selection) -> Vec<String> {
    if plan.rules.in_results {
        selection.candidates()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(in_results: bool) -> Rules {
        Rules {
            in_results,
            outputs: None,
            image_input: "image".into(),
        }
    }

    fn asked(in_results: bool, pictures: &[&str]) -> Asked {
        let names: Vec<String> = pictures.iter().map(ToString::to_string).collect();
        Asked::new(rules(in_results).select(&names, &["x".to_owned()]))
    }

    #[test]
    fn changes_before_the_channel_is_open_become_one_text_and_a_request_says_it_all() {
        let asked = asked(false, &["a"]);
        assert_eq!(asked.take_text(), None);
        asked.change(&rules(false), &Reconfigure::new().stream_output(["b"]));
        asked.change(&rules(false), &Reconfigure::new().data_output(["y"]));
        asked.change(&rules(false), &Reconfigure::new().data_output(["z"]));
        let text = asked.take_text().unwrap();
        assert_eq!(text, r#"{"stream_output":["b"],"data_output":["z"]}"#);
        assert_eq!(asked.take_text(), None);
        asked.change(&rules(false), &Reconfigure::new().data_output(["y"]));
        assert_eq!(asked.for_request().data_output, ["y"]);
        assert_eq!(asked.take_text(), None);
    }

    #[test]
    fn pictures_inside_results_are_asked_for_as_data_and_missing_only_once_they_came() {
        let asked = asked(true, &[]);
        assert!(!asked.expects_pictures());
        asked.change(&rules(true), &Reconfigure::new().stream_output(["b"]));
        assert_eq!(asked.take_text().unwrap(), r#"{"data_output":["x","b"]}"#);
        assert!(!asked.expects_pictures(), "results under way have none");
        asked.picture_came();
        assert!(asked.expects_pictures());
        asked.change(&rules(true), &Reconfigure::new().stream_output(["c"]));
        assert!(asked.expects_pictures());
    }
}
