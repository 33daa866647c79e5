//! Draws the outline of each detection.
//! Not here: labels.

use framewire_media::{Rect, RectStyle};

use super::visual::{self, Colors};
use super::{BlockType, Prepared, Produces, StepInputs, always_fine};
use crate::workflow::property::{Kind, Property, Scalars};
use crate::workflow::value::Value;

pub(super) const BLOCK: BlockType = BlockType {
    name: "roboflow_core/bounding_box_visualization@v1",
    alias: Some("BoundingBoxVisualization"),
    properties: &[
        visual::IMAGE,
        visual::PREDICTIONS,
        visual::COPY_IMAGE,
        visual::COLOR_PALETTE,
        visual::PALETTE_SIZE,
        visual::CUSTOM_COLORS,
        visual::COLOR_AXIS,
        Property::optional("thickness", Kind::Int(0), "2"),
        Property::optional("roundness", Kind::Number(0.0, 1.0), "0.0"),
    ],
    outputs: &[("image", Produces::Image)],
    check: always_fine,
    prepare: |scalars, _| Ok(Box::new(BoundingBoxes::new(scalars)?)),
};

struct BoundingBoxes {
    colors: Colors,
    thickness: u32,
    roundness: f32,
}

impl BoundingBoxes {
    fn new(scalars: &Scalars<'_>) -> Result<Self, String> {
        let thickness = u32::try_from(scalars.integer("thickness")).unwrap_or(u32::MAX);
        Ok(Self {
            colors: Colors::new(scalars)?,
            thickness,
            roundness: scalars.number("roundness") as f32,
        })
    }
}

impl Prepared for BoundingBoxes {
    fn run(&mut self, inputs: &StepInputs<'_>) -> Result<Vec<Value>, String> {
        visual::drawn(inputs, |canvas, found| {
            for (index, item) in found
                .items
                .iter()
                .enumerate()
                .filter(|_| self.thickness > 0)
            {
                let [x0, y0, x1, y1] = item.corners;
                let style = RectStyle::outline(self.colors.of(index, item), self.thickness);
                canvas.rect(
                    Rect::from_corners(x0, y0, x1, y1),
                    style.roundness(self.roundness),
                );
            }
        })
    }
}
