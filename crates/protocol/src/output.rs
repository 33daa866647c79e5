//! Which workflow outputs are sent and which one is streamed: the rules for `stream_output` and `data_output`.
//! It knows names only, not images or values.

use thiserror::Error;

/// The name in `data_output` that stands for every output which is not itself an image.
pub const ALL_OUTPUTS: &str = "*";

/// What goes on the video track.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StreamOutput {
    /// The first image output of the first frame decides.
    #[default]
    AutoDetect,
    /// No video track; frames, if any, travel on the data channel.
    None,
    /// This output.
    Named(String),
}

/// Outcome of a `stream_output` control message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamChange {
    /// The output of the next frame is taken by the new rule.
    Applied,
    /// The session has no video track and never gets one; worth a warning.
    NoVideoTrack,
}

impl StreamOutput {
    /// Mode asked for by the request field: absent = auto-detect, nothing but empty strings = no video, else the first name.
    pub fn from_request(field: Option<&[String]>) -> Self {
        match field {
            None => StreamOutput::AutoDetect,
            Some(names) => match first_name(names) {
                Some(name) => StreamOutput::Named(name.to_owned()),
                None => StreamOutput::None,
            },
        }
    }

    /// Applies a control message. An empty list re-arms auto-detection; a session started without video stays without.
    pub fn apply(&mut self, names: &[String]) -> StreamChange {
        if *self == StreamOutput::None {
            return StreamChange::NoVideoTrack;
        }
        *self = match first_name(names) {
            Some(name) => StreamOutput::Named(name.to_owned()),
            None => StreamOutput::AutoDetect,
        };
        StreamChange::Applied
    }

    /// Whether the session carries video at all.
    pub fn has_video(&self) -> bool {
        *self != StreamOutput::None
    }
}

/// Which outputs a result message carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DataOutput {
    /// None: `serialized_output_data` is null.
    #[default]
    None,
    /// Every output that is not itself an image.
    All,
    /// Exactly these, images included, in this order, without repetition.
    Named(Vec<String>),
    /// Every output that is not itself an image, and these, images included.
    AllAnd(Vec<String>),
}

impl DataOutput {
    /// Mode of a request field or of a control message (the same rules). Empty strings are ignored; `["*", "x"]` means
    /// everything but images, and `x` whatever it is.
    pub fn from_names(names: Option<&[String]>) -> Self {
        let mut named: Vec<String> = Vec::new();
        let mut all = false;
        for name in names
            .unwrap_or_default()
            .iter()
            .filter(|name| !name.is_empty())
        {
            if name == ALL_OUTPUTS {
                all = true;
            } else if !named.contains(name) {
                named.push(name.clone());
            }
        }
        match (all, named.is_empty()) {
            (true, true) => DataOutput::All,
            (true, false) => DataOutput::AllAnd(named),
            (false, true) => DataOutput::None,
            (false, false) => DataOutput::Named(named),
        }
    }

    /// Whether this output is to be sent. `is_image`: the value itself is an image, not something that contains one.
    pub fn selects(&self, name: &str, is_image: bool) -> bool {
        match self {
            DataOutput::None => false,
            DataOutput::All => !is_image,
            DataOutput::Named(names) => names.iter().any(|n| n == name),
            DataOutput::AllAnd(names) => !is_image || names.iter().any(|n| n == name),
        }
    }

    /// Names asked for explicitly; one that the workflow did not produce is an error of that frame.
    pub fn named(&self) -> &[String] {
        match self {
            DataOutput::Named(names) | DataOutput::AllAnd(names) => names,
            DataOutput::None | DataOutput::All => &[],
        }
    }
}

/// The text for a requested output the workflow result does not have.
pub fn not_found_text(name: &str) -> String {
    format!("Output '{name}' not found")
}

/// A requested output that the workflow does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field} names {unknown:?}, but the workflow's outputs are {known:?}")]
pub struct UnknownOutput {
    /// `stream_output` or `data_output`.
    pub field: &'static str,
    /// The first name that does not exist.
    pub unknown: String,
    /// What exists.
    pub known: Vec<String>,
}

