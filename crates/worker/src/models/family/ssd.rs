//! SSD with MobileNet anchors: box offsets and class logits for each anchor.
//! Not here: SSD exports with built-in post-processing.

use serde::Deserialize;

use super::{
    Candidate, Keep, MismatchError, best, check, corners, options, output, sigmoid, tensor,
};
use crate::models::description::Description;
use crate::models::engine::{Signature, Tensor};

/// Most feature maps an SSD may have.
const MAX_MAPS: usize = 16;
/// Most anchors; 1917 is usual.
const MAX_ANCHORS: usize = 1 << 20;

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    boxes: Option<String>,
    scores: Option<String>,
    score_transform: ScoreTransform,
    background_class: Option<usize>,
    strides: Vec<u32>,
    min_scale: f64,
    max_scale: f64,
    aspect_ratios: Vec<f64>,
    interpolated_aspect_ratio: f64,
    reduce_boxes_in_lowest_layer: bool,
    box_scales: [f32; 4],
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScoreTransform {
    #[default]
    Sigmoid,
    Softmax,
    None,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            boxes: None,
            scores: None,
            score_transform: ScoreTransform::default(),
            background_class: Some(0),
            strides: vec![16, 32, 64, 128, 256, 512],
            min_scale: 0.2,
            max_scale: 0.95,
            aspect_ratios: vec![1.0, 2.0, 0.5, 3.0, 0.3333],
            interpolated_aspect_ratio: 1.0,
            reduce_boxes_in_lowest_layer: true,
            box_scales: [10.0, 10.0, 5.0, 5.0],
        }
    }
}

/// A reference box, as fractions of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Anchor {
    cx: f32,
    cy: f32,
    width: f32,
    height: f32,
}

/// The decoder of one SSD model.
#[derive(Debug)]
pub(crate) struct SsdHead {
    anchors: Vec<Anchor>,
    boxes: usize,
    scores: usize,
    classes: usize,
    background: Option<usize>,
    transform: ScoreTransform,
    /// Divisors of the y, x, height and width offsets.
    box_scales: [f32; 4],
    size: (f32, f32),
}

impl SsdHead {
    pub(super) fn new(
        description: &Description,
        signature: &Signature,
    ) -> Result<Self, MismatchError> {
        let options: Options = options(description)?;
        let anchors = anchors(&options, description.input.width, description.input.height)?;
        let classes = description.classes.len();
        let by_width = |width: usize| {
            let fits =
                |info: &&_| check(info, &[Some(1), Some(anchors.len()), Some(width)]).is_ok();
            signature
                .outputs
                .iter()
                .find(fits)
                .map(|info| info.name.as_str())
        };
        let boxes = output(signature, options.boxes.as_deref().or_else(|| by_width(4)))?;
        check(
            &signature.outputs[boxes],
            &[Some(1), Some(anchors.len()), Some(4)],
        )?;
        let scores = output(
            signature,
            options.scores.as_deref().or_else(|| by_width(classes)),
        )?;
        check(
            &signature.outputs[scores],
            &[Some(1), Some(anchors.len()), Some(classes)],
        )?;
        Ok(Self {
            boxes,
            scores,
            classes,
            background: options.background_class,
            transform: options.score_transform,
            box_scales: options.box_scales,
            size: (
                description.input.width as f32,
                description.input.height as f32,
            ),
            anchors,
        })
    }

