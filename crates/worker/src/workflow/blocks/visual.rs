//! What the visualization blocks share: colours by axis and a picture to draw on.
//! Not here: shapes and text.

use std::sync::Arc;

use framewire_media::{Bgr, Canvas};

use super::StepInputs;
use crate::workflow::palette::{self, Palette};
use crate::workflow::property::{Kind, Property, Scalars};
use crate::workflow::value::{Detection, Detections, Value, WorkflowImage};

pub(super) const IMAGE: Property = Property::required("image", Kind::Image).or_named("images");
pub(super) const PREDICTIONS: Property = Property::required("predictions", Kind::Detections);
/// Accepted; a picture that others still see is always copied, one that nobody sees never.
pub(super) const COPY_IMAGE: Property = Property::optional("copy_image", Kind::Bool, "true");
pub(super) const COLOR_PALETTE: Property =
    Property::optional("color_palette", Kind::Choice(palette::NAMES), "\"DEFAULT\"");
pub(super) const PALETTE_SIZE: Property = Property::optional("palette_size", Kind::Int(1), "10");
pub(super) const CUSTOM_COLORS: Property = Property::optional("custom_colors", Kind::Colors, "[]");
pub(super) const COLOR_AXIS: Property = Property::optional(
    "color_axis",
    Kind::Choice(&["INDEX", "CLASS", "TRACK"]),
    "\"CLASS\"",
);

/// Which colour a detection gets.
#[derive(Debug)]
pub(super) struct Colors {
    palette: Palette,
    by_class: bool,
}

impl Colors {
    pub(super) fn new(scalars: &Scalars<'_>) -> Result<Self, String> {
        let custom = scalars.texts("custom_colors").unwrap_or_default();
        let palette = Palette::new(
            scalars.text("color_palette"),
            scalars.integer("palette_size"),
            &custom,
        )?;
        let by_class =
            match scalars.text("color_axis") {
                "CLASS" => true,
                "INDEX" => false,
                _ => return Err(
                    "color_axis TRACK needs tracked detections, and no block of this worker tracks"
                        .into(),
                ),
            };
        Ok(Self { palette, by_class })
    }

    pub(super) fn of(&self, index: usize, detection: &Detection) -> Bgr {
        self.palette.pick(if self.by_class {
            detection.class_id as usize
        } else {
            index
        })
    }
}

/// The step's picture with `draw` applied; untouched when there is nothing to draw.
pub(super) fn drawn(
    inputs: &StepInputs<'_>,
    draw: impl FnOnce(&mut Canvas<'_>, &Detections),
) -> Result<Vec<Value>, String> {
    let mut image: WorkflowImage = inputs.image.clone();
    let found = inputs.detections.ok_or("there are no predictions")?;
    if !found.items.is_empty() {
        // Detections of another picture (a crop's, or the whole frame's) are moved over this one.
        let found = if found.origin.id == image.origin.id {
            Arc::clone(found)
        } else {
            Arc::new(moved(found, &image))
        };
        let mut canvas =
            Canvas::on(&mut image.frame, inputs.pool).map_err(|error| error.to_string())?;
        draw(&mut canvas, &found);
    }
    Ok(vec![Value::Image(image)])
}

/// Detections in the coordinates of a picture with another place in the same frame.
fn moved(found: &Detections, image: &WorkflowImage) -> Detections {
    let (from, to) = (found.origin.root, image.origin.root);
    let dx = from.offset_x as f32 - to.offset_x as f32;
    let dy = from.offset_y as f32 - to.offset_y as f32;
    let shifted = |item: &Detection| {
        let [x0, y0, x1, y1] = item.corners;
        Detection {
            corners: [x0 + dx, y0 + dy, x1 + dx, y1 + dy],
            ..item.clone()
        }
    };
    Detections {
        image_size: (image.frame.width(), image.frame.height()),
        origin: Arc::clone(&image.origin),
        items: found.items.iter().map(shifted).collect(),
    }
}
