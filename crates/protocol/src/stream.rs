//! Which output goes on the video track, frame by frame: a named one, or the first that holds an image.
//! It sees names and whether there is an image in the value, never the image.

use std::fmt;

use crate::output::StreamOutput;

/// Why the unprocessed frame is streamed instead of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoPicture {
    /// The workflow has no output of this name, or did not produce it.
    NotFound(String),
    /// The output holds no image.
    NotAnImage(String),
    /// No output holds an image.
    NothingToShow,
}

impl fmt::Display for NoPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoPicture::NotFound(name) => write!(f, "the workflow produced no output {name:?}"),
            NoPicture::NotAnImage(name) => write!(f, "the output {name:?} holds no image"),
            NoPicture::NothingToShow => f.write_str("no output of the workflow holds an image"),
        }
    }
}

/// What to stream for one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Streamed {
    /// Nothing: the session has no video.
    Nothing,
    /// The image of this output.
    Output(String),
    /// The frame as it came, with these lines on it; they are errors of the frame too.
    Unprocessed(NoPicture, Vec<String>),
}

/// Remembers what auto-detection found. One per session; it runs no workflow, so that the outputs of the first frame are used
/// instead of being made twice.
#[derive(Debug, Default)]
pub struct StreamSelector {
    mode: StreamOutput,
    detected: Option<String>,
}

impl StreamSelector {
    /// Nothing detected.
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges the outputs of one frame under the mode in force. `outputs`: names in workflow order, and whether the value is
    /// an image or holds one. Without any output (the workflow failed) detection waits for the next frame. O(outputs).
    pub fn select(&mut self, mode: &StreamOutput, outputs: &[(&str, bool)]) -> Streamed {
        if self.mode != *mode {
            // An output found earlier counts only as long as detection is asked for.
            self.mode = mode.clone();
            self.detected = None;
        }
        let name = match mode {
            StreamOutput::None => return Streamed::Nothing,
            StreamOutput::Named(name) => name,
            StreamOutput::AutoDetect => {
                if self.detected.is_none() {
                    let first = outputs.iter().find(|(_, image)| *image);
                    self.detected = first.map(|(name, _)| (*name).to_owned());
                }
                match &self.detected {
                    Some(name) => name,
                    None => return unprocessed(NoPicture::NothingToShow, outputs),
                }
            }
        };
        match outputs.iter().find(|(output, _)| output == name) {
            Some((_, true)) => Streamed::Output(name.clone()),
            Some((_, false)) => unprocessed(NoPicture::NotAnImage(name.clone()), outputs),
            None => unprocessed(NoPicture::NotFound(name.clone()), outputs),
        }
    }
}

fn unprocessed(why: NoPicture, outputs: &[(&str, bool)]) -> Streamed {
    let list = |images_only: bool| {
        let names: Vec<_> = outputs
            .iter()
            .filter(|(_, image)| *image || !images_only)
            .map(|(name, _)| *name)
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let lines = vec![
        why.to_string(),
        format!("outputs of this frame: {}", list(false)),
        format!("outputs with an image: {}", list(true)),
        "the frame is shown unprocessed; set stream_output to an output with an image".to_owned(),
    ];
    Streamed::Unprocessed(why, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUTS: [(&str, bool); 3] = [("count", false), ("picture", true), ("crops", true)];

    fn output(name: &str) -> Streamed {
        Streamed::Output(name.to_owned())
    }

    #[test]
    fn the_first_image_of_the_first_frame_with_outputs_stays_the_stream() {
        let mut selector = StreamSelector::new();
        let auto = StreamOutput::AutoDetect;
        assert!(matches!(
            selector.select(&auto, &[]),
            Streamed::Unprocessed(NoPicture::NothingToShow, _)
        ));
        assert_eq!(selector.select(&auto, &OUTPUTS), output("picture"));
        let reordered = [("crops", true), ("picture", true)];
        assert_eq!(selector.select(&auto, &reordered), output("picture"));
        let gone = selector.select(&auto, &[("crops", true)]);
        assert!(matches!(
            gone,
            Streamed::Unprocessed(NoPicture::NotFound(_), _)
        ));
    }

    #[test]
    fn detection_begins_anew_after_a_name_was_in_force() {
        let mut selector = StreamSelector::new();
        assert_eq!(
            selector.select(&StreamOutput::AutoDetect, &OUTPUTS),
            output("picture")
        );
        let named = StreamOutput::Named("crops".into());
        assert_eq!(selector.select(&named, &OUTPUTS), output("crops"));
        let fewer = [("crops", true)];
        assert_eq!(
            selector.select(&StreamOutput::AutoDetect, &fewer),
            output("crops")
        );
        assert_eq!(
            selector.select(&StreamOutput::None, &OUTPUTS),
            Streamed::Nothing
        );
    }

    #[test]
    fn what_cannot_be_shown_is_explained_in_four_lines() {
        let mut selector = StreamSelector::new();
        let named = StreamOutput::Named("count".into());
        let Streamed::Unprocessed(why, lines) = selector.select(&named, &OUTPUTS) else {
            panic!("there is no image in it")
        };
        assert_eq!(
            (why, lines.len()),
            (NoPicture::NotAnImage("count".into()), 4)
        );
        assert_eq!(lines[1], "outputs of this frame: count, picture, crops");
        assert_eq!(lines[2], "outputs with an image: picture, crops");
    }
}
