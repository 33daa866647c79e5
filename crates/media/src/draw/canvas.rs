//! Painting into a BGR picture: fills, outlines, glyphs, all clipped.
//! Not fonts (`font`), not geometry (`rect`).

use super::Bgr;
use super::font::{Font, Glyph, TextStyle};
use super::rect::{PixelRect, Rect, RectStyle, pixel};
use crate::frame::Frame;
use crate::limits::FrameError;
use crate::pool::FramePool;

/// Most characters of one text that are drawn or measured; the rest is left out.
pub(super) const MAX_TEXT_CHARS: usize = 512;

/// A BGR picture being drawn on. No call fails or panics: what lies outside the picture, or is not a number, is not
/// drawn. Twelve boxes with labels cost some 0.05 ms.
pub struct Canvas<'a> {
    data: &'a mut [u8],
    stride: usize,
    width: i32,
    height: i32,
}

impl<'a> Canvas<'a> {
    /// A canvas on `frame`, which is made writable first: an I420 frame becomes BGR, a shared one is copied.
    pub fn on(frame: &'a mut Frame, pool: &FramePool) -> Result<Canvas<'a>, FrameError> {
        let bgr = frame.to_bgr(pool)?;
        // The clone must not count as a second holder.
        *frame = bgr;
        frame.make_mut(pool)?;
        let (width, height) = (frame.width() as i32, frame.height() as i32);
        let plane = frame.own_plane_mut(0);
        Ok(Canvas {
            stride: plane.stride,
            data: plane.data,
            width,
            height,
        })
    }

    /// Paints a rectangle, filled or outlined, square or rounded.
    pub fn rect(&mut self, rect: Rect, style: RectStyle) {
        let Some(area) = PixelRect::round(rect) else {
            return;
        };
        match style.thickness {
            None => self.fill_round(area, style.radius_for(&area), style.color),
            Some(thickness) => {
                let radius = style.radius_for(&area);
                self.outline(area, radius, thickness as i32, style.color);
            }
        }
    }

    /// Draws text in one line with its left end at `x` and its baseline at `baseline`.
    pub fn text(&mut self, font: &mut Font, x: f32, baseline: f32, text: &str, style: TextStyle) {
        let (Some(_), Some(top)) = (pixel(x), pixel(baseline)) else {
            return;
        };
        let mut pen = x.clamp(-1e6, 1e6);
        for character in text.chars().take(MAX_TEXT_CHARS) {
            let glyph = font.glyph(character, style);
            self.glyph(glyph, pen.round() as i32, top, style.color);
            pen += glyph.advance;
            if pen > self.width as f32 {
                break;
            }
        }
    }

    /// Draws `text` on a filled box whose upper left corner is at `x`, `y`, with `padding` pixels around the text, and
    /// returns the box. Use [`Font::measure`] first to place it otherwise.
    pub fn label(
        &mut self,
        font: &mut Font,
        (x, y): (f32, f32),
        text: &str,
        style: TextStyle,
        background: RectStyle,
        padding: f32,
    ) -> Rect {
        let extent = font.measure(text, style);
        let padding = if padding.is_finite() {
            padding.clamp(0.0, 1e4)
        } else {
            0.0
        };
        let area = Rect::new(
            x,
            y,
            extent.width + 2.0 * padding,
            extent.height() + 2.0 * padding,
        );
        self.rect(area, background);
        self.text(font, x + padding, y + padding + extent.ascent, text, style);
        area
    }

    /// Fills a rectangle of whole pixels.
    fn fill(&mut self, area: PixelRect, color: Bgr) {
        let Some((columns, rows)) = self.clip(area) else {
            return;
        };
        let color = color.bytes();
        for y in rows {
            let row = &mut self.data[y * self.stride..][columns.start * 3..columns.end * 3];
            for pixel in row.as_chunks_mut::<3>().0 {
                *pixel = color;
            }
        }
    }

    fn fill_round(&mut self, area: PixelRect, radius: f32, color: Bgr) {
        let corner = radius.ceil() as i32;
        if radius < 0.5 {
            return self.fill(area, color);
        }
        self.fill(
            PixelRect {
                y0: area.y0 + corner,
                y1: area.y1 - corner,
                ..area
            },
            color,
        );
        self.corners(area, corner, |x, y| area.coverage(radius, x, y), color);
        for (y0, y1) in bands(area.y0, area.y1, corner) {
            self.fill(
                PixelRect {
                    x0: area.x0 + corner,
                    x1: area.x1 - corner,
                    y0,
                    y1,
                },
                color,
            );
        }
    }

    fn outline(&mut self, area: PixelRect, radius: f32, thickness: i32, color: Bgr) {
        let outer = area.grown(thickness / 2);
        let inner = outer.grown(-thickness);
        if inner.width() <= 0 || inner.height() <= 0 {
            let radius = if radius < 0.5 {
                0.0
            } else {
                radius + (thickness / 2) as f32
            };
            return self.fill_round(
                outer,
                radius.min(outer.width().min(outer.height()) as f32 / 2.0),
                color,
            );
        }
        if radius < 0.5 {
            self.fill(
                PixelRect {
                    y1: inner.y0,
                    ..outer
                },
                color,
            );
            self.fill(
                PixelRect {
                    y0: inner.y1,
                    ..outer
                },
                color,
            );
            self.fill(
                PixelRect {
                    x1: inner.x0,
                    y0: inner.y0,
                    y1: inner.y1,
                    ..outer
                },
                color,
            );
            self.fill(
                PixelRect {
                    x0: inner.x1,
                    y0: inner.y0,
                    y1: inner.y1,
                    ..outer
                },
                color,
            );
            return;
        }
        let outer_radius = radius + (thickness / 2) as f32;
        let inner_radius = (outer_radius - thickness as f32).max(0.0);
        let corner = (outer_radius.ceil() as i32).max(thickness);
        let ring =
            |x, y| outer.coverage(outer_radius, x, y) * (1.0 - inner.coverage(inner_radius, x, y));
        self.corners(outer, corner, ring, color);
        let (left, right) = (outer.x0 + corner, outer.x1 - corner);
        let (top, bottom) = (outer.y0 + corner, outer.y1 - corner);
        self.fill(
            PixelRect {
                x0: left,
                x1: right,
                y0: outer.y0,
                y1: inner.y0,
            },
            color,
        );
        self.fill(
            PixelRect {
                x0: left,
                x1: right,
                y0: inner.y1,
                y1: outer.y1,
            },
            color,
        );
        self.fill(
            PixelRect {
                x0: outer.x0,
                x1: inner.x0,
                y0: top,
                y1: bottom,
            },
            color,
        );
        self.fill(
            PixelRect {
                x0: inner.x1,
                x1: outer.x1,
                y0: top,
                y1: bottom,
            },
            color,
        );
    }

    /// Blends the four corner squares of side `corner`, each pixel once.
    fn corners(
        &mut self,
        area: PixelRect,
        corner: i32,
        coverage: impl Fn(i32, i32) -> f32,
        color: Bgr,
    ) {
        for (y0, y1) in bands(area.y0, area.y1, corner) {
            for (x0, x1) in bands(area.x0, area.x1, corner) {
                let Some((columns, rows)) = self.clip(PixelRect { x0, y0, x1, y1 }) else {
                    continue;
                };
                for y in rows {
                    for x in columns.clone() {
                        let alpha = (coverage(x as i32, y as i32) * 255.0 + 0.5) as u32;
                        let at = y * self.stride + x * 3;
                        blend(&mut self.data[at..at + 3], color, alpha);
                    }
                }
            }
        }
    }

    fn glyph(&mut self, glyph: &Glyph, x: i32, baseline: i32, color: Bgr) {
        let (left, top) = (x + glyph.left, baseline + glyph.top);
        let area = PixelRect {
            x0: left,
            y0: top,
            x1: left + glyph.width,
            y1: top + glyph.height,
        };
        let Some((columns, rows)) = self.clip(area) else {
            return;
        };
        for y in rows {
            let alphas = &glyph.alpha[(y as i32 - top) as usize * glyph.width as usize..];
            let alphas = &alphas[(columns.start as i32 - left) as usize..];
            let row = &mut self.data[y * self.stride..][columns.start * 3..columns.end * 3];
            for (pixel, &alpha) in row.as_chunks_mut::<3>().0.iter_mut().zip(alphas) {
                if alpha > 0 {
                    blend(pixel, color, u32::from(alpha));
                }
            }
        }
    }

    /// The columns and rows of `area` inside the picture, if any.
    fn clip(&self, area: PixelRect) -> Option<(std::ops::Range<usize>, std::ops::Range<usize>)> {
        let (x0, x1) = (area.x0.max(0), area.x1.min(self.width));
        let (y0, y1) = (area.y0.max(0), area.y1.min(self.height));
        (x0 < x1 && y0 < y1).then_some((x0 as usize..x1 as usize, y0 as usize..y1 as usize))
    }
}

/// The first and the last `size` of `low..high`, without overlap.
fn bands(low: i32, high: i32, size: i32) -> [(i32, i32); 2] {
    let first = (low + size).min(high);
    [(low, first), ((high - size).max(first), high)]
}

/// Mixes `color` over a pixel; `alpha` 0 to 255.
fn blend(pixel: &mut [u8], color: Bgr, alpha: u32) {
    for (byte, wanted) in pixel.iter_mut().zip(color.bytes()) {
        *byte = ((u32::from(*byte) * (255 - alpha) + u32::from(wanted) * alpha + 127) / 255) as u8;
    }
}
