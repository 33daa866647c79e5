//! The native half of the Python package: sessions, sources, frames and the command line as `framewire._core`.
//! Not here: the API that users see, which is the pure Python package on top, and no logic of its own.
#![deny(unsafe_code)]

#[expect(unsafe_code, reason = "frames cross to NumPy without a copy")]
mod array;
mod attach;
mod callbacks;
mod chunks;
mod cursor;
mod errors;
mod event;
mod home;
mod logging;
mod main_entry;
mod metadata;
mod model;
mod options;
mod result;
mod sender;
mod session;
mod source;
mod stats;
mod testing;
mod worker;

/// The native half of framewire; private. Use the package `framewire`.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::attach::shutdown;
    #[pymodule_export]
    use crate::chunks::PyChunkReassembler;
    #[pymodule_export]
    use crate::cursor::PyCursor;
    #[pymodule_export]
    use crate::logging::{flush_logs, start_logging};
    #[pymodule_export]
    use crate::main_entry::main;
    #[pymodule_export]
    use crate::model::{find_task_type, model_workflow, task_types};
    #[pymodule_export]
    use crate::options::PyOptions;
    #[pymodule_export]
    use crate::result::PyResultEvent;
    #[pymodule_export]
    use crate::sender::PySender;
    #[pymodule_export]
    use crate::session::PySession;
    #[pymodule_export]
    use crate::source::PySource;
    #[pymodule_export]
    use crate::testing::{TestFrames, test_log};
    #[pymodule_export]
    use crate::worker::{PyWorker, wait_for_processors};

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::array::load_numpy(module.py())
    }

    /// Version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
