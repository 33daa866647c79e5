//! The writer's side: collects pictures while the JSON is written, then puts both together.
//! It does not encode pictures and does not decide whether the reader knows this form.

use std::ops::Range;

use super::scan::references;
use super::{HEADER_LEN, MAGIC, MAX_PICTURES, RawBodyError};

/// The pictures of one message; its memory is used again for the next.
#[derive(Debug, Default)]
pub struct RawPictures {
    bytes: Vec<u8>,
    count: usize,
}

/// How far the pictures had come; see [`RawPictures::cut`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    bytes: usize,
    count: usize,
}

impl RawPictures {
    /// No picture; keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Whether there is none: then the message is sent as the JSON it is.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where the pictures stand, to come back to with [`RawPictures::cut`].
    pub fn mark(&self) -> Mark {
        let (bytes, count) = (self.bytes.len(), self.count);
        Mark { bytes, count }
    }

    /// Forgets the pictures added since `mark`: what described them was cut from the JSON.
    pub fn cut(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.count = self.count.min(mark.count);
    }

    /// Adds a picture, a whole JPEG file, and appends to `json` the object that describes it but for the closing brace:
    /// the caller may add `video_metadata`, and closes it. Returns where the picture is; see [`RawPictures::add_again`].
    pub fn add(&mut self, json: &mut Vec<u8>, jpeg: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(jpeg);
        self.describe(json, start)
    }

    /// Adds a picture a second time: no two objects may share bytes, so it is copied. `picture` as [`RawPictures::add`]
    /// returned it.
    pub fn add_again(&mut self, json: &mut Vec<u8>, picture: Range<usize>) -> Range<usize> {
        let start = self.bytes.len();
        let end = picture.end.min(start);
        self.bytes.extend_from_within(picture.start.min(end)..end);
        self.describe(json, start)
    }

    fn describe(&mut self, json: &mut Vec<u8>, start: usize) -> Range<usize> {
        let length = self.bytes.len() - start;
        let text = format!(
            "{{\"type\":\"raw\",\"format\":\"jpeg\",\"offset\":{start},\"length\":{length}"
        );
        json.extend_from_slice(text.as_bytes());
        self.count += 1;
        start..self.bytes.len()
    }

    /// The body of a message whose JSON is `json`. Costs a copy of both and a pass over the JSON, which finds out whether
    /// a reader sees these pictures and no other ones; if not, the message has to go with base64.
    pub fn body(&self, json: &[u8]) -> Result<Vec<u8>, RawBodyError> {
        let length = u32::try_from(json.len()).map_err(|_| RawBodyError::Ambiguous)?;
        if self.count > MAX_PICTURES {
            return Err(RawBodyError::TooMany);
        }
        let mut next = 0;
        let ours = references(json).map_err(|_| RawBodyError::Ambiguous)?;
        let in_order = ours
            .iter()
            .all(|picture| picture.bytes.start == std::mem::replace(&mut next, picture.bytes.end));
        if ours.len() != self.count || !in_order || next != self.bytes.len() {
            return Err(RawBodyError::Ambiguous);
        }
        let mut body = Vec::with_capacity(HEADER_LEN + json.len() + self.bytes.len());
        body.extend_from_slice(&MAGIC);
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(json);
        body.extend_from_slice(&self.bytes);
        Ok(body)
    }
}
