//! What the tests need to look inside: frames from a pool they can count, and log events on demand.
//! Not for programs.

use std::thread;

use framewire_media::{Bgr, Frame, FramePool};
use numpy::PyArray3;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::{array, home};

/// Frames of one pool.
#[pyclass(frozen, name = "__TestFrames", module = "framewire._core")]
#[derive(Default)]
pub(crate) struct TestFrames {
    pool: FramePool,
}

#[pymethods]
impl TestFrames {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// A grey frame as an array, and the address of its pixels before it was handed over. `shared`: somebody else holds
    /// the frame too. `cropped`: it is a view into a frame one pixel larger on each side.
    #[pyo3(signature = (width, height, shared=false, cropped=false))]
    fn make<'py>(
        &self,
        py: Python<'py>,
        width: u32,
        height: u32,
        shared: bool,
        cropped: bool,
    ) -> PyResult<(Bound<'py, PyArray3<u8>>, usize)> {
        let bad = |error: framewire_media::FrameError| PyValueError::new_err(error.to_string());
        let border = 2 * u32::from(cropped);
        let mut frame = Frame::solid_bgr(
            &self.pool,
            width + border,
            height + border,
            Bgr::new(1, 2, 3),
        )
        .map_err(bad)?;
        if cropped {
            frame = frame
                .crop(&self.pool, 1, 1, width, height)
                .map_err(bad)?
                .ok_or_else(|| PyValueError::new_err("nothing is left of the picture"))?;
        }
        let other = shared.then(|| frame.clone());
        let address = frame.plane(0).data.as_ptr() as usize;
        let array = array::from_frame(py, frame, &self.pool)?;
        drop(other);
        Ok((array, address))
    }

    /// A frame made of an array, as an array again.
    fn echo<'py>(&self, picture: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        array::from_frame(
            picture.py(),
            array::to_frame(picture, &self.pool)?,
            &self.pool,
        )
    }

    /// Seconds it takes to hand over one frame of this size, for each of `rounds` frames; making it does not count.
    fn time(&self, py: Python<'_>, width: u32, height: u32, rounds: usize) -> PyResult<Vec<f64>> {
        let bad = |error: framewire_media::FrameError| PyValueError::new_err(error.to_string());
        let mut times = Vec::new();
        for _ in 0..rounds {
            let frame = Frame::solid_bgr(&self.pool, width, height, Bgr::BLACK).map_err(bad)?;
            let began = std::time::Instant::now();
            let array = array::from_frame(py, frame, &self.pool)?;
            times.push(began.elapsed().as_secs_f64());
            drop(array);
        }
        Ok(times)
    }

    /// Bytes in frames that somebody holds.
    #[getter]
    fn live_bytes(&self) -> usize {
        self.pool.stats().live_bytes
    }

    /// Buffers taken from the system so far.
    #[getter]
    fn allocated(&self) -> u64 {
        self.pool.stats().allocated
    }
}

/// Logs `each` events on each of `threads` threads and waits for them, with the GIL held or released.
#[pyfunction]
#[pyo3(name = "__test_log", signature = (threads, each, hold_gil=false))]
pub(crate) fn test_log(
    py: Python<'_>,
    threads: usize,
    each: usize,
    hold_gil: bool,
) -> PyResult<()> {
    home::enter()?;
    let work = || {
        thread::scope(|scope| {
            for thread in 0..threads {
                scope.spawn(move || {
                    for event in 0..each {
                        tracing::info!(target: "framewire_test::events", thread, event, "a test event");
                        tracing::debug!(target: "framewire_test::events", "a quiet test event");
                        tracing::info!(target: "other_crate", "foreign and below a warning");
                    }
                });
            }
        });
    };
    if hold_gil {
        work();
    } else {
        py.detach(work);
    }
    Ok(())
}
