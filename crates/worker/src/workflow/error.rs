//! What can be wrong with a workflow, in the shapes the signalling answer carries.
//! Not here: HTTP statuses and JSON bodies.

use std::fmt;

/// Most block errors collected from one definition.
pub const MAX_BLOCK_ERRORS: usize = 100;

/// What kind of thing is wrong with a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CompileErrorKind {
    /// It does not validate: unknown block type, bad property, missing key. `blocks_errors` says where.
    Syntax,
    /// `version` is no version, or no engine of that version exists here.
    Version,
    /// Two inputs, steps or outputs have the same name.
    DuplicateName,
    /// A selector points at something that does not exist or is of the wrong kind.
    Reference,
    /// Steps wait for each other.
    Cycle,
    /// A model that this worker does not have.
    ModelNotFound,
    /// A block that is known but cannot run on this worker.
    NotRunnable,
}

/// Why a definition cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    kind: CompileErrorKind,
    message: String,
    blocks_errors: Vec<BlockError>,
}

/// One thing wrong with one block (or with the definition itself, when there is no `block_id`).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct BlockError {
    /// The step's, input's or output's name.
    pub block_id: Option<String>,
    /// Its `type`.
    pub block_type: Option<String>,
    /// Details about the block as a whole.
    pub block_details: Option<String>,
    /// The property that is wrong.
    pub property_name: Option<String>,
    /// What is wrong with it.
    pub property_details: Option<String>,
}

impl CompileError {
    pub(crate) fn new(kind: CompileErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            blocks_errors: Vec::new(),
        }
    }

    /// Syntax errors, cut at [`MAX_BLOCK_ERRORS`]; `errors` must not be empty.
    pub(crate) fn syntax(mut errors: Vec<BlockError>) -> Self {
        let total = errors.len();
        errors.truncate(MAX_BLOCK_ERRORS);
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        let more = if total > 1 {
            format!(" (and {} more)", total - 1)
        } else {
            String::new()
        };
        let message = format!("The workflow definition is not valid: {first}{more}");
        Self {
            kind: CompileErrorKind::Syntax,
            message,
            blocks_errors: errors,
        }
    }

    pub(crate) fn with_block(mut self, block: BlockError) -> Self {
        self.blocks_errors.push(block);
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> CompileErrorKind {
        self.kind
    }

    /// The whole message, for the `message` key of an answer.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where exactly; empty for errors that belong to no block.
    #[must_use]
    pub fn blocks_errors(&self) -> &[BlockError] {
        &self.blocks_errors
    }

    /// Name of the error class on the wire.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self.kind {
            CompileErrorKind::Syntax => "WorkflowSyntaxError",
            CompileErrorKind::ModelNotFound => "RoboflowAPINotNotFoundError",
            _ => "WorkflowError",
        }
    }

    /// A narrower name, for `inner_error_type`.
    #[must_use]
    pub fn inner_error_type(&self) -> &'static str {
        match self.kind {
            CompileErrorKind::Syntax => "ValidationError",
            CompileErrorKind::Version => "WorkflowExecutionEngineVersionError",
            CompileErrorKind::DuplicateName => "DuplicatedNameError",
            CompileErrorKind::Reference => "InvalidReferenceTargetError",
            CompileErrorKind::Cycle => "ExecutionGraphStructureError",
            CompileErrorKind::ModelNotFound => "ModelNotFoundError",
            CompileErrorKind::NotRunnable => "BlockNotRunnableError",
        }
    }

    /// The stage that failed, for `context`.
    #[must_use]
    pub fn context(&self) -> &'static str {
        match self.kind {
            CompileErrorKind::Version => "workflow_compilation | engine_selection",
            CompileErrorKind::Syntax => "workflow_compilation | definition_parsing",
            CompileErrorKind::DuplicateName
            | CompileErrorKind::Reference
            | CompileErrorKind::Cycle => "workflow_compilation | graph_construction",
            CompileErrorKind::ModelNotFound | CompileErrorKind::NotRunnable => {
                "workflow_compilation | steps_initialisation"
            }
        }
    }
}

impl BlockError {
    /// An error of one property.
    pub(crate) fn property(
        block: (Option<&str>, Option<&str>),
        name: &str,
        details: impl Into<String>,
    ) -> Self {
        Self {
            block_id: block.0.map(str::to_owned),
            block_type: block.1.map(str::to_owned),
            block_details: None,
            property_name: Some(name.to_owned()),
            property_details: Some(details.into()),
        }
    }

    /// An error of a block as a whole.
    pub(crate) fn block(block: (&str, &str), details: impl Into<String>) -> Self {
        let (id, kind) = block;
        Self {
            block_id: Some(id.into()),
            block_type: Some(kind.into()),
            block_details: Some(details.into()),
            ..Self::default()
        }
    }
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = &self.block_id {
            write!(f, "`{id}`: ")?;
        }
        match (
            &self.property_name,
            &self.property_details,
            &self.block_details,
        ) {
            (Some(name), Some(details), _) => write!(f, "`{name}`: {details}"),
            (_, _, Some(details)) => f.write_str(details),
            _ => f.write_str("not valid"),
        }
    }
}

/// Why a frame has no outputs. The text goes into the frame's `errors`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An input that the frame or the parameters should have brought.
    #[error("RuntimeInputError: {0}")]
    Input(String),
    /// A step failed.
    #[error("StepExecutionError: step `{step}`: {reason}")]
    Step {
        /// The step's name.
        step: String,
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collected_errors_are_bounded_and_counted() {
        let many = (0..250)
            .map(|i| BlockError::property((None, None), &format!("p{i}"), "bad"))
            .collect();
        let error = CompileError::syntax(many);
        assert_eq!(error.blocks_errors().len(), MAX_BLOCK_ERRORS);
        assert_eq!(
            error.message(),
            "The workflow definition is not valid: `p0`: bad (and 249 more)"
        );
        assert_eq!(error.error_type(), "WorkflowSyntaxError");
    }
}
