//! The seam to an inference library: one float input in, named tensors out, one run at a time per engine.
//! Not here: what the tensors mean (the model families) and how many engines exist (`pool`).

mod library;
mod onnx_runtime;
mod pool;
mod rten;

pub use library::{RuntimeLibrary, runtime_library};
pub(crate) use pool::EnginePool;

use std::path::Path;

/// Which library computes a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// ONNX Runtime from a shared library found at run time; three to four times as fast.
    OnnxRuntime,
    /// The pure-Rust engine that is always there.
    Rten,
}

impl Backend {
    /// Name for logs, `/models` and `--version`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "onnxruntime",
            Self::Rten => "rten",
        }
    }
}

/// Name and declared shape of one input or output; `None` is a size the file leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorInfo {
    pub(crate) name: String,
    /// `None`: the file does not say even how many dimensions there are.
    pub(crate) shape: Option<Vec<Option<usize>>>,
    pub(crate) is_f32: bool,
}

/// What a model file says about its inputs and outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) inputs: Vec<TensorInfo>,
    pub(crate) outputs: Vec<TensorInfo>,
}

/// One output of a run, borrowed for the length of the reader's call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tensor<'a> {
    pub(crate) shape: &'a [usize],
    pub(crate) data: &'a [f32],
}

/// Receives the outputs of a run in the order of [`Signature::outputs`].
pub(crate) type Reader<'r> = dyn FnMut(&[Tensor<'_>]) + 'r;

/// One loaded model that runs one input at a time, on the calling thread.
pub(crate) trait Engine: Send {
    /// Runs `input` (of `shape`) and hands the outputs to `reader`, which is called exactly once on success.
    fn run(
        &mut self,
        input: &[f32],
        shape: &[usize],
        reader: &mut Reader<'_>,
    ) -> Result<(), EngineError>;
}

/// Why a model file could not be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The library refused the file.
    #[error("{backend} cannot load {file}: {reason}")]
    Load {
        /// The library's name.
        backend: &'static str,
        /// File name without its folder.
        file: String,
        /// The library's words.
        reason: String,
    },
    /// The run failed.
    #[error("{backend} failed to run the model: {reason}")]
    Run {
        /// The library's name.
        backend: &'static str,
        /// The library's words.
        reason: String,
    },
    /// Every engine of the model stayed busy.
    #[error(
        "no free engine for the model within {seconds} s; all {engines} are running other frames"
    )]
    Busy {
        /// How long was waited.
        seconds: u64,
        /// How many engines the model may have.
        engines: usize,
    },
}

/// Builds engines of one model file; cheap to call again for a second engine.
pub(crate) trait EngineFactory: Send + Sync {
    fn backend(&self) -> Backend;
    fn build(&self) -> Result<(Box<dyn Engine>, Signature), EngineError>;
}

/// Picks the backend for a file: ONNX Runtime when its library is there, else the built-in engine.
pub(crate) fn factory(
    file: &Path,
    backend: Option<Backend>,
) -> Result<Box<dyn EngineFactory>, EngineError> {
    let backend = backend.unwrap_or_else(|| match runtime_library() {
        RuntimeLibrary::Loaded { .. } => Backend::OnnxRuntime,
        _ => Backend::Rten,
    });
    match backend {
        Backend::OnnxRuntime => Ok(Box::new(onnx_runtime::Factory::new(file)?)),
        Backend::Rten => Ok(Box::new(rten::Factory::load(file)?)),
    }
}

fn load_error(backend: Backend, file: &Path, reason: impl ToString) -> EngineError {
    let file = file
        .file_name()
        .unwrap_or(file.as_os_str())
        .to_string_lossy()
        .into_owned();
    EngineError::Load {
        backend: backend.name(),
        file,
        reason: reason.to_string(),
    }
}

fn run_error(backend: Backend, reason: impl ToString) -> EngineError {
    EngineError::Run {
        backend: backend.name(),
        reason: reason.to_string(),
    }
}
