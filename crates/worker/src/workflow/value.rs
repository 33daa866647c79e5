//! What flows between steps: pictures with their origin, detections, classifications, plain JSON.
//! Not here: how values are written on the wire (`serialize`).

use std::sync::Arc;

use chrono::NaiveDateTime;
use framewire_media::Frame;

/// A value of a workflow. Clones are cheap.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Value {
    /// Nothing: an empty crop, or the result of a step that had no picture.
    #[default]
    Null,
    /// Numbers, text, lists: parameters and names.
    Json(Arc<serde_json::Value>),
    /// A picture.
    Image(WorkflowImage),
    /// Boxes found in a picture.
    Detections(Arc<Detections>),
    /// Classes of a picture.
    Classification(Arc<Classification>),
    /// All outputs of a step.
    Object(Arc<Vec<(Arc<str>, Value)>>),
}

impl Value {
    /// Plain text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Json(Arc::new(serde_json::Value::String(text.into())))
    }

    /// Whether it is itself a picture, not something that contains one.
    #[must_use]
    pub fn is_image(&self) -> bool {
        matches!(self, Self::Image(_))
    }

    /// The same value with detections moved to the original frame.
    pub(crate) fn in_root_coordinates(self) -> Self {
        match self {
            Self::Detections(found) if !found.origin.is_root() => {
                Self::Detections(Arc::new(found.in_root_coordinates()))
            }
            Self::Object(members) => {
                let moved = members
                    .iter()
                    .map(|(name, value)| (Arc::clone(name), value.clone().in_root_coordinates()));
                Self::Object(Arc::new(moved.collect()))
            }
            other => other,
        }
    }
}

/// A picture with its place in the original frame and the frame's metadata.
#[derive(Debug, Clone)]
pub struct WorkflowImage {
    /// The pixels.
    pub frame: Frame,
    /// Where it comes from.
    pub origin: Arc<Origin>,
    /// The frame it was taken from.
    pub metadata: Arc<FrameMetadata>,
}

/// Where a picture lies in the picture it was cut from and in the original frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Id of the picture itself: the root id, or `<block>.<uuid>` for a crop.
    pub id: Arc<str>,
    /// Id of the original frame, `<image input>.[0]`.
    pub root_id: Arc<str>,
    /// Place in the picture it was cut from, and that picture's size.
    pub parent: Place,
    /// Place in the original frame, and its size.
    pub root: Place,
}

/// An offset inside a picture of a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Pixels from the left.
    pub offset_x: u32,
    /// Pixels from the top.
    pub offset_y: u32,
    /// Width of the picture the offset is in.
    pub width: u32,
    /// Height of the picture the offset is in.
    pub height: u32,
}

impl Origin {
    /// The origin of a whole frame given to the input `input`.
    pub(crate) fn root(input: &str, width: u32, height: u32) -> Self {
        let id: Arc<str> = format!("{input}.[0]").into();
        let place = Place {
            offset_x: 0,
            offset_y: 0,
            width,
            height,
        };
        Self {
            root_id: Arc::clone(&id),
            id,
            parent: place,
            root: place,
        }
    }

    /// The origin of a crop at (`x`, `y`) of a picture of this origin and of the given size.
    pub(crate) fn crop(&self, id: &str, x: u32, y: u32, width: u32, height: u32) -> Self {
        let root = Place {
            offset_x: self.root.offset_x + x,
            offset_y: self.root.offset_y + y,
            ..self.root
        };
        let parent = Place {
            offset_x: x,
            offset_y: y,
            width,
            height,
        };
        Self {
            id: id.into(),
            root_id: Arc::clone(&self.root_id),
            parent,
            root,
        }
    }

    /// Whether the picture is the original frame.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.id == self.root_id
    }
}

/// What a picture on the wire says about its frame.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameMetadata {
    /// `default_source`, with the crops it went through.
    pub video_identifier: String,
    /// The frame's id.
    pub frame_number: u64,
    /// When it was read, local time without a zone.
    pub frame_timestamp: NaiveDateTime,
    /// Declared frame rate.
    pub fps: Option<f64>,
    /// Measured frame rate.
    pub measured_fps: Option<f64>,
    /// Whether the source is an uploaded file.
    pub comes_from_video_file: Option<bool>,
    /// Frames in the file, when it says so.
    pub total_frames: Option<u64>,
    /// The request's `workflows_parameters`; for processors, and never on the wire.
    pub parameters: Arc<serde_json::Map<String, serde_json::Value>>,
}

