//! What a session does with each frame, behind one face: a workflow, or a function of the user's own.
//! Not the stage that calls it: that one does not know which it is.

use std::sync::Arc;

use framewire_media::{Frame, FramePool};

use crate::processor::{Function, ProcessorFactory};
use crate::workflow::{FrameMetadata, Outputs, Runner, RunnerOptions, Workflow};

/// The same before the session has its threads.
#[derive(Debug)]
pub(crate) enum WorkPlan {
    /// The workflow of the request.
    Workflow(Workflow),
    /// The worker's own, whatever the request names.
    Function(ProcessorFactory),
}

/// Ready for frames.
pub(crate) enum Work {
    Workflow(Box<Runner>),
    Function(Function),
}

impl WorkPlan {
    pub(crate) fn ready(self, options: RunnerOptions, pool: FramePool) -> Work {
        match self {
            WorkPlan::Workflow(workflow) => {
                Work::Workflow(Box::new(Runner::new(workflow, options, pool)))
            }
            WorkPlan::Function(make) => Work::Function(Function::new(make)),
        }
    }
}

impl Work {
    /// Blocks for as long as the work takes. After an error the next frame can be run as if nothing had happened.
    pub(crate) fn run(
        &mut self,
        frame: &Frame,
        metadata: &Arc<FrameMetadata>,
    ) -> Result<Outputs, String> {
        match self {
            Work::Workflow(runner) => runner
                .run(frame, metadata)
                .map_err(|error| error.to_string()),
            Work::Function(function) => function.run(frame, metadata),
        }
    }
}
