//! From a picture to a model's input tensor: plain bilinear resize, letterbox, channel order, scaling.
//! Not here: what the model makes of it.

mod bilinear;
mod picture;

pub(crate) use picture::Picture;

use bilinear::Scaler;

use super::description::{Align, Color, InputDescription, Layout, Resize};

/// Where the picture lies inside the input: `input = picture * scale + offset`, an axis at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placement {
    pub(crate) scale: (f32, f32),
    pub(crate) offset: (f32, f32),
}

impl Placement {
    /// A corner box in input pixels as one in picture pixels.
    pub(crate) fn to_picture(self, [x0, y0, x1, y1]: [f32; 4]) -> [f32; 4] {
        let x = |v: f32| (v - self.offset.0) / self.scale.0;
        let y = |v: f32| (v - self.offset.1) / self.scale.1;
        [x(x0), y(y0), x(x1), y(y1)]
    }
}

/// Turns pictures into tensors for one model input; holds the per-channel tables.
#[derive(Debug)]
pub(crate) struct Preprocessor {
    width: usize,
    height: usize,
    layout: Layout,
    resize: Resize,
    align: Align,
    pad: u8,
    /// For output channel c: which of B, G, R it is.
    source: [usize; 3],
    /// For output channel c: the value of each grey level.
    tables: [[f32; 256]; 3],
}

impl Preprocessor {
    pub(crate) fn new(input: &InputDescription) -> Self {
        let mean = input.mean.unwrap_or([0.0; 3]);
        let std = input.std.unwrap_or([1.0; 3]);
        let value = |channel: usize, level: f32| match input.range {
            Some([low, high]) => low + level * (high - low) / 255.0,
            None => (level - mean[channel]) / std[channel],
        };
        Self {
            width: input.width as usize,
            height: input.height as usize,
            layout: input.layout,
            resize: input.resize,
            align: input.align,
            pad: input.pad,
            source: match input.color {
                Color::Rgb => [2, 1, 0],
                Color::Bgr => [0, 1, 2],
            },
            tables: std::array::from_fn(|c| std::array::from_fn(|level| value(c, level as f32))),
        }
    }

    /// Fills `tensor` (resized as needed) and says where the picture lies in it. O(input pixels).
    pub(crate) fn fill(&self, picture: Picture<'_>, tensor: &mut Vec<f32>) -> Placement {
        tensor.resize(self.width * self.height * 3, 0.0);
        let (left, top, width, height) = self.target(picture);
        if (width, height) != (self.width, self.height) {
            self.fill_pad(tensor);
        }
        let mut scaler = Scaler::new(picture, width, height);
        let mut row = vec![[0; 3]; width];
        for y in 0..height {
            scaler.row(y, &mut row);
            self.write_row(tensor, &row, left, top + y);
        }
        // The true ratio, not the rounded size: boxes of the same model must not depend on rounding.
        let scale = match self.resize {
            Resize::Stretch => (
                self.width as f32 / picture.width as f32,
                self.height as f32 / picture.height as f32,
            ),
            Resize::Letterbox => (self.ratio(picture), self.ratio(picture)),
        };
        Placement {
            scale,
            offset: (left as f32, top as f32),
        }
    }

    fn ratio(&self, picture: Picture<'_>) -> f32 {
        (self.width as f32 / picture.width as f32).min(self.height as f32 / picture.height as f32)
    }

    fn target(&self, picture: Picture<'_>) -> (usize, usize, usize, usize) {
        if self.resize == Resize::Stretch {
            return (0, 0, self.width, self.height);
        }
        let ratio = self.ratio(picture);
        let side = |length: usize, limit: usize| {
            ((length as f32 * ratio).round() as usize).clamp(1, limit)
        };
        let (width, height) = (
            side(picture.width, self.width),
            side(picture.height, self.height),
        );
        match self.align {
            Align::TopLeft => (0, 0, width, height),
            Align::Center => (
                (self.width - width) / 2,
                (self.height - height) / 2,
                width,
                height,
            ),
        }
    }

    fn fill_pad(&self, tensor: &mut [f32]) {
        let value = |c: usize| self.tables[c][self.pad as usize];
        match self.layout {
            Layout::Nchw => {
                for (c, plane) in tensor
                    .chunks_exact_mut(self.width * self.height)
                    .enumerate()
                {
                    plane.fill(value(c));
                }
            }
            Layout::Nhwc => tensor.chunks_exact_mut(3).for_each(|pixel| {
                for (c, slot) in pixel.iter_mut().enumerate() {
                    *slot = value(c);
                }
            }),
        }
    }

