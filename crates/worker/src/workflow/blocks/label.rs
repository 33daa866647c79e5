//! Writes a text beside each detection, on a background of the detection's colour.
//! Not here: fonts. Text need not look exactly like the original's.

use framewire_media::{Bgr, Canvas, Font, RectStyle, TextStyle};
use serde_json::Value as Json;

use super::visual::{self, Colors};
use super::{BlockType, Prepared, Produces, StepInputs, always_fine};
use crate::workflow::property::{Kind, Property, Scalars};
use crate::workflow::value::{Detection, Detections, Value};

const TEXTS: &[&str] = &[
    "Class",
    "Confidence",
    "Class and Confidence",
    "Index",
    "Dimensions",
    "Area",
    "Area (mask)",
    "Area (converted)",
    "Tracker Id",
    "Time In Zone",
];

const POSITIONS: &[&str] = &[
    "CENTER",
    "CENTER_LEFT",
    "CENTER_RIGHT",
    "TOP_CENTER",
    "TOP_LEFT",
    "TOP_RIGHT",
    "BOTTOM_LEFT",
    "BOTTOM_CENTER",
    "BOTTOM_RIGHT",
    "CENTER_OF_MASS",
];

pub(super) const BLOCK: BlockType = BlockType {
    name: "roboflow_core/label_visualization@v1",
    alias: Some("LabelVisualization"),
    properties: &[
        visual::IMAGE,
        visual::PREDICTIONS,
        visual::COPY_IMAGE,
        visual::COLOR_PALETTE,
        visual::PALETTE_SIZE,
        visual::CUSTOM_COLORS,
        visual::COLOR_AXIS,
        Property::optional("text", Kind::ChoiceOrAnySelector(TEXTS), "\"Class\""),
        Property::optional("text_position", Kind::Choice(POSITIONS), "\"TOP_LEFT\""),
        Property::optional("text_color", Kind::Color, "\"WHITE\""),
        Property::optional("text_scale", Kind::Number(0.0, 100.0), "1.0"),
        Property::optional("text_thickness", Kind::Int(1), "1"),
        Property::optional("text_padding", Kind::Int(0), "10"),
        Property::optional("border_radius", Kind::Int(0), "0"),
    ],
    outputs: &[("image", Produces::Image)],
    check: always_fine,
    prepare: |scalars, _| Ok(Box::new(Labels::new(scalars)?)),
};

struct Labels {
    colors: Colors,
    text: Text,
    position: (Along, Along),
    style: TextStyle,
    padding: f32,
    radius: f32,
    font: Font,
}

/// What is written.
enum Text {
    /// One of [`TEXTS`], computed from each detection.
    Kind(String),
    /// A value from elsewhere: the same for all.
    Same(String),
    /// A list from elsewhere: one for each detection.
    Each(Vec<String>),
}

/// Where on one axis of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Along {
    Start,
    Middle,
    End,
}

impl Labels {
    fn new(scalars: &Scalars<'_>) -> Result<Self, String> {
        let color: Bgr = scalars
            .text("text_color")
            .parse()
            .map_err(|e: framewire_media::ParseColorError| e.to_string())?;
        let pixels = |name| scalars.integer(name).clamp(0, 10_000) as f32;
        let thickness = scalars.integer("text_thickness").clamp(1, 100) as u32;
        Ok(Self {
            colors: Colors::new(scalars)?,
            text: Text::new(scalars.get("text")),
            position: position(scalars.text("text_position")),
            style: TextStyle::from_cv(scalars.number("text_scale") as f32, thickness, color),
            padding: pixels("text_padding"),
            radius: pixels("border_radius"),
            font: Font::default(),
        })
    }
}

impl Text {
    fn new(value: &Json) -> Self {
        match value {
            Json::String(text) if TEXTS.contains(&text.as_str()) => Self::Kind(text.clone()),
            Json::Array(items) => Self::Each(items.iter().map(plain).collect()),
            other => Self::Same(plain(other)),
        }
    }

    fn of(&self, index: usize, item: &Detection) -> String {
        let kind = match self {
            Self::Kind(kind) => kind.as_str(),
            Self::Same(text) => return text.clone(),
            Self::Each(texts) => return texts.get(index).cloned().unwrap_or_default(),
        };
        let [x0, y0, x1, y1] = item.corners;
        let (width, height) = (x1 - x0, y1 - y0);
        match kind {
            "Confidence" => format!("{:.2}", item.confidence),
            "Class and Confidence" => format!("{} {:.2}", item.class, item.confidence),
            "Index" => index.to_string(),
            "Dimensions" => {
                let whole = |value: f32| value.trunc() as i64;
                format!(
                    "{}, {} {}x{}",
                    whole((x0 + x1) / 2.0),
                    whole((y0 + y1) / 2.0),
                    whole(width),
                    whole(height)
                )
            }
            // Without masks and unit conversion all three areas are that of the box.
            "Area" | "Area (mask)" | "Area (converted)" => format!("{}", (width * height).trunc()),
            "Tracker Id" => "No Tracker Id".into(),
            "Time In Zone" => "In zone: N/A".into(),
            _ => item.class.to_string(),
        }
    }
}

