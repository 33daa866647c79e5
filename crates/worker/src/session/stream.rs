//! Which picture of a processed frame goes on the track, and the errors drawn on it.
//! Not encoding, and not the result message: both get what is decided here.

use framewire_media::{Bgr, Canvas, Font, Frame, FramePool, TextStyle};
use framewire_protocol::output::StreamOutput;
use framewire_protocol::stream::{StreamSelector, Streamed};

use crate::workflow::{Outputs, Value};

/// Where error texts begin, and how far apart their lines are, as the original draws them.
const LEFT: f32 = 10.0;
const FIRST_BASELINE: f32 = 20.0;
const LINE: f32 = 30.0;

/// Chooses the streamed picture of each frame of one session.
#[derive(Debug, Default)]
pub(crate) struct Streamer {
    selector: StreamSelector,
    font: Font,
}

impl Streamer {
    /// The picture to stream: the output in force, or the source frame when there is none. What is wrong is appended to
    /// `errors`, and all of `errors` is drawn on the picture. `outputs`: `None` when the workflow failed.
    pub(crate) fn picture(
        &mut self,
        mode: &StreamOutput,
        source: &Frame,
        outputs: Option<&Outputs>,
        errors: &mut Vec<String>,
        pool: &FramePool,
    ) -> Frame {
        let chosen = outputs.and_then(|outputs| self.choose(mode, outputs, errors));
        let mut picture = chosen.unwrap_or(source).clone();
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
        let judged: Vec<(&str, bool)> = outputs
            .iter()
            .map(|(name, value)| (name, image_of(value).is_some()))
            .collect();
        match self.selector.select(mode, &judged) {
            Streamed::Output(name) => outputs.get(&name).and_then(image_of),
            Streamed::Unprocessed(_, lines) => {
                errors.extend(lines);
                None
            }
            _ => None,
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
