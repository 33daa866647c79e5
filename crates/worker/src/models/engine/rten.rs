//! The built-in engine: no shared library needed, a third to a quarter of the speed of ONNX Runtime.
//! Not here: a choice of operators; the crate brings all it has.

use std::path::Path;
use std::sync::Arc;

use rten::{Dimension, Model, NodeId, RunOptions, ThreadPool, Value, ValueType};
use rten_tensor::TensorView;
use rten_tensor::prelude::*;

use super::{Backend, Engine, EngineError, EngineFactory, Reader, Signature, Tensor, TensorInfo};

const BACKEND: Backend = Backend::Rten;

pub(super) struct Factory {
    model: Arc<Model>,
}

impl Factory {
    pub(super) fn load(file: &Path) -> Result<Self, EngineError> {
        let model =
            Model::load_file(file).map_err(|error| super::load_error(BACKEND, file, error))?;
        Ok(Self {
            model: Arc::new(model),
        })
    }

    fn info(&self, id: NodeId) -> TensorInfo {
        let node = self.model.node_info(id);
        let fixed = |dimension: Dimension| match dimension {
            Dimension::Fixed(size) => Some(size),
            Dimension::Symbolic(_) => None,
        };
        TensorInfo {
            name: node
                .as_ref()
                .and_then(|n| n.name())
                .unwrap_or_default()
                .to_owned(),
            shape: node
                .as_ref()
                .and_then(|n| n.shape())
                .map(|shape| shape.into_iter().map(fixed).collect()),
            is_f32: node
                .and_then(|n| n.dtype())
                .is_none_or(|t| t == ValueType::Tensor(rten::DataType::Float)),
        }
    }
}

impl EngineFactory for Factory {
    fn backend(&self) -> Backend {
        BACKEND
    }

    fn build(&self) -> Result<(Box<dyn Engine>, Signature), EngineError> {
        let signature = Signature {
            inputs: self
                .model
                .input_ids()
                .iter()
                .map(|&id| self.info(id))
                .collect(),
            outputs: self
                .model
                .output_ids()
                .iter()
                .map(|&id| self.info(id))
                .collect(),
        };
        // Weights are shared; an engine is only its own thread, so that one busy run does not queue another.
        let threads = Arc::new(ThreadPool::with_num_threads(1));
        Ok((
            Box::new(Running {
                model: Arc::clone(&self.model),
                threads,
            }),
            signature,
        ))
    }
}

struct Running {
    model: Arc<Model>,
    threads: Arc<ThreadPool>,
}

impl Engine for Running {
    fn run(
        &mut self,
        input: &[f32],
        shape: &[usize],
        reader: &mut Reader<'_>,
    ) -> Result<(), EngineError> {
        let failed = |reason: String| super::run_error(BACKEND, reason);
        let view =
            TensorView::try_from_data(shape, input).map_err(|error| failed(error.to_string()))?;
        let id = *self
            .model
            .input_ids()
            .first()
            .ok_or_else(|| failed("the model has no input".into()))?;
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.threads)));
        let outputs = self
            .model
            .run(
                vec![(id, view.into())],
                self.model.output_ids(),
                Some(options),
            )
            .map_err(|error| failed(error.to_string()))?;
        let mut owned = Vec::with_capacity(outputs.len());
        for (index, value) in outputs.into_iter().enumerate() {
            let Value::FloatTensor(tensor) = value else {
                return Err(failed(format!("output {index} is not a float tensor")));
            };
            owned.push((tensor.shape().to_vec(), tensor.into_data()));
        }
        let tensors: Vec<_> = owned
            .iter()
            .map(|(shape, data)| Tensor { shape, data })
            .collect();
        reader(&tensors);
        Ok(())
    }
}
