//! Rectangles, how they look, and how much of a pixel a rounded one covers.
//! Not painting: that is `canvas`.

use super::Bgr;

/// An axis-aligned rectangle in pixels. Any value is allowed; what is not a number draws nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width; nothing is drawn unless positive.
    pub width: f32,
    /// Height; nothing is drawn unless positive.
    pub height: f32,
}

impl Rect {
    /// A rectangle from its upper left corner and its size.
    pub fn new(x: f32, y: f32, width: f32, height: f32) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    /// A rectangle from two corners.
    pub fn from_corners(x0: f32, y0: f32, x1: f32, y1: f32) -> Rect {
        Rect {
            x: x0,
            y: y0,
            width: x1 - x0,
            height: y1 - y0,
        }
    }

    /// A rectangle from its centre and its size, as detections state it.
    pub fn from_center(x: f32, y: f32, width: f32, height: f32) -> Rect {
        Rect {
            x: x - width / 2.0,
            y: y - height / 2.0,
            width,
            height,
        }
    }
}

/// How corners are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Corners {
    /// 0 square to 1 half the shorter side.
    Roundness(f32),
    /// Pixels.
    Radius(f32),
}

/// How a rectangle is painted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RectStyle {
    pub(super) color: Bgr,
    /// `None` fills.
    pub(super) thickness: Option<u32>,
    corners: Corners,
}

/// Thickest outline in pixels.
const MAX_THICKNESS: u32 = 1024;

impl RectStyle {
    /// A filled rectangle.
    pub fn filled(color: Bgr) -> RectStyle {
        RectStyle {
            color,
            thickness: None,
            corners: Corners::Radius(0.0),
        }
    }

    /// An outline of `thickness` pixels (1 to 1024), centred on the rectangle's edge.
    pub fn outline(color: Bgr, thickness: u32) -> RectStyle {
        let thickness = Some(thickness.clamp(1, MAX_THICKNESS));
        RectStyle {
            color,
            thickness,
            corners: Corners::Radius(0.0),
        }
    }

    /// Rounds the corners: 0 is square, 1 makes the shorter side a half circle.
    pub fn roundness(mut self, roundness: f32) -> RectStyle {
        self.corners = Corners::Roundness(roundness);
        self
    }

    /// Rounds the corners by a radius in pixels.
    pub fn radius(mut self, radius: f32) -> RectStyle {
        self.corners = Corners::Radius(radius);
        self
    }

    /// The radius for a box of the given size, at most half the shorter side; 0 for anything that is not a number.
    pub(super) fn radius_for(&self, area: &PixelRect) -> f32 {
        let half = (area.width().min(area.height()) as f32 / 2.0).max(0.0);
        let radius = match self.corners {
            Corners::Roundness(share) => half * share,
            Corners::Radius(pixels) => pixels,
        };
        if radius.is_nan() {
            0.0
        } else {
            radius.clamp(0.0, half)
        }
    }
}

/// A rectangle of whole pixels, right and lower edge excluded; sides fit `i32` arithmetic without overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PixelRect {
    pub(super) x0: i32,
    pub(super) y0: i32,
    pub(super) x1: i32,
    pub(super) y1: i32,
}

impl PixelRect {
    /// The nearest whole pixels, or `None` if nothing would be drawn.
    pub(super) fn round(rect: Rect) -> Option<PixelRect> {
        let x0 = pixel(rect.x)?;
        let y0 = pixel(rect.y)?;
        let x1 = pixel(rect.x + rect.width)?;
        let y1 = pixel(rect.y + rect.height)?;
        let positive = rect.width > 0.0 && rect.height > 0.0;
        positive.then_some(PixelRect {
            x0,
            y0,
            x1: x1.max(x0 + 1),
            y1: y1.max(y0 + 1),
        })
    }

    pub(super) fn width(&self) -> i32 {
        self.x1 - self.x0
    }

    pub(super) fn height(&self) -> i32 {
        self.y1 - self.y0
    }

    /// Larger by `by` on each side; smaller if negative, then perhaps empty.
    pub(super) fn grown(&self, by: i32) -> PixelRect {
        PixelRect {
            x0: self.x0 - by,
            y0: self.y0 - by,
            x1: self.x1 + by,
            y1: self.y1 + by,
        }
    }

    /// How much of pixel `x`, `y` (0 to 1) lies inside this rectangle with corners of `radius`.
    pub(super) fn coverage(&self, radius: f32, x: i32, y: i32) -> f32 {
        if x < self.x0 || x >= self.x1 || y < self.y0 || y >= self.y1 {
            return 0.0;
        }
        // Distance of the pixel's centre to the straight part, per axis; only the corners have both.
        let outside = |at: i32, low: i32, high: i32| {
            let centre = at as f32 + 0.5;
            (low as f32 + radius - centre)
                .max(centre - (high as f32 - radius))
                .max(0.0)
        };
        let distance = outside(x, self.x0, self.x1).hypot(outside(y, self.y0, self.y1));
        if distance == 0.0 {
            1.0
        } else {
            (radius - distance + 0.5).clamp(0.0, 1.0)
        }
    }
}

/// Coordinates beyond this are drawn as this: far outside any picture, and safe to add to.
const FAR: f32 = 1_000_000.0;

/// The nearest whole pixel, `None` for what is not a number.
pub(super) fn pixel(value: f32) -> Option<i32> {
    (!value.is_nan()).then(|| value.clamp(-FAR, FAR).round() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_thin_boxes_and_refuses_what_has_no_area() {
        assert_eq!(
            PixelRect::round(Rect::new(1.2, 2.7, 0.1, 3.0)),
            Some(PixelRect {
                x0: 1,
                y0: 3,
                x1: 2,
                y1: 6
            })
        );
        let nothing =
            [f32::NAN, 0.0, -3.0].map(|width| PixelRect::round(Rect::new(0.0, 0.0, width, 5.0)));
        assert_eq!(nothing, [None; 3]);
        assert_eq!(PixelRect::round(Rect::new(f32::NAN, 0.0, 1.0, 5.0)), None);
        let huge = PixelRect::round(Rect::new(-1e30, f32::NEG_INFINITY, f32::INFINITY, f32::MAX));
        assert!(huge.is_none_or(|rect| rect.width() > 0));
    }

    #[test]
    fn corners_are_cut_and_the_middle_is_full() {
        let area = PixelRect {
            x0: 0,
            y0: 0,
            x1: 20,
            y1: 20,
        };
        assert_eq!(area.coverage(10.0, 0, 0), 0.0);
        assert_eq!(area.coverage(10.0, 10, 10), 1.0);
        // The circle touches the side in one point, so a sliver of that pixel is outside.
        assert!(area.coverage(10.0, 0, 10) > 0.95);
        assert_eq!(area.coverage(0.0, 0, 0), 1.0);
        let edge = area.coverage(10.0, 2, 3);
        assert!(edge > 0.0 && edge < 1.0, "{edge}");
    }
}
