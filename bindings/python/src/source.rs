//! Sources of video, described from Python and used up by the session made from them.
//! Not here: checking and opening them.

use std::sync::{Mutex, PoisonError};

use framewire::{
    LocalStreamSource, ManualSource, MjpegSource, RtspSource, Source, VideoFileSource, WebcamSource,
};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::attach::with_python;
use crate::errors::config_error;
use crate::home::Home;
use crate::sender::PySender;

/// A source of video; makes one session.
#[pyclass(frozen, name = "Source", module = "framewire._core")]
pub(crate) struct PySource {
    inner: Home<Mutex<Option<Source>>>,
}

impl PySource {
    fn new(source: impl Into<Source>) -> Self {
        PySource {
            inner: Home::new(Mutex::new(Some(source.into()))),
        }
    }

    /// Takes the source out.
    ///
    /// # Errors
    /// A session was made from it already.
    pub(crate) fn take(&self) -> PyResult<Source> {
        let mut inner = self
            .inner
            .get()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        inner.take().ok_or_else(|| {
            PyRuntimeError::new_err(
                "a session was already made from this source; make a new source",
            )
        })
    }
}

#[pymethods]
impl PySource {
    /// A video file by path or URL. The progress callbacks are called on threads of the session.
    #[staticmethod]
    #[pyo3(signature = (path, use_datachannel_frames, realtime_processing, use_cache, on_upload_progress=None, on_download_progress=None))]
    fn file(
        path: String,
        use_datachannel_frames: bool,
        realtime_processing: bool,
        use_cache: bool,
        on_upload_progress: Option<Py<PyAny>>,
        on_download_progress: Option<Py<PyAny>>,
    ) -> Self {
        let mut source = VideoFileSource::new(path)
            .track_frames(!use_datachannel_frames)
            .realtime_processing(realtime_processing)
            .use_cache(use_cache);
        if let Some(callback) = on_upload_progress {
            source = source.on_upload_progress(move |done, total| {
                progress(&callback, (done, Some(total)));
            });
        }
        if let Some(callback) = on_download_progress {
            source = source.on_download_progress(move |done, total| {
                progress(&callback, (done, total));
            });
        }
        Self::new(source)
    }

    /// A camera of this machine.
    #[staticmethod]
    fn webcam(device: String, resolution: Option<(u32, u32)>) -> Self {
        let mut source = WebcamSource::new(device);
        if let Some((width, height)) = resolution {
            source = source.resolution(width, height);
        }
        Self::new(source)
    }

    /// An RTSP or RTMP stream read here.
    #[staticmethod]
    fn local_stream(py: Python<'_>, url: String) -> PyResult<Self> {
        Ok(Self::new(
            LocalStreamSource::new(url).map_err(|error| config_error(py, &error))?,
        ))
    }

    /// An RTSP stream the worker reads.
    #[staticmethod]
    fn rtsp(py: Python<'_>, url: String) -> PyResult<Self> {
        Ok(Self::new(
            RtspSource::new(url).map_err(|error| config_error(py, &error))?,
        ))
    }

    /// An MJPEG stream the worker reads.
    #[staticmethod]
    fn mjpeg(py: Python<'_>, url: String) -> PyResult<Self> {
        Ok(Self::new(
            MjpegSource::new(url).map_err(|error| config_error(py, &error))?,
        ))
    }

    /// Frames sent from Python.
    #[staticmethod]
    fn manual() -> (Self, PySender) {
        let source = ManualSource::new();
        let sender = PySender::new(source.sender());
        (Self::new(source), sender)
    }

    /// A source of the program's own: whether this side sends a track, and whether pictures come back on one.
    #[staticmethod]
    fn custom(sends: bool, receives: bool) -> (Self, Option<PySender>) {
        let (source, sender) = Source::custom(sends, receives);
        (Self::new(source), sender.map(PySender::new))
    }
}

/// Calls a progress callback on a thread of the session. What it raises is reported and ends nothing.
fn progress(callback: &Py<PyAny>, counts: (u64, Option<u64>)) {
    with_python(|py| {
        if let Err(error) = callback.call1(py, counts) {
            error.write_unraisable(py, Some(callback.bind(py)));
        }
    });
}
