//! Drawing on BGR pictures in place: rectangles, labels, text.
//! Not a scene: every call paints at once, clipped at the edges, whatever the coordinates are.

mod bgr;
mod canvas;
mod font;
mod rect;

pub use bgr::{Bgr, ParseColorError};
pub use canvas::Canvas;
pub use font::{Font, TextExtent, TextStyle, Weight};
pub use rect::{Rect, RectStyle};
