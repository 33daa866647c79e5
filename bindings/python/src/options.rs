//! Limits and deadlines given from Python, on top of the environment.
//! Not here: their meaning and their defaults.

use std::time::Duration;

use framewire::{BitrateLimits, ClientOptions, Recovery};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::config_error;

/// Limits and deadlines of a session. Everything is optional; what is not given comes from the environment, else from the
/// defaults. Times are seconds; `recovery` is (ice_restart, attempts, backoff, backoff_cap, total), `bitrate` is
/// (start, floor, ceiling) in bit/s.
#[pyclass(frozen, name = "Options", module = "framewire._core")]
pub(crate) struct PyOptions {
    pub(crate) inner: ClientOptions,
}

#[pymethods]
impl PyOptions {
    #[new]
    #[pyo3(signature = (
        *,
        frame_queue = None,
        relay_only = None,
        recovery = None,
        max_frame_age = None,
        bitrate = None,
        shutdown_timeout = None,
        initial_frame_timeout = None,
        connect_timeout = None,
        lost_after = None,
        signalling_timeout = None,
        reach_timeout = None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        frame_queue: Option<usize>,
        relay_only: Option<bool>,
        recovery: Option<(bool, u32, f64, f64, f64)>,
        max_frame_age: Option<f64>,
        bitrate: Option<(u32, u32, u32)>,
        shutdown_timeout: Option<f64>,
        initial_frame_timeout: Option<f64>,
        connect_timeout: Option<f64>,
        lost_after: Option<f64>,
        signalling_timeout: Option<f64>,
        reach_timeout: Option<f64>,
    ) -> PyResult<Self> {
        let mut options = ClientOptions::from_env().map_err(|error| config_error(py, &error))?;
        set(&mut options.frame_queue, frame_queue);
        set(&mut options.relay_only, relay_only);
        if let Some((ice_restart, attempts, backoff, cap, total)) = recovery {
            options.recovery = Recovery::default()
                .with_ice_restart(ice_restart)
                .with_attempts(attempts)
                .with_backoff(duration("recovery.backoff", backoff)?)
                .with_backoff_cap(duration("recovery.backoff_cap", cap)?)
                .with_total(duration("recovery.total", total)?);
        }
        if let Some((start, floor, ceiling)) = bitrate {
            options.bitrate = BitrateLimits::new(start, floor, ceiling)
                .map_err(|error| PyValueError::new_err(error.to_string()))?;
        }
        for (target, name, value) in [
            (&mut options.max_frame_age, "max_frame_age", max_frame_age),
            (
                &mut options.shutdown_timeout,
                "shutdown_timeout",
                shutdown_timeout,
            ),
            (
                &mut options.initial_frame_timeout,
                "initial_frame_timeout",
                initial_frame_timeout,
            ),
            (
                &mut options.connect_timeout,
                "connect_timeout",
                connect_timeout,
            ),
            (
                &mut options.signalling_timeout,
                "signalling_timeout",
                signalling_timeout,
            ),
            (&mut options.reach_timeout, "reach_timeout", reach_timeout),
        ] {
            set(
                target,
                value.map(|value| duration(name, value)).transpose()?,
            );
        }
        if let Some(seconds) = lost_after {
            options.lost_after = Some(duration("lost_after", seconds)?);
        }
        Ok(PyOptions { inner: options })
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// A year is far beyond any use and keeps every later sum of instants in range.
const LONGEST: f64 = 31_536_000.0;

pub(crate) fn duration(name: &str, seconds: f64) -> PyResult<Duration> {
    if (0.0..=LONGEST).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(PyValueError::new_err(format!(
            "{name} is a number of seconds, 0 to {LONGEST}"
        )))
    }
}