    pub(crate) fn decode(
        &self,
        outputs: &[Tensor<'_>],
        keep: Keep<'_>,
        out: &mut Vec<Candidate>,
    ) -> Result<(), MismatchError> {
        let count = Some(self.anchors.len());
        let boxes = tensor(outputs, self.boxes, &[Some(1), count, Some(4)])?;
        let scores = tensor(outputs, self.scores, &[Some(1), count, Some(self.classes)])?;
        let rows = scores
            .data
            .chunks_exact(self.classes)
            .zip(boxes.data.chunks_exact(4));
        for ((logits, offsets), anchor) in rows.zip(&self.anchors) {
            let Some((class, logit)) = self.best_class(logits) else {
                continue;
            };
            let confidence = match self.transform {
                ScoreTransform::Sigmoid => sigmoid(logit),
                ScoreTransform::Softmax => {
                    1.0 / logits
                        .iter()
                        .map(|other| (other - logit).exp())
                        .sum::<f32>()
                }
                ScoreTransform::None => logit,
            };
            if confidence > keep.confidence {
                keep.push(class, confidence, self.place(offsets, *anchor), out);
            }
        }
        Ok(())
    }

    fn best_class(&self, logits: &[f32]) -> Option<(usize, f32)> {
        match self.background {
            // The usual place: a plain slice keeps the hot loop simple.
            Some(0) => best(&logits[1..]).map(|(class, logit)| (class + 1, logit)),
            None => best(logits),
            Some(background) => {
                let others = |range: std::ops::Range<usize>| {
                    best(&logits[range.clone()]).map(|(c, l)| (c + range.start, l))
                };
                let (left, right) = (
                    others(0..background.min(logits.len())),
                    others((background + 1).min(logits.len())..logits.len()),
                );
                [left, right]
                    .into_iter()
                    .flatten()
                    .max_by(|a, b| a.1.total_cmp(&b.1))
            }
        }
    }

    fn place(&self, offsets: &[f32], anchor: Anchor) -> [f32; 4] {
        let [y, x, height, width] = self.box_scales;
        let cx = offsets[1] / x * anchor.width + anchor.cx;
        let cy = offsets[0] / y * anchor.height + anchor.cy;
        let w = (offsets[3] / width).exp() * anchor.width;
        let h = (offsets[2] / height).exp() * anchor.height;
        corners(
            cx * self.size.0,
            cy * self.size.1,
            w * self.size.0,
            h * self.size.1,
        )
    }
}

fn anchors(options: &Options, width: u32, height: u32) -> Result<Vec<Anchor>, MismatchError> {
    let wrong = |problem: String| Err(MismatchError::Options { problem });
    let maps = options.strides.len();
    if !(2..=MAX_MAPS).contains(&maps) || options.strides.contains(&0) {
        return wrong(format!("need 2 to {MAX_MAPS} positive `strides`"));
    }
    if options.box_scales.contains(&0.0) {
        return wrong("have a zero in `box_scales`".into());
    }
    let step = (options.max_scale - options.min_scale) / (maps - 1) as f64;
    let scale = |map: usize| {
        if map == maps {
            1.0
        } else {
            options.min_scale + step * map as f64
        }
    };
    let mut anchors = Vec::new();
    for (map, stride) in options.strides.iter().enumerate() {
        let mut kinds: Vec<(f64, f64)> = if map == 0 && options.reduce_boxes_in_lowest_layer {
            vec![(0.1, 1.0), (scale(0), 2.0), (scale(0), 0.5)]
        } else {
            options
                .aspect_ratios
                .iter()
                .map(|&ratio| (scale(map), ratio))
                .collect()
        };
        if options.interpolated_aspect_ratio > 0.0
            && !(map == 0 && options.reduce_boxes_in_lowest_layer)
        {
            kinds.push((
                (scale(map) * scale(map + 1)).sqrt(),
                options.interpolated_aspect_ratio,
            ));
        }
        let (columns, rows) = (
            width.div_ceil(*stride) as usize,
            height.div_ceil(*stride) as usize,
        );
        if anchors.len() + columns * rows * kinds.len() > MAX_ANCHORS {
            return wrong(format!("lead to more than {MAX_ANCHORS} anchors"));
        }
        for row in 0..rows {
            for column in 0..columns {
                anchors.extend(kinds.iter().map(|(scale, ratio)| Anchor {
                    cx: ((column as f64 + 0.5) / columns as f64) as f32,
                    cy: ((row as f64 + 0.5) / rows as f64) as f32,
                    width: (scale * ratio.sqrt()) as f32,
                    height: (scale / ratio.sqrt()) as f32,
                }));
            }
        }
    }
    Ok(anchors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ssd_has_1917_anchors() {
        let anchors = anchors(&Options::default(), 300, 300).unwrap();
        assert_eq!(anchors.len(), 1917);
        // First cell of the first map: 1/38 of the picture's width, centred at half of it.
        assert!((anchors[0].cx - 0.5 / 19.0).abs() < 1e-6 && (anchors[0].width - 0.1).abs() < 1e-6);
        // The last map is one cell with six anchors, the largest scale first.
        assert!((anchors[1911].cx - 0.5).abs() < 1e-6 && (anchors[1911].width - 0.95).abs() < 1e-6);
    }

    #[test]
    fn options_that_lead_nowhere_are_refused() {
        let with = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            anchors(&options, 300, 300).unwrap_err().to_string()
        };
        assert!(with(|o| o.strides = vec![16]).contains("strides"));
        assert!(with(|o| o.strides = vec![16, 0]).contains("strides"));
        assert!(with(|o| o.box_scales = [0.0; 4]).contains("box_scales"));
        assert!(with(|o| { o.strides = vec![1, 1, 1, 1] }).contains("anchors"));
    }

    #[test]
    fn a_background_class_anywhere_never_wins() {
        let head = |background| SsdHead {
            anchors: Vec::new(),
            boxes: 0,
            scores: 0,
            classes: 3,
            background,
            transform: ScoreTransform::None,
            box_scales: [1.0; 4],
            size: (1.0, 1.0),
        };
        let logits = [5.0, 9.0, 7.0];
        assert_eq!(head(Some(0)).best_class(&logits), Some((1, 9.0)));
        assert_eq!(head(Some(1)).best_class(&logits), Some((2, 7.0)));
        assert_eq!(head(Some(7)).best_class(&logits), Some((1, 9.0)));
        assert_eq!(head(None).best_class(&logits), Some((1, 9.0)));
    }
}
