//! The video file: frames as they come back, with boxes and labels when they are to be drawn here.
//! Not here: encoding and drawing themselves; those are media's.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use anyhow::Context;
use framewire::{Frame, FrameEvent, FrameId, FramePool};
use framewire_media::{Bgr, Canvas, Font, Mp4Options, Mp4Writer, Rect, RectStyle, TextStyle};
use serde::Deserialize;
use serde_json::Value;

/// Frames that wait for their data at most; then they are written without boxes. Frames and results of one session come
/// in the same order but from two threads.
const MAX_WAITING: usize = 16;

/// Writes frames in order; drawn-on ones once their predictions have come.
pub(crate) struct VideoOut {
    writer: Mp4Writer,
    drawing: Option<Drawing>,
}

struct Drawing {
    pool: FramePool,
    font: Font,
    waiting: VecDeque<(Option<FrameId>, Frame)>,
    data: BTreeMap<FrameId, Value>,
    newest_data: Option<FrameId>,
}

impl VideoOut {
    pub(crate) fn create(path: &Path, draw: bool) -> anyhow::Result<Self> {
        let writer = Mp4Writer::create(path, Mp4Options::default())
            .with_context(|| format!("cannot write the video {}", path.display()))?;
        let drawing = draw.then(|| Drawing {
            pool: FramePool::default(),
            font: Font::default(),
            waiting: VecDeque::new(),
            data: BTreeMap::new(),
            newest_data: None,
        });
        Ok(Self { writer, drawing })
    }

    /// The next frame. Its place in time is the source's, as its metadata says.
    pub(crate) fn frame(&mut self, event: &FrameEvent) -> anyhow::Result<()> {
        let Some(drawing) = &mut self.drawing else {
            return write(&mut self.writer, &event.frame);
        };
        drawing
            .waiting
            .push_back((event.frame_id(), event.frame.clone()));
        self.advance(false)
    }

    /// The data of a frame, before or after the frame itself.
    pub(crate) fn data(&mut self, id: Option<FrameId>, data: &Value) -> anyhow::Result<()> {
        let (Some(drawing), Some(id)) = (&mut self.drawing, id) else {
            return Ok(());
        };
        drawing.newest_data = Some(id);
        drawing.data.insert(id, data.clone());
        // Data of frames that were dropped on the way stays behind.
        while drawing.data.len() > 2 * MAX_WAITING {
            drawing.data.pop_first();
        }
        self.advance(false)
    }

    /// Completes the file under its name.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.advance(true)?;
        self.writer.finish().context("cannot complete the video")?;
        Ok(())
    }

    /// Writes waiting frames as far as their data is there, cannot come any more, or (`all`) whatever is missing.
    fn advance(&mut self, all: bool) -> anyhow::Result<()> {
        let Some(drawing) = &mut self.drawing else {
            return Ok(());
        };
        while let Some((id, _)) = drawing.waiting.front() {
            let decided = match id {
                Some(id) => drawing.newest_data >= Some(*id),
                None => true,
            };
            if !(decided || all || drawing.waiting.len() > MAX_WAITING) {
                break;
            }
            let Some((id, mut frame)) = drawing.waiting.pop_front() else {
                break;
            };
            if let Some(data) = id.and_then(|id| drawing.data.remove(&id)) {
                draw(&mut frame, &data, &mut drawing.font, &drawing.pool)?;
            }
            write(&mut self.writer, &frame)?;
        }
        Ok(())
    }
}

fn write(writer: &mut Mp4Writer, frame: &Frame) -> anyhow::Result<()> {
    writer.write(frame).context("cannot write the video")
}

/// A detection list as it comes in results.
#[derive(Deserialize)]
struct Detections {
    image: Size,
    predictions: Vec<Detection>,
}

#[derive(Deserialize)]
struct Size {
    width: Option<u32>,
    height: Option<u32>,
}

/// One box: centre, size, class.
#[derive(Deserialize)]
struct Detection {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    class: String,
    confidence: f32,
    #[serde(default)]
    class_id: usize,
}

/// One colour a class; classes beyond the palette start anew.
const PALETTE: [u32; 10] = [
    0xa351fb, 0xff4040, 0xff7633, 0xffb633, 0x4cfb12, 0x1b9640, 0x00d6c1, 0x00c4ff, 0x6675ff,
    0xcd3aff,
];

/// Draws every detection list that belongs to pictures of this size.
fn draw(
    frame: &mut Frame,
    outputs: &Value,
    font: &mut Font,
    pool: &FramePool,
) -> anyhow::Result<()> {
    let lists: Vec<Detections> = outputs
        .as_object()
        .into_iter()
        .flat_map(|outputs| outputs.values())
        .filter_map(|output| Detections::deserialize(output).ok())
        .filter(|list| belongs(&list.image, frame))
        .collect();
    if lists.iter().all(|list| list.predictions.is_empty()) {
        return Ok(());
    }
    let size = (frame.height() as f32 / 24.0).clamp(11.0, 22.0);
    let mut canvas = Canvas::on(frame, pool)?;
    for found in lists.iter().flat_map(|list| &list.predictions) {
        let color = Bgr::from_rgb(PALETTE[found.class_id % PALETTE.len()]);
        canvas.rect(
            Rect::from_center(found.x, found.y, found.width, found.height),
            RectStyle::outline(color, 2),
        );
        let text = format!("{} {:.0} %", found.class, found.confidence * 100.0);
        let style = TextStyle::new(size, Bgr::WHITE);
        let height = font.measure(&text, style).height() + 4.0;
        let top = (found.y - found.height / 2.0 - height).max(0.0);
        canvas.label(
            font,
            (found.x - found.width / 2.0, top),
            &text,
            style,
            RectStyle::filled(color),
            2.0,
        );
    }
    Ok(())
}

/// Detections of a crop do not fit the whole picture; without a size they are taken to fit.
fn belongs(size: &Size, frame: &Frame) -> bool {
    size.width.is_none_or(|width| width == frame.width())
        && size.height.is_none_or(|height| height == frame.height())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn detections(width: Option<u32>) -> Value {
        json!({"predictions": {
            "image": {"width": width, "height": width.map(|_| 48)},
            "predictions": [{"x": 32.0, "y": 30.0, "width": 20.0, "height": 16.0, "class": "Car", "class_id": 1, "confidence": 0.5}]
        }})
    }

    fn drawn(width: Option<u32>) -> bool {
        let pool = FramePool::default();
        let mut frame = Frame::solid_bgr(&pool, 64, 48, Bgr::BLACK).unwrap();
        draw(&mut frame, &detections(width), &mut Font::default(), &pool).unwrap();
        frame.bgr_bytes().unwrap().iter().any(|byte| *byte > 0)
    }

    #[test]
    fn boxes_are_drawn_on_pictures_they_belong_to() {
        assert!(drawn(Some(64)));
        assert!(drawn(None));
        assert!(!drawn(Some(32)));
    }
}
