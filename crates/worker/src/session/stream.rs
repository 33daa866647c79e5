//! Which picture of a processed frame goes on the track, and the errors drawn on it.
//! Not encoding, and not the result message: both get what is decided here.

use framewire_media::{Bgr, Canvas, Font, Frame, FramePool, TextStyle};
use framewire_protocol::output::StreamOutput;

use crate::workflow::{Outputs, Value};

/// Where error texts begin, and how far apart their lines are, as the original draws them.
const LEFT: f32 = 10.0;
const FIRST_BASELINE: f32 = 20.0;
const LINE: f32 = 30.0;

/// Chooses the streamed picture of each frame of one session.
#[derive(Debug, Default)]
pub(crate) struct Streamer {
    /// What auto-detection found; `None` inside: the workflow has no picture.
    detected: Option<Option<String>>,
    font: Font,
}

impl Streamer {
    /// The picture to stream: the output in force, or the source frame when there is none. What is wrong is appended to
    /// `errors`, and all of `errors` is drawn on the picture.
    pub(crate) fn picture(
        &mut self,
        mode: &StreamOutput,
        source: &Frame,
        outputs: Option<&Outputs>,
        errors: &mut Vec<String>,
        pool: &FramePool,
    ) -> Frame {
        let mut picture = match outputs {
            Some(outputs) => self.choose(mode, outputs, errors).unwrap_or(source),
            None => source,
        }
        .clone();
        picture.set_timing(source.timing());
        self.draw(&mut picture, errors, pool);
        picture
    }

    fn choose<'a>(
        &mut self,
        mode: &StreamOutput,
        outputs: &'a Outputs,
        errors: &mut Vec<String>,
    ) -> Option<&'a Frame> {
        let name = match mode {
            StreamOutput::Named(name) => {
                self.detected = None; // looking again when the client asks for it
                Some(name.clone())
            }
            _ => self
                .detected
                .get_or_insert_with(|| {
                    let mut named = outputs.iter();
                    named
                        .find(|(_, value)| image_of(value).is_some())
                        .map(|(name, _)| name.to_owned())
                })
                .clone(),
        };
        let known: Vec<&str> = outputs.iter().map(|(name, _)| name).collect();
        let Some(name) = name else {
            errors.extend(missing("none", "The workflow has no image output", &known));
            return None;
        };
        match outputs.get(&name) {
            Some(value) => image_of(value).or_else(|| {
                let what = format!("The output '{name}' is no image in this frame");
                errors.extend(missing(&name, &what, &known));
                None
            }),
            None => {
                let what = format!("The workflow has no output '{name}'");
                errors.extend(missing(&name, &what, &known));
                None
            }
        }
    }

    fn draw(&mut self, picture: &mut Frame, errors: &[String], pool: &FramePool) {
        if errors.is_empty() {
            return;
        }
        let height = picture.height() as f32;
        let canvas = Canvas::on(picture, pool);
        let Ok(mut canvas) = canvas else {
            return; // no memory for a copy: the errors are in the result too
        };
        let style = TextStyle::from_cv(0.7, 2, Bgr::GREEN);
        let mut baseline = FIRST_BASELINE;
        for error in errors {
            if baseline - LINE > height {
                break;
            }
            canvas.text(&mut self.font, LEFT, baseline, error, style);
            baseline += LINE;
        }
    }
}

/// The picture in a value: itself, or the last one of a step's outputs.
fn image_of(value: &Value) -> Option<&Frame> {
    match value {
        Value::Image(image) => Some(&image.frame),
        Value::Object(members) => members.iter().rev().find_map(|(_, value)| match value {
            Value::Image(image) => Some(&image.frame),
            _ => None,
        }),
        _ => None,
    }
}

fn missing(name: &str, what: &str, known: &[&str]) -> [String; 4] {
    [
        what.to_owned(),
        format!("Streamed output: {name}"),
        format!("Outputs of the workflow: {}", known.join(", ")),
        "Showing the source frame instead".to_owned(),
    ]
}
