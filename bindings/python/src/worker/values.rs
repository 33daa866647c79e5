//! What a function returned, as outputs of its frame: pictures and JSON values.
//! Not here: calling it. Everything is bounded: a cyclic list or a forgotten array is an error of the frame.

use framewire_media::{Frame, FramePool};
use framewire_worker::ProcessedValue;
use numpy::ndarray::Axis;
use numpy::{PyArray2, PyArray3, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};
use serde_json::{Map, Number, Value};

use crate::array;

/// Nesting of a value; readers of results take 128 with what is around it.
const MAX_DEPTH: usize = 100;
/// Numbers, texts and containers in one value: some 10 MB of JSON, far beyond any prediction.
const MAX_ITEMS: usize = 1_000_000;

/// The outputs in `returned`, a dict.
///
/// # Errors
/// `TypeError` or `ValueError` that names the output and what is wrong with it.
pub(super) fn outputs(
    returned: &Bound<'_, PyAny>,
    pool: &FramePool,
) -> PyResult<Vec<(String, ProcessedValue)>> {
    let dict = returned.cast::<PyDict>().map_err(|_| {
        let kind = kind(returned);
        PyTypeError::new_err(format!("process() returned {kind}, not a dict of outputs"))
    })?;
    let mut outputs = Vec::with_capacity(dict.len());
    for (name, value) in dict {
        let Ok(name) = name.cast::<PyString>() else {
            let kind = kind(&name);
            return Err(PyTypeError::new_err(format!(
                "the name of an output is {kind}, not str"
            )));
        };
        let name = name.to_string_lossy().into_owned();
        let value = match picture(&value, pool)? {
            Some(frame) => ProcessedValue::Image(frame),
            None => {
                let mut walk = Walk {
                    output: &name,
                    left: MAX_ITEMS,
                };
                ProcessedValue::Json(walk.value(&value, MAX_DEPTH)?)
            }
        };
        outputs.push((name, value));
    }
    Ok(outputs)
}

/// A copy of an array that is a picture: `uint8`, (height, width, 3) or (height, width), with pixels in it.
fn picture(value: &Bound<'_, PyAny>, pool: &FramePool) -> PyResult<Option<Frame>> {
    if let Ok(colour) = value.cast::<PyArray3<u8>>() {
        let is_picture = colour.shape()[2] == 3 && !colour.shape().contains(&0);
        return is_picture.then(|| array::to_frame(value, pool)).transpose();
    }
    match value.cast::<PyArray2<u8>>() {
        Ok(grey) if !grey.shape().contains(&0) => grey_frame(grey, pool).map(Some),
        _ => Ok(None),
    }
}

fn grey_frame(picture: &Bound<'_, PyArray2<u8>>, pool: &FramePool) -> PyResult<Frame> {
    let borrowed = picture
        .try_readonly()
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    let pixels = borrowed.as_array().insert_axis(Axis(2));
    let made = picture.py().detach(|| array::copy(pixels, pool));
    made.map_err(|error| PyValueError::new_err(error.to_string()))
}

/// One output on its way to JSON.
struct Walk<'a> {
    output: &'a str,
    left: usize,
}

impl Walk<'_> {
    fn value(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
        let too_deep = || self.wrong("is nested too deeply, or contains itself");
        let inner = depth.checked_sub(1).ok_or_else(too_deep)?;
        self.take(1)?;
        if value.is_none() {
            return Ok(Value::Null);
        }
        if let Ok(value) = value.cast::<PyBool>() {
            return Ok(Value::Bool(value.is_true()));
        }
        if value.is_instance_of::<PyInt>() {
            let number = value.extract::<i64>().map(Number::from);
            return number
                .or_else(|_| value.extract::<u64>().map(Number::from))
                .map(Value::Number)
                .map_err(|_| self.wrong("holds an integer of more than 64 bits"));
        }
        if let Ok(value) = value.cast::<PyFloat>() {
            // JSON has neither NaN nor infinity.
            return Ok(Number::from_f64(value.value()).map_or(Value::Null, Value::Number));
        }
        if let Ok(text) = value.cast::<PyString>() {
            return Ok(Value::String(text.to_string_lossy().into_owned()));
        }
        if let Ok(dict) = value.cast::<PyDict>() {
            return self.object(dict, inner);
        }
        if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            let items = value.try_iter()?.map(|item| self.value(&item?, inner));
            return items.collect::<PyResult<Vec<_>>>().map(Value::Array);
        }
        if let Ok(array) = value.cast::<PyUntypedArray>() {
            // Looked at before it becomes a list of as many objects.
            if array.len() > self.left {
                let shape = array.shape();
                return Err(self.wrong(&format!(
                    "holds an array of shape {shape:?}; pictures are uint8 of shape (height, width, 3) or (height, width) and \
                     outputs of their own, other arrays have at most {MAX_ITEMS} elements"
                )));
            }
            return self.value(&array.call_method0("tolist")?, inner);
        }
        if value.is_instance(numpy_scalar(value.py())?)? {
            return self.value(&value.call_method0("item")?, inner);
        }
        let kind = kind(value);
        Err(self.wrong(&format!(
            "holds {kind}, which is neither a picture nor a JSON value"
        )))
    }

    fn object(&mut self, dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Value> {
        let mut object = Map::new();
        for (key, value) in dict {
            // Numbers, booleans and None become text, as in Python's own JSON.
            let name = match self.value(&key, depth)? {
                Value::String(name) => name,
                Value::Number(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                Value::Null => "null".to_owned(),
                _ => {
                    let kind = kind(&key);
                    return Err(self.wrong(&format!("has a key that is {kind}, not str")));
                }
            };
            object.insert(name, self.value(&value, depth)?);
        }
        Ok(Value::Object(object))
    }

    fn take(&mut self, items: usize) -> PyResult<()> {
        self.left = self
            .left
            .checked_sub(items)
            .ok_or_else(|| self.wrong(&format!("has more than {MAX_ITEMS} items")))?;
        Ok(())
    }

    fn wrong(&self, what: &str) -> PyErr {
        PyTypeError::new_err(format!("output '{}' {what}", self.output))
    }
}

/// "a set", "a numpy.ndarray": what a value is.
fn kind(value: &Bound<'_, PyAny>) -> String {
    let name = value.get_type().fully_qualified_name();
    name.map_or_else(
        |_| "something unnamed".to_owned(),
        |name| format!("a {name}"),
    )
}

fn numpy_scalar(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static GENERIC: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    GENERIC.import(py, "numpy", "generic")
}
