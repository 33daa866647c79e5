//! Which outputs a session asks for: as pictures, as data, and what is sent for both. The only part of a request that may
//! change while the session runs.

use serde_json::Value;

use crate::request::fields::{named, spell_out};

/// Outputs as asked for at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Selection {
    /// Names that may carry the picture, first match wins.
    pub(crate) picture_names: Vec<String>,
    /// `*` was spelled out as names: outputs that are pictures are not data then.
    pub(crate) hide_pictures: bool,
    /// The data outputs that are sent.
    pub(crate) data_output: Vec<String>,
    /// The worker chooses the output of the track itself.
    pub(crate) auto: bool,
    /// The user's data outputs, without what pictures add.
    data: Vec<String>,
    /// Pictures asked for until now, which results under way still carry.
    before: Vec<String>,
}

impl Selection {
    /// Where pictures inside results are looked for, first match wins.
    pub(crate) fn candidates(&self) -> Vec<String> {
        self.picture_names
            .iter()
            .chain(&self.before)
            .cloned()
            .collect()
    }
}

/// What follows from workflow and source for every selection.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Pictures come inside results, so they have to be asked for as data.
    pub(crate) in_results: bool,
    /// Outputs of an inline definition, without the one that is the input as it is.
    pub(crate) outputs: Option<Vec<Value>>,
    pub(crate) image_input: String,
}

impl Rules {
    pub(crate) fn select(&self, pictures: &[String], data: &[String]) -> Selection {
        let (pictures, data) = (named(pictures), named(data));
        let mut sent = data.clone();
        let mut hide_pictures = false;
        let star = data.iter().any(|name| name == "*");
        if self.in_results && star && (!pictures.is_empty() || data.len() > 1) {
            match &self.outputs {
                Some(outputs) => sent = spell_out(&data, outputs, &self.image_input),
                None => tracing::warn!(
                    "`*` beside named outputs is understood by framewire workers only"
                ),
            }
            hide_pictures = true;
        }
        for name in pictures.iter().filter(|_| self.in_results) {
            if !sent.contains(name) {
                sent.push(name.clone());
            }
        }
        Selection {
            picture_names: pictures,
            hide_pictures,
            data_output: sent,
            auto: false,
            data,
            before: Vec::new(),
        }
    }

    /// The selection after a change; `None` leaves that part as it is.
    pub(crate) fn change(
        &self,
        now: &Selection,
        pictures: Option<&[String]>,
        data: Option<&[String]>,
    ) -> Selection {
        let mut changed = self.select(
            pictures.unwrap_or(&now.picture_names),
            data.unwrap_or(&now.data),
        );
        let auto = pictures.map_or(now.auto, |_| changed.picture_names.is_empty());
        changed.auto = !self.in_results && auto;
        if self.in_results {
            // What is asked for as data now is no picture any more.
            let old = now.candidates().into_iter();
            let asked = |name: &String| {
                changed.picture_names.contains(name) || changed.data_output.contains(name)
            };
            changed.before = old.filter(|name| !asked(name)).collect();
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn rules(in_results: bool) -> Rules {
        Rules {
            in_results,
            outputs: Some(vec![
                json!({"name": "found", "selector": "$steps.model.predictions"}),
                json!({"name": "raw", "selector": "$inputs.image"}),
            ]),
            image_input: "image".into(),
        }
    }

    #[test]
    fn pictures_inside_results_stay_asked_for_whatever_changes_beside_them() {
        let rules = rules(true);
        let start = rules.select(&names(&["a"]), &names(&["x"]));
        assert_eq!(start.data_output, ["x", "a"]);
        let other_data = rules.change(&start, None, Some(&names(&["y", "", "y"])));
        assert_eq!(other_data.data_output, ["y", "a"]);
        assert_eq!(other_data.candidates(), ["a"]);
        let star = rules.change(&other_data, None, Some(&names(&["*"])));
        assert_eq!(star.data_output, ["found", "a"]);
        assert!(star.hide_pictures);
        let no_data = rules.change(&star, None, Some(&[]));
        assert_eq!(no_data.data_output, ["a"]);
        assert!(!no_data.hide_pictures);
    }

    #[test]
    fn results_under_way_keep_their_pictures_unless_they_are_data_now() {
        let rules = rules(true);
        let start = rules.select(&names(&["a"]), &names(&["x"]));
        let other = rules.change(&start, Some(&names(&["b"])), None);
        assert_eq!(other.data_output, ["x", "b"]);
        assert_eq!(other.candidates(), ["b", "a"]);
        let third = rules.change(&other, Some(&names(&["c"])), Some(&names(&["a"])));
        assert_eq!(third.candidates(), ["c", "b"]);
        let none = rules.change(&third, Some(&[]), None);
        assert_eq!((none.candidates(), none.auto), (names(&["c", "b"]), false));
        assert_eq!(none.data_output, ["a"]);
    }

    #[test]
    fn on_a_track_an_empty_choice_is_the_workers() {
        let rules = rules(false);
        let start = rules.select(&names(&["a"]), &names(&["*", "x"]));
        assert_eq!(
            (start.auto, start.data_output.clone()),
            (false, names(&["*", "x"]))
        );
        let auto = rules.change(&start, Some(&[]), None);
        assert!(auto.auto && auto.candidates().is_empty());
        let still = rules.change(&auto, None, Some(&names(&["x"])));
        assert!(still.auto);
        assert!(!rules.change(&still, Some(&names(&["b"])), None).auto);
    }
}
