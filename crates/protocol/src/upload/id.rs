//! The name of an upload, chosen by its sender: a UUID.
//! It draws nothing by itself; the sender passes random bits in.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Names one upload over several connections. Written as a lower-case UUID with hyphens.
///
/// Whoever knows the id and holds the same API key can go on with the upload, so it should come from a random source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(u128);

/// A text that is no UUID with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "an upload id is a UUID such as 123e4567-e89b-42d3-a456-426614174000: 32 hexadecimal digits with four hyphens"
)]
pub struct UploadIdError;

/// Where the hyphens are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl UploadId {
    /// A version-4 UUID of these random bits; six of them are overwritten by version and variant.
    pub fn from_random(bits: u128) -> Self {
        let version = 0xf << 76;
        let variant = 0b11 << 62;
        UploadId(bits & !version & !variant | 4 << 76 | 0b10 << 62)
    }
}

impl FromStr for UploadId {
    type Err = UploadIdError;

    /// Takes either case and any version; nothing but the form with hyphens.
    fn from_str(text: &str) -> Result<Self, UploadIdError> {
        if text.len() != 36 {
            return Err(UploadIdError);
        }
        let mut id = 0;
        for (at, byte) in text.bytes().enumerate() {
            if HYPHENS.contains(&at) {
                if byte != b'-' {
                    return Err(UploadIdError);
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or(UploadIdError)?;
            id = id << 4 | u128::from(digit);
        }
        Ok(UploadId(id))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let mut from = 0;
        for to in [8, 12, 16, 20, 32] {
            if from > 0 {
                f.write_str("-")?;
            }
            f.write_str(digits.get(from..to).unwrap_or_default())?;
            from = to;
        }
        Ok(())
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_ids_are_the_same_thing() {
        let text = "123e4567-e89b-42d3-a456-42661417400f";
        let id: UploadId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        assert_eq!(format!("{id:?}"), text);
    }

    #[test]
    fn random_bits_make_a_version_4_uuid() {
        assert_eq!(
            UploadId::from_random(0).to_string(),
            "00000000-0000-4000-8000-000000000000"
        );
        assert_eq!(
            UploadId::from_random(u128::MAX).to_string(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "123e4567e89b42d3a45642661417400f",
            "123e4567-e89b-42d3-a456-42661417400",
            "123e4567-e89b-42d3-a456_42661417400f",
            "g23e4567-e89b-42d3-a456-42661417400f",
            "123e4567-e89b-42d3-a456-4266141740é",
            "+23e4567-e89b-42d3-a456-42661417400f",
        ] {
            assert_eq!(text.parse::<UploadId>(), Err(UploadIdError), "{text}");
        }
    }
}
