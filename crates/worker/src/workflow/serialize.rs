//! Writes outputs as the result message carries them, by the type of each value.
//! Not here: the message around them (`framewire_protocol::message`).

use std::collections::BTreeMap;
use std::ops::Range;

use framewire_media::{Frame, JpegEncoder};
use framewire_protocol::encoding::base64_encode_into;
use framewire_protocol::message::ResultWriter;
use framewire_protocol::output::{DataOutput, not_found_text};
use framewire_protocol::raw::RawPictures;

use super::json::{self, Object};
use super::run::Outputs;
use super::value::{
    Classification, Detection, Detections, FrameMetadata, Place, Value, WorkflowImage,
};

/// Turns outputs into JSON. Keep one for each session: the JPEG encoder's memory is used again.
#[derive(Debug, Default)]
pub struct Serializer {
    jpeg: JpegEncoder,
    /// Pictures already in the message, and where: their base64 text in its buffer, or their bytes in `beside`.
    written: Vec<(PictureKey, Range<usize>)>,
    /// Pictures that go behind the JSON; `None`: they go inside it as base64.
    beside: Option<RawPictures>,
}

impl Serializer {
    /// A serializer whose pictures have this JPEG quality (1 to 100; the wire's default is 80).
    #[must_use]
    pub fn new(quality: u8) -> Self {
        Self {
            jpeg: JpegEncoder::new(quality),
            written: Vec::new(),
            beside: None,
        }
    }

    /// The same, with pictures behind the JSON (`true`) or inside it as base64.
    #[must_use]
    pub fn with_pictures_beside(mut self, beside: bool) -> Self {
        self.beside = beside.then(RawPictures::default);
        self
    }

    /// The pictures of the message written last, if they go behind its JSON and there are any.
    #[must_use]
    pub fn pictures_beside(&self) -> Option<&RawPictures> {
        self.beside.as_ref().filter(|pictures| !pictures.is_empty())
    }

    /// Writes the outputs that `which` selects. In mode "all" pictures are left out wherever they are, also inside
    /// objects; an output named explicitly is written whole. A picture that occurs twice is encoded once.
    ///
    /// An output that cannot be written becomes `{"__serialization_error__": …}`, one that does not exist an error of
    /// the message. Costs a JPEG encoding for each distinct picture (1.8 ms at 720p), else microseconds.
    pub fn write(&mut self, outputs: &Outputs, which: &DataOutput, writer: &mut ResultWriter<'_>) {
        self.written.clear();
        if let Some(pictures) = &mut self.beside {
            pictures.clear();
        }
        for name in which.named() {
            match outputs.get(name) {
                Some(value) => self.output(writer, name, value, true),
                None => writer.error(not_found_text(name)),
            }
        }
        for (name, value) in outputs.iter() {
            let named = which.named().iter().any(|other| other == name);
            if !named && which.selects(name, value.is_image()) {
                self.output(writer, name, value, false);
            }
        }
    }

    fn output(&mut self, writer: &mut ResultWriter<'_>, name: &str, value: &Value, pictures: bool) {
        writer.output(name, |out| {
            let start = out.len();
            let (known, mark) = (
                self.written.len(),
                self.beside.as_ref().map(RawPictures::mark),
            );
            let done = self.value(out, value, pictures);
            if done.is_err() {
                // The writer cuts the buffer back to `start`.
                debug_assert!(out.len() >= start);
                self.written.truncate(known);
                if let (Some(pictures), Some(mark)) = (&mut self.beside, mark) {
                    pictures.cut(mark);
                }
            }
            done
        });
    }

    fn value(&mut self, out: &mut Vec<u8>, value: &Value, pictures: bool) -> Result<(), String> {
        match value {
            Value::Null => json::null(out),
            Value::Json(value) => json::value(out, value),
            Value::Image(image) => return self.image(out, image),
            Value::Detections(found) => detections(out, found),
            Value::Classification(found) => classification(out, found),
            Value::Object(members) => {
                let mut object = Object::begin(out);
                for (name, value) in members
                    .iter()
                    .filter(|(_, value)| pictures || !value.is_image())
                {
                    self.value(object.key(name), value, pictures)?;
                }
                object.end();
            }
        }
        Ok(())
    }

    fn image(&mut self, out: &mut Vec<u8>, image: &WorkflowImage) -> Result<(), String> {
        let key = PictureKey::of(&image.frame);
        let known = self.written.iter().find(|(other, _)| *other == key);
        let known = known.map(|(_, range)| range.clone());
        let jpeg = match &known {
            Some(_) => &[],
            None => self
                .jpeg
                .encode(&image.frame)
                .map_err(|error| error.to_string())?,
        };
        let range = match (&mut self.beside, known.clone()) {
            (Some(pictures), Some(known)) => pictures.add_again(out, known),
            (Some(pictures), None) => pictures.add(out, jpeg),
            (None, known) => {
                out.extend_from_slice(b"{\"type\":\"base64\",\"value\":\"");
                let start = out.len();
                match known {
                    Some(known) => out.extend_from_within(known),
                    None => base64_encode_into(jpeg, out),
                }
                let range = start..out.len();
                out.push(b'"');
                range
            }
        };
        out.extend_from_slice(b",\"video_metadata\":");
        metadata(out, &image.metadata);
        out.push(b'}');
        if known.is_none() {
            self.written.push((key, range));
        }
        Ok(())
    }
}

/// Tells pictures apart while the outputs hold them all: the same memory seen the same way is the same picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PictureKey {
    address: usize,
    width: u32,
    height: u32,
    stride: usize,
}

