//! A colour in the byte order of BGR pictures, and the ways users write colours.
//! Not palettes: which box gets which colour is the caller's business.

use std::str::FromStr;

use thiserror::Error;

/// A colour; printed and parsed as `#RRGGBB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bgr {
    /// Blue.
    pub b: u8,
    /// Green.
    pub g: u8,
    /// Red.
    pub r: u8,
}

impl Bgr {
    /// White.
    pub const WHITE: Bgr = Bgr::new(255, 255, 255);
    /// Black.
    pub const BLACK: Bgr = Bgr::new(0, 0, 0);
    /// Pure green, 0 255 0.
    pub const GREEN: Bgr = Bgr::new(0, 255, 0);

    /// A colour from blue, green, red.
    pub const fn new(b: u8, g: u8, r: u8) -> Bgr {
        Bgr { b, g, r }
    }

    /// A colour from `0xRRGGBB`.
    pub const fn from_rgb(rgb: u32) -> Bgr {
        Bgr {
            b: rgb as u8,
            g: (rgb >> 8) as u8,
            r: (rgb >> 16) as u8,
        }
    }

    /// Blue, green, red.
    pub const fn bytes(self) -> [u8; 3] {
        [self.b, self.g, self.r]
    }
}

/// A text that names no colour.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a colour: use a name such as WHITE, #RRGGBB, rgb(r,g,b) or bgr(b,g,r)")]
pub struct ParseColorError(String);

const NAMES: [(&str, u32); 16] = [
    ("white", 0xff_ff_ff),
    ("black", 0x00_00_00),
    ("red", 0xff_00_00),
    ("green", 0x00_80_00),
    ("lime", 0x00_ff_00),
    ("blue", 0x00_00_ff),
    ("yellow", 0xff_ff_00),
    ("cyan", 0x00_ff_ff),
    ("magenta", 0xff_00_ff),
    ("orange", 0xff_a5_00),
    ("purple", 0x80_00_80),
    ("pink", 0xff_c0_cb),
    ("brown", 0xa5_2a_2a),
    ("gray", 0x80_80_80),
    ("grey", 0x80_80_80),
    ("roboflow", 0xa3_51_fb),
];

impl FromStr for Bgr {
    type Err = ParseColorError;

    /// Reads a name (any case), `#RRGGBB` or `RRGGBB`, `rgb(r,g,b)` or `bgr(b,g,r)`.
    fn from_str(text: &str) -> Result<Bgr, ParseColorError> {
        let lower = text.trim().to_ascii_lowercase();
        if let Some((_, rgb)) = NAMES.iter().find(|(name, _)| *name == lower) {
            return Ok(Bgr::from_rgb(*rgb));
        }
        parse_hex(&lower)
            .or_else(|| parse_call(&lower))
            .ok_or_else(|| ParseColorError(text.chars().take(64).collect()))
    }
}

fn parse_hex(text: &str) -> Option<Bgr> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let valid = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid
        .then(|| u32::from_str_radix(digits, 16).ok().map(Bgr::from_rgb))
        .flatten()
}

fn parse_call(text: &str) -> Option<Bgr> {
    let (order, rest) = text.split_once('(')?;
    let mut numbers = rest
        .strip_suffix(')')?
        .split(',')
        .map(|part| part.trim().parse::<u8>().ok());
    let (first, second, third) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if numbers.next().is_some() {
        return None;
    }
    match order.trim() {
        "rgb" => Some(Bgr::new(third, second, first)),
        "bgr" => Some(Bgr::new(first, second, third)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_colour_is_read() {
        for (text, expected) in [
            ("WHITE", Bgr::WHITE),
            (" black ", Bgr::BLACK),
            ("#a351fb", Bgr::new(0xfb, 0x51, 0xa3)),
            ("A351FB", Bgr::new(0xfb, 0x51, 0xa3)),
            ("rgb(1, 2,3)", Bgr::new(3, 2, 1)),
            ("bgr(1,2,3)", Bgr::new(1, 2, 3)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_errors() {
        for text in [
            "",
            "#12345",
            "#1234567",
            "#+12345",
            "rgb(1,2)",
            "rgb(1,2,3,4)",
            "rgb(256,0,0)",
            "hsl(1,2,3)",
            "é€é",
        ] {
            assert!(text.parse::<Bgr>().is_err(), "{text}");
        }
    }
}