impl FrameMetadata {
    /// A frame read now from `default_source`, nothing else known.
    #[must_use]
    pub fn new(frame_number: u64) -> Self {
        Self {
            video_identifier: "default_source".into(),
            frame_number,
            frame_timestamp: chrono::Local::now().naive_local(),
            fps: None,
            measured_fps: None,
            comes_from_video_file: None,
            total_frames: None,
            parameters: Arc::default(),
        }
    }
}

/// One box.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Left, top, right, bottom in pixels.
    pub corners: [f32; 4],
    /// 0 to 1.
    pub confidence: f32,
    /// Index into the model's classes.
    pub class_id: u32,
    /// The class's name.
    pub class: Arc<str>,
    /// A new UUID for each detection.
    pub id: uuid::Uuid,
}

/// The boxes found in one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Detections {
    /// Width and height of the picture the corners are in.
    pub image_size: (u32, u32),
    /// Where that picture comes from.
    pub origin: Arc<Origin>,
    /// The boxes, most confident first.
    pub items: Vec<Detection>,
}

impl Detections {
    /// The same boxes with corners in the original frame.
    #[must_use]
    pub fn in_root_coordinates(&self) -> Self {
        let Origin { root, root_id, .. } = &*self.origin;
        let (dx, dy) = (root.offset_x as f32, root.offset_y as f32);
        let moved = |item: &Detection| {
            let [x0, y0, x1, y1] = item.corners;
            Detection {
                corners: [x0 + dx, y0 + dy, x1 + dx, y1 + dy],
                ..item.clone()
            }
        };
        let whole = Place {
            offset_x: 0,
            offset_y: 0,
            ..*root
        };
        let origin = Origin {
            id: Arc::clone(root_id),
            root_id: Arc::clone(root_id),
            parent: whole,
            root: whole,
        };
        Self {
            image_size: (root.width, root.height),
            origin: Arc::new(origin),
            items: self.items.iter().map(moved).collect(),
        }
    }
}

/// The classes of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// Width and height of the picture.
    pub image_size: (u32, u32),
    /// Where that picture comes from.
    pub origin: Arc<Origin>,
    /// Id of this run of the model.
    pub inference_id: String,
    /// Seconds the model took.
    pub seconds: f64,
    /// Class names with their class id and confidence, in class order.
    pub scores: Vec<(Arc<str>, u32, f32)>,
    /// `Some`: several classes may apply, those of at least this confidence do.
    pub multi_label_threshold: Option<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_of_crops_add_up_toward_the_root() {
        let root = Origin::root("image", 640, 480);
        assert!(root.is_root());
        let outer = root.crop("absolute_static_crop.1", 100, 50, 640, 480);
        let inner = outer.crop("absolute_static_crop.2", 10, 5, 200, 100);
        assert_eq!(
            inner.root,
            Place {
                offset_x: 110,
                offset_y: 55,
                width: 640,
                height: 480
            }
        );
        assert_eq!(
            inner.parent,
            Place {
                offset_x: 10,
                offset_y: 5,
                width: 200,
                height: 100
            }
        );
        assert_eq!(&*inner.root_id, "image.[0]");
    }

    #[test]
    fn detections_move_to_the_original_frame() {
        let origin = Arc::new(Origin::root("image", 640, 480).crop("c", 100, 50, 640, 480));
        let id = uuid::Uuid::nil();
        let item = Detection {
            corners: [1.0, 2.0, 3.0, 4.0],
            confidence: 0.5,
            class_id: 0,
            class: "a".into(),
            id,
        };
        let found = Detections {
            image_size: (20, 10),
            origin,
            items: vec![item],
        };
        let Value::Detections(moved) = Value::Detections(Arc::new(found)).in_root_coordinates()
        else {
            panic!()
        };
        assert_eq!(moved.items[0].corners, [101.0, 52.0, 103.0, 54.0]);
        assert_eq!(moved.image_size, (640, 480));
        assert!(moved.origin.is_root());
    }
}
