//! The `framewire` binary as a function.
//! Not here: the command line itself.

use std::ffi::OsString;

use pyo3::prelude::*;

use crate::home;

/// Runs the command line `argv` (the program's name first) and returns its exit status. Blocks without the GIL.
///
/// Ctrl-C and SIGTERM end the command as they end the binary, with status 130 or 143: when called on the main thread,
/// Python's own handlers are set aside for as long as it runs. Meant to be called once in a process.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, argv: Vec<OsString>) -> PyResult<u8> {
    home::enter()?;
    let aside = PythonSignals::set_aside(py)?;
    let status = py.detach(|| framewire_cli::status_of(argv));
    aside.restore(py)?;
    Ok(status)
}

/// Python's handlers of the signals the command line listens to; they would be called as well otherwise, and raise
/// `KeyboardInterrupt` after the command has ended in good order.
struct PythonSignals(Vec<(i32, Py<PyAny>)>);

impl PythonSignals {
    fn set_aside(py: Python<'_>) -> PyResult<Self> {
        let threading = py.import("threading")?;
        let main = threading.call_method0("main_thread")?;
        if !threading.call_method0("current_thread")?.is(&main) {
            // Only the main thread may change handlers.
            return Ok(PythonSignals(Vec::new()));
        }
        let module = py.import("signal")?;
        let default = module.getattr("SIG_DFL")?;
        let mut handlers = Vec::new();
        for name in ["SIGINT", "SIGTERM"] {
            let number: i32 = module.getattr(name)?.extract()?;
            let old = module.call_method1("signal", (number, &default))?;
            // None stands for a handler that was not installed from Python; it cannot be put back from there.
            if !old.is_none() {
                handlers.push((number, old.unbind()));
            }
        }
        Ok(PythonSignals(handlers))
    }

    fn restore(self, py: Python<'_>) -> PyResult<()> {
        let module = py.import("signal")?;
        for (number, handler) in self.0 {
            module.call_method1("signal", (number, handler))?;
        }
        Ok(())
    }
}