    fn write_row(&self, tensor: &mut [f32], row: &[[u8; 3]], left: usize, y: usize) {
        let start = y * self.width + left;
        for (c, table) in self.tables.iter().enumerate() {
            let source = row
                .iter()
                .map(|pixel| table[pixel[self.source[c]] as usize]);
            match self.layout {
                Layout::Nchw => {
                    let plane =
                        &mut tensor[c * self.width * self.height..][start..start + row.len()];
                    plane
                        .iter_mut()
                        .zip(source)
                        .for_each(|(slot, value)| *slot = value);
                }
                Layout::Nhwc => {
                    let pixels = tensor[start * 3..(start + row.len()) * 3].chunks_exact_mut(3);
                    pixels.zip(source).for_each(|(slot, value)| slot[c] = value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: serde_json::Value) -> Preprocessor {
        Preprocessor::new(&serde_json::from_value(json).unwrap())
    }

    fn view(data: &[u8], width: usize, height: usize) -> Picture<'_> {
        Picture::bgr(data, width, height, width * 3)
    }

    #[test]
    fn same_size_copies_pixels_in_the_asked_channel_order() {
        let picture = [1, 2, 3, 4, 5, 6];
        let mut tensor = Vec::new();
        input(serde_json::json!({"width": 2, "height": 1})).fill(view(&picture, 2, 1), &mut tensor);
        assert_eq!(tensor, [3.0, 6.0, 2.0, 5.0, 1.0, 4.0]);
        let nhwc = serde_json::json!({"width": 2, "height": 1, "layout": "nhwc", "color": "bgr"});
        input(nhwc).fill(view(&picture, 2, 1), &mut tensor);
        assert_eq!(tensor, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn resize_interpolates_between_pixel_centres_without_smoothing() {
        // 4 -> 2 pixels samples at 0.5 and 2.5: the mean of two neighbours, the others do not count.
        let picture: Vec<u8> = [0u8, 100, 50, 250].iter().flat_map(|&v| [v; 3]).collect();
        let mut tensor = Vec::new();
        input(serde_json::json!({"width": 2, "height": 1})).fill(view(&picture, 4, 1), &mut tensor);
        assert_eq!(&tensor[..2], [50.0, 150.0]);
        // 8 -> 2 samples at 1.5 and 5.5, skipping the rest.
        let picture: Vec<u8> = [0u8, 10, 20, 90, 90, 40, 60, 0]
            .iter()
            .flat_map(|&v| [v; 3])
            .collect();
        input(serde_json::json!({"width": 2, "height": 1})).fill(view(&picture, 8, 1), &mut tensor);
        assert_eq!(&tensor[..2], [15.0, 50.0]);
    }

    #[test]
    fn range_and_mean_std_scale_the_levels() {
        let picture = [0, 255, 51];
        let mut tensor = Vec::new();
        input(serde_json::json!({"width": 1, "height": 1, "range": [-1.0, 1.0]}))
            .fill(view(&picture, 1, 1), &mut tensor);
        assert_eq!(tensor, [-0.6, 1.0, -1.0]);
        let json = serde_json::json!({"width": 1, "height": 1, "mean": [1.0, 55.0, 0.0], "std": [5.0, 2.0, 1.0]});
        input(json).fill(view(&picture, 1, 1), &mut tensor);
        assert_eq!(tensor, [10.0, 100.0, 0.0]);
    }

    #[test]
    fn letterbox_keeps_the_shape_and_boxes_come_back_to_the_picture() {
        let picture = vec![200u8; 40 * 20 * 3];
        let preprocessor =
            input(serde_json::json!({"width": 20, "height": 20, "resize": "letterbox", "pad": 7}));
        let mut tensor = Vec::new();
        let placement = preprocessor.fill(view(&picture, 40, 20), &mut tensor);
        assert_eq!(
            placement,
            Placement {
                scale: (0.5, 0.5),
                offset: (0.0, 5.0)
            }
        );
        assert_eq!(
            (
                tensor[0],
                tensor[5 * 20],
                tensor[15 * 20 - 1],
                tensor[15 * 20]
            ),
            (7.0, 200.0, 200.0, 7.0)
        );
        assert_eq!(
            placement.to_picture([0.0, 5.0, 20.0, 15.0]),
            [0.0, 0.0, 40.0, 20.0]
        );
        let corner = serde_json::json!({"width": 20, "height": 20, "resize": "letterbox", "align": "top-left"});
        assert_eq!(
            input(corner)
                .fill(view(&picture, 40, 20), &mut tensor)
                .offset,
            (0.0, 0.0)
        );
    }

    #[test]
    fn a_stride_longer_than_the_row_is_skipped() {
        let picture = [9, 9, 9, 0, 0, 0, 5, 5, 5, 0, 0, 0];
        let mut tensor = Vec::new();
        let view = Picture::bgr(&picture, 1, 2, 6);
        input(serde_json::json!({"width": 1, "height": 2})).fill(view, &mut tensor);
        assert_eq!(&tensor[..2], [9.0, 5.0]);
    }
}
