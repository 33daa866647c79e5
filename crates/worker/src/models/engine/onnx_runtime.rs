//! ONNX Runtime sessions: one intra-op thread, no spinning, so codecs and other sessions keep their cores.
//! Not here: finding the library.

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Outlet, TensorElementType, TensorRef};

use super::{
    Backend, Engine, EngineError, EngineFactory, Reader, Signature, Tensor, TensorInfo, library,
};

const BACKEND: Backend = Backend::OnnxRuntime;

pub(super) struct Factory {
    file: PathBuf,
}

impl Factory {
    pub(super) fn new(file: &Path) -> Result<Self, EngineError> {
        if library::environment().is_none() {
            return Err(super::load_error(
                BACKEND,
                file,
                "the ONNX Runtime library is not loaded",
            ));
        }
        Ok(Self {
            file: file.to_path_buf(),
        })
    }

    fn session(&self) -> Result<Session, String> {
        let environment = library::environment().ok_or("the ONNX Runtime library is not loaded")?;
        let text = |error: &dyn std::fmt::Display| error.to_string();
        Session::builder(environment)
            .map_err(|e| text(&e))?
            .with_intra_threads(1)
            .map_err(|e| text(&e))?
            .with_intra_op_spinning(false)
            .map_err(|e| text(&e))?
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .map_err(|e| text(&e))?
            // The weights get memory of their exact size. In the arena, which grows by powers of two, they cost 20 MB more
            // for the bundled detector, at the same speed.
            .with_device_allocated_initializers()
            .map_err(|e| text(&e))?
            .commit_from_file(&self.file)
            .map_err(|e| text(&e))
    }
}

impl EngineFactory for Factory {
    fn backend(&self) -> Backend {
        BACKEND
    }

    fn build(&self) -> Result<(Box<dyn Engine>, Signature), EngineError> {
        let session = self
            .session()
            .map_err(|reason| super::load_error(BACKEND, &self.file, reason))?;
        let signature = Signature {
            inputs: session.inputs().iter().map(info).collect(),
            outputs: session.outputs().iter().map(info).collect(),
        };
        Ok((Box::new(Running { session }), signature))
    }
}

fn info(outlet: &Outlet) -> TensorInfo {
    let dtype = outlet.dtype();
    TensorInfo {
        name: outlet.name().to_owned(),
        shape: dtype
            .tensor_shape()
            .map(|shape| shape.iter().map(|&d| usize::try_from(d).ok()).collect()),
        is_f32: dtype.tensor_type() == Some(TensorElementType::Float32),
    }
}

struct Running {
    session: Session,
}

impl Engine for Running {
    fn run(
        &mut self,
        input: &[f32],
        shape: &[usize],
        reader: &mut Reader<'_>,
    ) -> Result<(), EngineError> {
        let failed = |error: ort::Error| super::run_error(BACKEND, error);
        let input = TensorRef::from_array_view((shape, input)).map_err(failed)?;
        let outputs = self.session.run(ort::inputs![input]).map_err(failed)?;
        let values: Vec<_> = outputs.values().collect();
        let (mut shapes, mut data) = (
            Vec::with_capacity(values.len()),
            Vec::with_capacity(values.len()),
        );
        for value in &values {
            let (shape, values) = value.try_extract_tensor::<f32>().map_err(failed)?;
            shapes.push(
                shape
                    .iter()
                    .map(|&d| usize::try_from(d).unwrap_or(0))
                    .collect::<Vec<_>>(),
            );
            data.push(values);
        }
        let tensors: Vec<_> = shapes
            .iter()
            .zip(&data)
            .map(|(shape, data)| Tensor { shape, data })
            .collect();
        reader(&tensors);
        Ok(())
    }
}
