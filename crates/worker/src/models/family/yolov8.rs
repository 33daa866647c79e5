//! YOLOv8 and its successors, in the two ways they are exported: the raw head `[1, 4 + classes, n]` and, with built-in NMS
//! or an end-to-end head, rows of corners, confidence and class `[1, n, 6]`.
//! Not here: masks, keypoints, rotated boxes.

use serde::Deserialize;

use super::{Candidate, Keep, MismatchError, check, corners, options, output, show, tensor};
use crate::models::description::Description;
use crate::models::engine::{Signature, Tensor};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    output: Option<String>,
    /// Which of the two exports; needed only when the file leaves the output's shape open.
    export: Option<Export>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Export {
    Raw,
    Nms,
}

/// The decoder of one YOLOv8 model.
#[derive(Debug)]
pub(crate) struct Yolov8Head {
    output: usize,
    classes: usize,
    export: Export,
}

impl Yolov8Head {
    pub(super) fn new(
        description: &Description,
        signature: &Signature,
    ) -> Result<Self, MismatchError> {
        let options: Options = options(description)?;
        let output = output(signature, options.output.as_deref())?;
        let info = &signature.outputs[output];
        let classes = description.classes.len();
        let (raw, nms) = ([Some(1), Some(4 + classes), None], [Some(1), None, Some(6)]);
        let export = match options.export {
            Some(export) => export,
            None => {
                let fits_exactly = |expected: &[Option<usize>; 3], axis: usize| {
                    check(info, expected).is_ok()
                        && info
                            .shape
                            .as_ref()
                            .is_some_and(|shape| shape[axis] == expected[axis])
                };
                match (fits_exactly(&raw, 1), fits_exactly(&nms, 2)) {
                    (true, _) => Export::Raw,
                    (false, true) => Export::Nms,
                    (false, false) => {
                        check(info, &raw)?;
                        let problem = format!(
                            "must say `export`: `raw` or `nms`; the shape of `{}` is open",
                            info.name
                        );
                        return Err(MismatchError::Options { problem });
                    }
                }
            }
        };
        let expected = if export == Export::Raw { raw } else { nms };
        check(info, &expected).map_err(|error| match error {
            MismatchError::Shape { tensor, found, .. } if options.export.is_none() => {
                MismatchError::Shape {
                    tensor,
                    expected: format!("{} or {}", show(&raw), show(&nms)),
                    found,
                }
            }
            other => other,
        })?;
        Ok(Self {
            output,
            classes,
            export,
        })
    }

    pub(crate) fn decode(
        &self,
        outputs: &[Tensor<'_>],
        keep: Keep<'_>,
        out: &mut Vec<Candidate>,
    ) -> Result<(), MismatchError> {
        match self.export {
            Export::Raw => self.decode_raw(outputs, keep, out),
            Export::Nms => self.decode_rows(outputs, keep, out),
        }
    }

    /// Columns are boxes here, so the class scan walks rows to stay in cache.
    fn decode_raw(
        &self,
        outputs: &[Tensor<'_>],
        keep: Keep<'_>,
        out: &mut Vec<Candidate>,
    ) -> Result<(), MismatchError> {
        let head = tensor(
            outputs,
            self.output,
            &[Some(1), Some(4 + self.classes), None],
        )?;
        let count = head.shape[2];
        if count == 0 {
            return Ok(());
        }
        let row = |index: usize| &head.data[index * count..(index + 1) * count];
        let mut top = vec![(0u32, keep.confidence); count];
        for class in 0..self.classes {
            for (best, &score) in top.iter_mut().zip(row(4 + class)) {
                if score > best.1 {
                    *best = (class as u32, score);
                }
            }
        }
        for (index, &(class, score)) in top.iter().enumerate() {
            let place = corners(row(0)[index], row(1)[index], row(2)[index], row(3)[index]);
            keep.push(class as usize, score, place, out);
        }
        Ok(())
    }

    fn decode_rows(
        &self,
        outputs: &[Tensor<'_>],
        keep: Keep<'_>,
        out: &mut Vec<Candidate>,
    ) -> Result<(), MismatchError> {
        let rows = tensor(outputs, self.output, &[Some(1), None, Some(6)])?;
        for row in rows.data.chunks_exact(6) {
            let class = row[5].round();
            if (0.0..self.classes as f32).contains(&class) {
                keep.push(
                    class as usize,
                    row[4],
                    [row[0], row[1], row[2], row[3]],
                    out,
                );
            }
        }
        Ok(())
    }
}
