//! Glyph bitmaps of the built-in sans font, cached, and text measuring.
//! Not layout: one line, left to right, no kerning.

use std::collections::HashMap;
use std::fmt;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};

use super::Bgr;
use super::canvas::MAX_TEXT_CHARS;

/// Stroke weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Weight {
    /// Normal strokes.
    #[default]
    Regular,
    /// Heavy strokes.
    Bold,
}

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextStyle {
    pub(super) color: Bgr,
    size: u16,
    weight: Weight,
}

/// Smallest and largest line height in pixels.
const SIZE_RANGE: (f32, f32) = (4.0, 400.0);

/// Line height in pixels at OpenCV font scale 1, chosen so that capitals are as tall as Hershey's 21 pixels.
const CV_SCALE_PX: f32 = 33.5;

impl TextStyle {
    /// Text of `size` pixels from the top of the tallest to the bottom of the lowest letter (4 to 400).
    pub fn new(size: f32, color: Bgr) -> TextStyle {
        let size = if size.is_nan() {
            SIZE_RANGE.0
        } else {
            size.clamp(SIZE_RANGE.0, SIZE_RANGE.1)
        };
        TextStyle {
            color,
            size: size.round() as u16,
            weight: Weight::Regular,
        }
    }

    /// Text about as large as OpenCV draws with a font scale, bold from a thickness of 2 on.
    pub fn from_cv(scale: f32, thickness: u32, color: Bgr) -> TextStyle {
        let weight = if thickness >= 2 {
            Weight::Bold
        } else {
            Weight::Regular
        };
        TextStyle::new(scale * CV_SCALE_PX, color).weight(weight)
    }

    /// Sets the stroke weight.
    pub fn weight(mut self, weight: Weight) -> TextStyle {
        self.weight = weight;
        self
    }
}

/// Size of a drawn text in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextExtent {
    /// Left end to right end.
    pub width: f32,
    /// Baseline up to the top of the line.
    pub ascent: f32,
    /// Baseline down to the bottom of the line.
    pub descent: f32,
}

impl TextExtent {
    /// Height of the line.
    pub fn height(&self) -> f32 {
        self.ascent + self.descent
    }
}

/// Glyph bitmaps kept. At the bound the cache starts anew.
const MAX_GLYPHS: usize = 2048;

/// The built-in font (DejaVu Sans) with a cache of drawn glyphs. Making one costs some microseconds; keep it for the
/// cache. Holds at most 2048 glyphs.
pub struct Font {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
    glyphs: HashMap<(char, u16, Weight), Glyph>,
}

/// A glyph's coverage bitmap, placed relative to pen and baseline.
#[derive(Default)]
pub(super) struct Glyph {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) alpha: Vec<u8>,
    pub(super) advance: f32,
}

impl Default for Font {
    fn default() -> Self {
        let parse = |bytes| FontRef::try_from_slice(bytes).expect("the built-in font is valid");
        Font {
            regular: parse(dejavu::sans::regular()),
            bold: parse(dejavu::sans::bold()),
            glyphs: HashMap::new(),
        }
    }
}

impl fmt::Debug for Font {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Font")
            .field("glyphs", &self.glyphs.len())
            .finish_non_exhaustive()
    }
}

impl Font {
    /// How much room `text` takes.
    pub fn measure(&mut self, text: &str, style: TextStyle) -> TextExtent {
        let width = text
            .chars()
            .take(MAX_TEXT_CHARS)
            .map(|character| self.glyph(character, style).advance)
            .sum();
        let scaled = self
            .face(style.weight)
            .as_scaled(PxScale::from(f32::from(style.size)));
        TextExtent {
            width,
            ascent: scaled.ascent(),
            descent: -scaled.descent(),
        }
    }

    pub(super) fn glyph(&mut self, character: char, style: TextStyle) -> &Glyph {
        let key = (character, style.size, style.weight);
        if !self.glyphs.contains_key(&key) {
            if self.glyphs.len() >= MAX_GLYPHS {
                self.glyphs.clear();
            }
            let glyph = rasterize(self.face(style.weight), character, f32::from(style.size));
            self.glyphs.insert(key, glyph);
        }
        &self.glyphs[&key]
    }

    fn face(&self, weight: Weight) -> &FontRef<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }
}

fn rasterize(font: &FontRef<'static>, character: char, size: f32) -> Glyph {
    if character.is_control() {
        return Glyph::default();
    }
    let scaled = font.as_scaled(PxScale::from(size));
    let id = scaled.glyph_id(character);
    let advance = scaled.h_advance(id);
    let Some(outline) = font.outline_glyph(id.with_scale_and_position(size, point(0.0, 0.0)))
    else {
        return Glyph {
            advance,
            ..Glyph::default()
        };
    };
    let bounds = outline.px_bounds();
    let (width, height) = (
        bounds.width().ceil().max(0.0) as usize,
        bounds.height().ceil().max(0.0) as usize,
    );
    let mut alpha = vec![0; width * height];
    outline.draw(|x, y, coverage| {
        if let Some(value) = alpha.get_mut(y as usize * width + x as usize) {
            *value = (coverage.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        }
    });
    let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
    Glyph {
        left,
        top,
        width: width as i32,
        height: height as i32,
        alpha,
        advance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_text_measures_wider_and_size_scales_it() {
        let mut font = Font::default();
        let small = TextStyle::new(20.0, Bgr::WHITE);
        let one = font.measure("person", small);
        let two = font.measure("personperson", small);
        assert!((two.width - 2.0 * one.width).abs() < 0.01);
        assert!((one.height() - 20.0).abs() < 0.5, "{one:?}");
        let large = font.measure("person", TextStyle::new(40.0, Bgr::WHITE));
        assert!((large.width / one.width - 2.0).abs() < 0.05);
        assert_eq!(font.measure("", small).width, 0.0);
        assert_eq!(font.measure("\n\u{7}", small).width, 0.0);
    }

    #[test]
    fn the_glyph_cache_and_the_text_length_are_bounded() {
        let mut font = Font::default();
        let style = TextStyle::new(4.0, Bgr::WHITE);
        for code in 0x20..0x20 + 2 * MAX_GLYPHS as u32 {
            font.measure(&char::from_u32(code).unwrap().to_string(), style);
            assert!(font.glyphs.len() <= MAX_GLYPHS);
        }
        let long = "x".repeat(MAX_TEXT_CHARS + 100);
        assert_eq!(
            font.measure(&long, style).width,
            font.measure(&long[..MAX_TEXT_CHARS], style).width
        );
    }

    #[test]
    fn capitals_are_as_tall_as_opencv_draws_them() {
        let mut font = Font::default();
        let glyph = font.glyph('H', TextStyle::from_cv(1.0, 1, Bgr::WHITE));
        assert!((20..=22).contains(&glyph.height), "{}", glyph.height);
    }
}
