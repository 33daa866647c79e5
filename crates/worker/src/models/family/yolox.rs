//! YOLOX's raw head: one row a grid cell with box, objectness and class scores (sigmoid already applied by the export).
//! Not here: exports with built-in NMS.

use serde::Deserialize;

use super::{Candidate, Keep, MismatchError, best, check, corners, options, output, tensor};
use crate::models::description::Description;
use crate::models::engine::{Signature, Tensor};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    output: Option<String>,
    strides: Vec<u32>,
    /// The export already applied grid and strides (`decode_in_inference`).
    decoded: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            output: None,
            strides: vec![8, 16, 32],
            decoded: false,
        }
    }
}

/// The decoder of one YOLOX model.
#[derive(Debug)]
pub(crate) struct YoloxHead {
    output: usize,
    classes: usize,
    /// For each row: grid column, grid row, stride.
    cells: Vec<[f32; 3]>,
    decoded: bool,
}

impl YoloxHead {
    pub(super) fn new(
        description: &Description,
        signature: &Signature,
    ) -> Result<Self, MismatchError> {
        let options: Options = options(description)?;
        if options.strides.is_empty() || options.strides.iter().any(|&stride| stride < 2) {
            return Err(MismatchError::Options {
                problem: "need `strides` of 2 or more".into(),
            });
        }
        let mut cells = Vec::new();
        for &stride in &options.strides {
            let (columns, rows) = (
                description.input.width / stride,
                description.input.height / stride,
            );
            let row_cells =
                |row| (0..columns).map(move |column| [column as f32, row as f32, stride as f32]);
            cells.extend((0..rows).flat_map(row_cells));
        }
        let output = output(signature, options.output.as_deref())?;
        let classes = description.classes.len();
        check(
            &signature.outputs[output],
            &[Some(1), Some(cells.len()), Some(5 + classes)],
        )?;
        Ok(Self {
            output,
            classes,
            cells,
            decoded: options.decoded,
        })
    }

    pub(crate) fn decode(
        &self,
        outputs: &[Tensor<'_>],
        keep: Keep<'_>,
        out: &mut Vec<Candidate>,
    ) -> Result<(), MismatchError> {
        let rows = tensor(
            outputs,
            self.output,
            &[Some(1), Some(self.cells.len()), Some(5 + self.classes)],
        )?;
        for (row, &[column, line, stride]) in
            rows.data.chunks_exact(5 + self.classes).zip(&self.cells)
        {
            let Some((class, score)) = best(&row[5..]) else {
                continue;
            };
            let confidence = row[4] * score;
            if confidence > keep.confidence {
                let place = if self.decoded {
                    corners(row[0], row[1], row[2], row[3])
                } else {
                    let size = (row[2].exp() * stride, row[3].exp() * stride);
                    corners(
                        (row[0] + column) * stride,
                        (row[1] + line) * stride,
                        size.0,
                        size.1,
                    )
                };
                keep.push(class, confidence, place, out);
            }
        }
        Ok(())
    }
}