fn plain(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn position(name: &str) -> (Along, Along) {
    let horizontal = match name {
        _ if name.ends_with("LEFT") => Along::Start,
        _ if name.ends_with("RIGHT") => Along::End,
        _ => Along::Middle,
    };
    let vertical = match name {
        _ if name.starts_with("TOP") => Along::Start,
        _ if name.starts_with("BOTTOM") => Along::End,
        _ => Along::Middle,
    };
    (horizontal, vertical)
}

impl Prepared for Labels {
    fn run(&mut self, inputs: &StepInputs<'_>) -> Result<Vec<Value>, String> {
        visual::drawn(inputs, |canvas, found| {
            for (index, item) in found.items.iter().enumerate() {
                self.write(canvas, found, index, item);
            }
        })
    }
}

impl Labels {
    fn write(
        &mut self,
        canvas: &mut Canvas<'_>,
        found: &Detections,
        index: usize,
        item: &Detection,
    ) {
        let text = self.text.of(index, item);
        let extent = self.font.measure(&text, self.style);
        let size = (
            extent.width + 2.0 * self.padding,
            extent.height() + 2.0 * self.padding,
        );
        let picture = (found.image_size.0 as f32, found.image_size.1 as f32);
        let corner = place(item.corners, self.position, size, picture);
        let background = RectStyle::filled(self.colors.of(index, item)).radius(self.radius);
        canvas.label(
            &mut self.font,
            corner,
            &text,
            self.style,
            background,
            self.padding,
        );
    }
}

/// Upper left corner of a label: outside the box above or below, centred on it otherwise; kept inside the picture.
fn place(
    [x0, y0, x1, y1]: [f32; 4],
    (horizontal, vertical): (Along, Along),
    (width, height): (f32, f32),
    picture: (f32, f32),
) -> (f32, f32) {
    let x = match (horizontal, vertical) {
        (Along::Start, Along::Middle) => x0 - width,
        (Along::Start, _) => x0,
        (Along::Middle, _) => (x0 + x1 - width) / 2.0,
        (Along::End, Along::Middle) => x1,
        (Along::End, _) => x1 - width,
    };
    let y = match vertical {
        Along::Start => y0 - height,
        Along::Middle => (y0 + y1 - height) / 2.0,
        Along::End => y1,
    };
    (
        x.min(picture.0 - width).max(0.0),
        y.min(picture.1 - height).max(0.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Detection {
        let corners = [10.0, 20.0, 30.9, 60.0];
        Detection {
            corners,
            confidence: 0.456,
            class_id: 3,
            class: "Car".into(),
            id: uuid::Uuid::nil(),
        }
    }

    #[test]
    fn every_kind_of_text_is_made_from_the_detection() {
        let text = |kind: &str| Text::new(&Json::from(kind)).of(7, &item());
        assert_eq!(text("Class"), "Car");
        assert_eq!(text("Confidence"), "0.46");
        assert_eq!(text("Class and Confidence"), "Car 0.46");
        assert_eq!(text("Index"), "7");
        assert_eq!(text("Dimensions"), "20, 40 20x40");
        assert_eq!(text("Area"), "836");
        for kind in TEXTS {
            assert!(!text(kind).is_empty(), "{kind}");
        }
        assert_eq!(text("from a selector"), "from a selector");
        let each = Text::new(&serde_json::json!(["a", 5]));
        assert_eq!(
            (
                each.of(0, &item()),
                each.of(1, &item()),
                each.of(2, &item())
            ),
            ("a".into(), "5".into(), String::new())
        );
    }

    #[test]
    fn labels_sit_at_their_anchor_and_stay_inside_the_picture() {
        let at = |name: &str, corners| place(corners, position(name), (20.0, 10.0), (200.0, 100.0));
        let corners = [50.0, 40.0, 90.0, 60.0];
        assert_eq!(at("TOP_LEFT", corners), (50.0, 30.0));
        assert_eq!(at("TOP_CENTER", corners), (60.0, 30.0));
        assert_eq!(at("TOP_RIGHT", corners), (70.0, 30.0));
        assert_eq!(at("CENTER", corners), (60.0, 45.0));
        assert_eq!(at("CENTER_OF_MASS", corners), (60.0, 45.0));
        assert_eq!(at("CENTER_LEFT", corners), (30.0, 45.0));
        assert_eq!(at("CENTER_RIGHT", corners), (90.0, 45.0));
        assert_eq!(at("BOTTOM_LEFT", corners), (50.0, 60.0));
        assert_eq!(at("BOTTOM_CENTER", corners), (60.0, 60.0));
        assert_eq!(at("BOTTOM_RIGHT", corners), (70.0, 60.0));
        assert_eq!(at("TOP_LEFT", [-5.0, 2.0, 90.0, 60.0]), (0.0, 0.0));
        assert_eq!(
            at("BOTTOM_RIGHT", [150.0, 40.0, 300.0, 99.0]),
            (180.0, 90.0)
        );
    }
}