impl PictureKey {
    fn of(frame: &Frame) -> Self {
        let plane = frame.plane(0);
        let address = plane.data.as_ptr() as usize;
        Self {
            address,
            width: frame.width(),
            height: frame.height(),
            stride: plane.stride,
        }
    }
}

fn metadata(out: &mut Vec<u8>, metadata: &FrameMetadata) {
    let mut object = Object::begin(out);
    json::text(object.key("video_identifier"), &metadata.video_identifier);
    json::integer(object.key("frame_number"), metadata.frame_number);
    json::text(
        object.key("frame_timestamp"),
        &json::timestamp(metadata.frame_timestamp),
    );
    json::optional(object.key("fps"), metadata.fps, json::double);
    json::optional(
        object.key("measured_fps"),
        metadata.measured_fps,
        json::double,
    );
    let from_file = metadata.comes_from_video_file.map(serde_json::Value::Bool);
    json::optional(
        object.key("comes_from_video_file"),
        from_file.as_ref(),
        json::value,
    );
    json::optional(
        object.key("total_frames"),
        metadata.total_frames,
        json::integer,
    );
    object.end();
}

/// The metadata as a value, for workflows that take it as an input.
pub(super) fn metadata_json(of: &FrameMetadata) -> serde_json::Value {
    let mut text = Vec::new();
    metadata(&mut text, of);
    serde_json::from_slice(&text).unwrap_or_default()
}

fn detections(out: &mut Vec<u8>, found: &Detections) {
    let mut object = Object::begin(out);
    size(object.key("image"), found.image_size);
    json::array(
        object.key("predictions"),
        found.items.iter(),
        |out, item| detection(out, item, found),
    );
    object.end();
}

fn size(out: &mut Vec<u8>, (width, height): (u32, u32)) {
    let mut object = Object::begin(out);
    json::integer(object.key("width"), width);
    json::integer(object.key("height"), height);
    object.end();
}

fn detection(out: &mut Vec<u8>, item: &Detection, found: &Detections) {
    let [x0, y0, x1, y1] = item.corners;
    let mut object = Object::begin(out);
    json::float(object.key("width"), x1 - x0);
    json::float(object.key("height"), y1 - y0);
    json::float(object.key("x"), (x0 + x1) / 2.0);
    json::float(object.key("y"), (y0 + y1) / 2.0);
    json::float(object.key("confidence"), item.confidence);
    json::integer(object.key("class_id"), item.class_id);
    json::text(object.key("class"), &item.class);
    let mut id = uuid::Uuid::encode_buffer();
    json::text(
        object.key("detection_id"),
        item.id.hyphenated().encode_lower(&mut id),
    );
    json::text(object.key("parent_id"), &found.origin.id);
    if !found.origin.is_root() {
        origin(object.key("parent_origin"), found.origin.parent);
        json::text(object.key("root_parent_id"), &found.origin.root_id);
        origin(object.key("root_parent_origin"), found.origin.root);
    }
    object.end();
}

fn origin(out: &mut Vec<u8>, place: Place) {
    let mut object = Object::begin(out);
    json::integer(object.key("offset_x"), place.offset_x);
    json::integer(object.key("offset_y"), place.offset_y);
    json::integer(object.key("width"), place.width);
    json::integer(object.key("height"), place.height);
    object.end();
}

fn classification(out: &mut Vec<u8>, found: &Classification) {
    let mut object = Object::begin(out);
    json::text(object.key("inference_id"), &found.inference_id);
    json::double(object.key("time"), found.seconds);
    size(object.key("image"), found.image_size);
    match found.multi_label_threshold {
        None => single_label(&mut object, found),
        Some(threshold) => multi_label(&mut object, found, threshold),
    }
    json::text(object.key("prediction_type"), "classification");
    json::text(object.key("parent_id"), &found.origin.id);
    json::text(object.key("root_parent_id"), &found.origin.root_id);
    object.end();
}

fn single_label(object: &mut Object<'_>, found: &Classification) {
    let mut ranked: Vec<_> = found.scores.iter().collect();
    ranked.sort_by(|a, b| b.2.total_cmp(&a.2));
    json::array(
        object.key("predictions"),
        ranked.iter(),
        |out, (class, id, score)| {
            let mut object = Object::begin(out);
            json::text(object.key("class"), class);
            json::integer(object.key("class_id"), *id);
            json::float(object.key("confidence"), *score);
            object.end();
        },
    );
    if let Some((class, _, score)) = ranked.first() {
        json::text(object.key("top"), class);
        json::float(object.key("confidence"), *score);
    }
}

fn multi_label(object: &mut Object<'_>, found: &Classification, threshold: f32) {
    // A name that occurs twice would make two equal keys; the last one counts.
    let unique: BTreeMap<&str, usize> = found
        .scores
        .iter()
        .enumerate()
        .map(|(i, (class, ..))| (&**class, i))
        .collect();
    let scores = || {
        found
            .scores
            .iter()
            .enumerate()
            .filter(|(i, (class, ..))| unique[&**class] == *i)
            .map(|(_, score)| score)
    };
    let mut classes = Object::begin(object.key("predictions"));
    for (class, id, score) in scores() {
        let mut entry = Object::begin(classes.key(class));
        json::float(entry.key("confidence"), *score);
        json::integer(entry.key("class_id"), *id);
        entry.end();
    }
    classes.end();
    let above = scores().filter(|(.., score)| *score >= threshold);
    json::array(
        object.key("predicted_classes"),
        above,
        |out, (class, ..)| json::text(out, class),
    );
}