/// Checks both lists of a request against the outputs of the compiled workflow. `*` in `data_output` is always fine.
pub fn validate_outputs(
    stream_output: Option<&[String]>,
    data_output: Option<&[String]>,
    known: &[String],
) -> Result<(), UnknownOutput> {
    let check = |field: &'static str, names: Option<&[String]>, star: bool| {
        let unknown = names.unwrap_or_default().iter().find(|name| {
            let fine = name.is_empty() || known.contains(name) || (star && *name == ALL_OUTPUTS);
            !fine
        });
        match unknown {
            None => Ok(()),
            Some(name) => Err(UnknownOutput {
                field,
                unknown: name.clone(),
                known: known.to_vec(),
            }),
        }
    };
    check("stream_output", stream_output, false)?;
    check("data_output", data_output, true)
}

/// `data_output` a file source sends when frames travel on the data channel: the user's list followed by every stream name
/// not yet in it.
pub fn merge_data_output(data_output: &[String], stream_output: &[String]) -> Vec<String> {
    let mut merged = data_output.to_vec();
    for name in stream_output.iter().filter(|name| !name.is_empty()) {
        if !merged.contains(name) {
            merged.push(name.clone());
        }
    }
    merged
}

fn first_name(names: &[String]) -> Option<&str> {
    names
        .iter()
        .map(String::as_str)
        .find(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn stream_output_of_the_request() {
        assert_eq!(StreamOutput::from_request(None), StreamOutput::AutoDetect);
        assert_eq!(StreamOutput::from_request(Some(&[])), StreamOutput::None);
        assert_eq!(
            StreamOutput::from_request(Some(&list(&["", ""]))),
            StreamOutput::None
        );
        let named = StreamOutput::from_request(Some(&list(&["", "a", "b"])));
        assert_eq!(named, StreamOutput::Named("a".into()));
        assert!(named.has_video());
    }

    #[test]
    fn an_empty_list_at_runtime_rearms_detection_but_never_adds_a_track() {
        let mut mode = StreamOutput::Named("a".into());
        assert_eq!(mode.apply(&list(&["b"])), StreamChange::Applied);
        assert_eq!(mode, StreamOutput::Named("b".into()));
        assert_eq!(mode.apply(&[]), StreamChange::Applied);
        assert_eq!(mode, StreamOutput::AutoDetect);
        let mut none = StreamOutput::None;
        assert_eq!(none.apply(&list(&["a"])), StreamChange::NoVideoTrack);
        assert_eq!(none, StreamOutput::None);
    }

    #[test]
    fn data_output_modes() {
        assert_eq!(DataOutput::from_names(None), DataOutput::None);
        assert_eq!(DataOutput::from_names(Some(&[])), DataOutput::None);
        assert_eq!(
            DataOutput::from_names(Some(&list(&["", ""]))),
            DataOutput::None
        );
        assert_eq!(
            DataOutput::from_names(Some(&list(&["", "*"]))),
            DataOutput::All
        );
        let named = DataOutput::from_names(Some(&list(&["a", "", "b", "a"])));
        assert_eq!(named, DataOutput::Named(list(&["a", "b"])));
        assert!(named.selects("a", true) && !named.selects("c", false));
        assert!(DataOutput::All.selects("x", false) && !DataOutput::All.selects("x", true));
    }

    #[test]
    fn star_beside_a_name_is_everything_but_images_and_that_name() {
        let mode = DataOutput::from_names(Some(&list(&["*", "image"])));
        assert_eq!(mode, DataOutput::AllAnd(list(&["image"])));
        assert!(mode.selects("image", true));
        assert!(mode.selects("predictions", false));
        assert!(!mode.selects("other_image", true));
        assert_eq!(mode.named(), ["image"]);
    }

    #[test]
    fn unknown_names_are_refused_with_what_exists() {
        let known = list(&["a", "b"]);
        assert!(
            validate_outputs(Some(&list(&["a", ""])), Some(&list(&["*", "b"])), &known).is_ok()
        );
        let error = validate_outputs(None, Some(&list(&["x"])), &known).unwrap_err();
        assert_eq!((error.field, error.unknown.as_str()), ("data_output", "x"));
        assert!(validate_outputs(Some(&list(&["*"])), None, &known).is_err());
    }

    #[test]
    fn a_file_source_appends_stream_names_once() {
        assert_eq!(
            merge_data_output(&list(&["p", "i"]), &list(&["i", "", "j"])),
            list(&["p", "i", "j"])
        );
    }
}
