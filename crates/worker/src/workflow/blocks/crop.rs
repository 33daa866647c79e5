//! Static crops: a fixed rectangle of the picture, in pixels or in fractions of its size.
//! Not here: crops around detections.

use std::sync::Arc;

use super::{BlockType, Prepared, Produces, StepInputs, always_fine};
use crate::workflow::property::{Kind, Property, Scalars};
use crate::workflow::value::{FrameMetadata, Value, WorkflowImage};

const PIXELS: Kind = Kind::Int(1);
const FRACTION: Kind = Kind::Number(0.0, 1.0);

pub(super) const BLOCKS: &[BlockType] = &[
    BlockType {
        name: "roboflow_core/absolute_static_crop@v1",
        alias: Some("AbsoluteStaticCrop"),
        properties: &[
            Property::required("images", Kind::Image),
            Property::required("x_center", PIXELS),
            Property::required("y_center", PIXELS),
            Property::required("width", PIXELS),
            Property::required("height", PIXELS),
        ],
        outputs: &[("crops", Produces::Image)],
        check: always_fine,
        prepare: |scalars, _| {
            Ok(Box::new(Crop {
                units: Units::Pixels,
                rectangle: rectangle(scalars),
            }))
        },
    },
    BlockType {
        // The name is misspelled on the wire.
        name: "roboflow_core/relative_statoic_crop@v1",
        alias: Some("RelativeStaticCrop"),
        properties: &[
            Property::required("images", Kind::Image),
            Property::required("x_center", FRACTION),
            Property::required("y_center", FRACTION),
            Property::required("width", FRACTION),
            Property::required("height", FRACTION),
        ],
        outputs: &[("crops", Produces::Image)],
        check: always_fine,
        prepare: |scalars, _| {
            Ok(Box::new(Crop {
                units: Units::Fractions,
                rectangle: rectangle(scalars),
            }))
        },
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Units {
    Pixels,
    Fractions,
}

/// Centre and size, in the block's units.
#[derive(Debug, Clone, Copy)]
struct Rectangle {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

fn rectangle(scalars: &Scalars<'_>) -> Rectangle {
    let number = |name| scalars.number(name);
    Rectangle {
        x: number("x_center"),
        y: number("y_center"),
        width: number("width"),
        height: number("height"),
    }
}

struct Crop {
    units: Units,
    rectangle: Rectangle,
}

impl Prepared for Crop {
    fn run(&mut self, inputs: &StepInputs<'_>) -> Result<Vec<Value>, String> {
        let WorkflowImage {
            frame,
            origin,
            metadata,
        } = inputs.image;
        let (width, height) = (frame.width(), frame.height());
        let Some((x, y, w, h)) = pixels(self.rectangle, self.units, width, height) else {
            return Ok(vec![Value::Null]);
        };
        let cut = frame
            .crop(inputs.pool, x, y, w, h)
            .map_err(|error| error.to_string())?;
        let Some(cut) = cut else {
            return Ok(vec![Value::Null]);
        };
        let block = match self.units {
            Units::Pixels => "absolute_static_crop",
            Units::Fractions => "relative_static_crop",
        };
        let id = format!("{block}.{}", uuid::Uuid::new_v4());
        let video_identifier = format!("{} | crop: {id}", metadata.video_identifier);
        let image = WorkflowImage {
            frame: cut,
            origin: Arc::new(origin.crop(&id, x, y, width, height)),
            metadata: Arc::new(FrameMetadata {
                video_identifier,
                ..FrameMetadata::clone(metadata)
            }),
        };
        Ok(vec![Value::Image(image)])
    }
}

/// Left, top, width and height inside a picture; `None` if nothing of it is inside.
fn pixels(
    wanted: Rectangle,
    units: Units,
    width: u32,
    height: u32,
) -> Option<(u32, u32, u32, u32)> {
    let Rectangle {
        x,
        y,
        width: w,
        height: h,
    } = match units {
        Units::Pixels => wanted,
        Units::Fractions => Rectangle {
            x: (wanted.x * f64::from(width)).round_ties_even(),
            y: (wanted.y * f64::from(height)).round_ties_even(),
            width: (wanted.width * f64::from(width)).round_ties_even(),
            height: (wanted.height * f64::from(height)).round_ties_even(),
        },
    };
    let (left, cut_width) = clamp(x, w, width)?;
    let (top, cut_height) = clamp(y, h, height)?;
    Some((left, top, cut_width, cut_height))
}

/// Start and length of a span inside `0..limit`. The end counts from the unclamped start.
fn clamp(center: f64, length: f64, limit: u32) -> Option<(u32, u32)> {
    let start = (center - length / 2.0).round_ties_even();
    let end = (start + length).clamp(0.0, f64::from(limit));
    let start = start.clamp(0.0, f64::from(limit));
    // Both are whole and within 0..=limit.
    (end > start).then_some((start as u32, (end - start) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absolute(x: u32, y: u32, width: u32, height: u32) -> Option<(u32, u32, u32, u32)> {
        let wanted = Rectangle {
            x: x.into(),
            y: y.into(),
            width: width.into(),
            height: height.into(),
        };
        pixels(wanted, Units::Pixels, 640, 480)
    }

    #[test]
    fn half_pixels_round_to_even() {
        // 5 - 5/2 = 2.5 -> 2 and 6 - 5/2 = 3.5 -> 4.
        assert_eq!(absolute(5, 6, 5, 5), Some((2, 4, 5, 5)));
        assert_eq!(absolute(40, 40, 80, 80), Some((0, 0, 80, 80)));
    }

    #[test]
    fn crops_are_cut_at_the_picture_and_the_end_counts_from_the_unclamped_start() {
        assert_eq!(absolute(10, 10, 80, 80), Some((0, 0, 50, 50)));
        assert_eq!(absolute(630, 470, 80, 80), Some((590, 430, 50, 50)));
        assert_eq!(absolute(320, 240, 5000, 5000), Some((0, 0, 640, 480)));
        assert_eq!(absolute(1000, 240, 10, 10), None);
        assert_eq!(absolute(u32::MAX, 1, u32::MAX, 1), None);
    }

    #[test]
    fn fractions_are_rounded_to_pixels_first() {
        let relative = |x, y, width, height| {
            pixels(
                Rectangle {
                    x,
                    y,
                    width,
                    height,
                },
                Units::Fractions,
                640,
                272,
            )
        };
        assert_eq!(relative(0.5, 0.5, 0.5, 0.5), Some((160, 68, 320, 136)));
        assert_eq!(relative(0.0, 0.0, 0.5, 0.5), Some((0, 0, 160, 68)));
        assert_eq!(relative(0.5, 0.5, 0.0, 0.5), None);
        assert_eq!(relative(1.0, 1.0, 1.0, 1.0), Some((320, 136, 320, 136)));
    }
}
