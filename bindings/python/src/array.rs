//! Pictures between frames and NumPy arrays: out without a copy, in with one.
//! The only file of this crate with unsafe code. Not here: converting pixel formats.

use framewire_media::{Frame, FrameError, FramePool};
use numpy::ndarray::{ArrayView3, ArrayViewMut3};
use numpy::{PyArray3, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::home::Home;

/// Loads NumPy. Done when the module is imported, where an interrupt is an exception like any other: the first use of an
/// array would load it otherwise, and panic.
///
/// # Errors
/// NumPy is not there, or the import was interrupted.
pub(crate) fn load_numpy(py: Python<'_>) -> PyResult<()> {
    py.import("numpy")?;
    // Reading from an array looks up everything there is to look up.
    PyArray3::<u8>::zeros(py, [1, 1, 3], false).try_readonly()?;
    Ok(())
}

/// Owner of the pixels of an array: when the array goes, they go back to their pool.
#[pyclass(frozen, name = "_Pixels", module = "framewire._core")]
struct Pixels {
    _frame: Home<Frame>,
}

/// The frame as an array of shape (height, width, 3), BGR, `uint8`, writable. Costs no copy when the frame is packed BGR
/// that nobody else holds; otherwise one conversion or copy, made without the GIL.
///
/// # Errors
/// `MemoryError` when the pool's limit is reached or the picture cannot be converted.
pub(crate) fn from_frame<'py>(
    py: Python<'py>,
    frame: Frame,
    pool: &FramePool,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let ready = frame.bgr_bytes().is_some() && !frame.is_shared();
    let mut frame = if ready {
        frame
    } else {
        py.detach(|| own(frame, pool)).map_err(no_memory)?
    };
    let (height, width) = (frame.height() as usize, frame.width() as usize);
    let mut writer = frame.make_mut(pool).map_err(no_memory)?;
    let pixels = writer.plane_mut(0).data;
    if pixels.len() != height * width * 3 {
        return Err(PyRuntimeError::new_err(
            "a packed frame had gaps; please report this",
        ));
    }
    let start = pixels.as_mut_ptr();
    let owner = Bound::new(
        py,
        Pixels {
            _frame: Home::new(frame),
        },
    )?;
    // SAFETY: `start` points to height * width * 3 initialised bytes (checked above), 1-aligned, on the heap of the pool
    // buffer inside `frame`. The handle was moved into `owner`, which does not move that heap memory; nobody else holds
    // the buffer (`make_mut` copies otherwise) and `owner` never touches it again before it is dropped. So the view is the
    // only access to these bytes for as long as `owner` lives.
    let view = unsafe { ArrayViewMut3::from_shape_ptr((height, width, 3), start) };
    // SAFETY: the array keeps `owner` as its base object, so the bytes outlive it, and they are never reallocated.
    Ok(unsafe { PyArray3::borrow_from_array(&view, owner.into_any()) })
}

/// A packed BGR frame nobody else holds.
fn own(frame: Frame, pool: &FramePool) -> Result<Frame, FrameError> {
    let mut packed = frame.to_packed_bgr(pool)?;
    drop(frame);
    packed.make_mut(pool)?;
    Ok(packed)
}

fn no_memory(error: FrameError) -> PyErr {
    pyo3::exceptions::PyMemoryError::new_err(error.to_string())
}

/// A frame with a copy of the array's pixels: `uint8`, shape (height, width, 3), any strides. The GIL is released while
/// they are copied; whoever writes to the array meanwhile spoils the picture.
///
/// # Errors
/// `TypeError` for what is no `uint8` array, `ValueError` for another shape or a picture larger than frames may be.
pub(crate) fn to_frame(picture: &Bound<'_, PyAny>, pool: &FramePool) -> PyResult<Frame> {
    let array = picture.cast::<PyUntypedArray>().map_err(|_| {
        let found = picture.get_type().name();
        PyTypeError::new_err(format!(
            "a frame is a numpy.ndarray of uint8, not {}",
            found.map_or_else(|_| "this".to_owned(), |name| name.to_string())
        ))
    })?;
    if array.ndim() != 3 || array.shape()[2] != 3 || array.shape().contains(&0) {
        return Err(PyValueError::new_err(format!(
            "a frame has the shape (height, width, 3) with pixels in it, BGR, not {:?}",
            array.shape()
        )));
    }
    let array = picture.cast::<PyArray3<u8>>().map_err(|_| {
        PyTypeError::new_err(format!(
            "a frame has the dtype uint8, not {}",
            array.dtype()
        ))
    })?;
    let borrowed = array.try_readonly().map_err(|_| {
        PyRuntimeError::new_err("the array is being written to by native code at this moment")
    })?;
    let pixels = borrowed.as_array();
    picture
        .py()
        .detach(|| copy(pixels, pool))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// A frame of these pixels, three values each, or one: grey. An array may claim any size without having the memory, so the
/// size is looked at before any is reserved.
///
/// # Errors
/// The picture is larger than frames may be, or the pool's limit is reached.
pub(crate) fn copy(pixels: ArrayView3<'_, u8>, pool: &FramePool) -> Result<Frame, FrameError> {
    let (height, width, values) = pixels.dim();
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    if let (3, Some(packed)) = (values, pixels.as_slice()) {
        return Frame::from_bgr(pool, side(width), side(height), width * 3, packed);
    }
    let mut frame = Frame::solid_bgr(pool, side(width), side(height), framewire_media::Bgr::BLACK)?;
    let mut writer = frame.make_mut(pool)?;
    let target = writer.plane_mut(0).data;
    if let Ok(mut target) = ArrayViewMut3::from_shape((height, width, 3), target) {
        target.assign(&pixels);
    }
    Ok(frame)
}
