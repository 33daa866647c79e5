//! What is known about a frame, as the plain tuple the package makes its dataclass of.
//! Not here: the dataclass.

use framewire::VideoMetadata;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

/// (frame_id, received_at, pts, time_base, declared_fps, measured_fps, errors); `received_at` in ISO 8601 as
/// `datetime.fromisoformat` of every supported Python reads it.
pub(crate) fn tuple<'py>(
    py: Python<'py>,
    metadata: Option<&VideoMetadata>,
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let Some(metadata) = metadata else {
        return Ok(None);
    };
    (
        metadata.frame_id.0,
        received_at(metadata),
        metadata.pts,
        metadata.time_base,
        metadata.declared_fps,
        metadata.measured_fps,
        PyList::new(py, &metadata.errors)?,
    )
        .into_pyobject(py)
        .map(Some)
}

fn received_at(metadata: &VideoMetadata) -> String {
    let mut text = metadata
        .received_at
        .format("%Y-%m-%dT%H:%M:%S%.6f")
        .to_string();
    if let Some(offset) = metadata.utc_offset {
        let sign = if offset < 0 { '-' } else { '+' };
        let offset = offset.unsigned_abs();
        // Writing to a string cannot fail.
        let _ = std::fmt::Write::write_fmt(
            &mut text,
            format_args!(
                "{sign}{:02}:{:02}:{:02}",
                offset / 3600,
                offset / 60 % 60,
                offset % 60
            ),
        );
    }
    text
}
