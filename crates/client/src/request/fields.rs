//! Parts of the request that follow from the configuration alone.
//! Not here: what the source changes about them.

use framewire_protocol::signalling::{Agreement, Feature};
use serde_json::{Map, Value};

use crate::config::StreamConfig;

/// What this side offers beyond the original's protocol. `fresh_results`: results may be lost rather than late.
pub(crate) fn offered_agreement(fresh_results: bool) -> Agreement {
    let always = [
        Feature::Ledger,
        Feature::RawImage,
        Feature::Upload,
        Feature::IceRestart,
    ];
    let fresh = fresh_results.then_some(Feature::Freshness);
    Agreement::new(always.into_iter().chain(fresh))
}

/// What the configuration adds to the request, beside the pictures and data asked for.
pub(super) fn fields(definition: Map<String, Value>, config: &StreamConfig) -> Map<String, Value> {
    let mut workflow = Map::new();
    workflow.insert("type".into(), "WorkflowConfiguration".into());
    workflow.insert("image_input_name".into(), config.image_input.clone().into());
    workflow.insert(
        "workflows_parameters".into(),
        config.workflow_parameters.clone().into(),
    );
    workflow.extend(definition);
    let mut fields = Map::new();
    fields.insert("workflow_configuration".into(), workflow.into());
    if let Some(fps) = config.declared_fps.filter(|fps| *fps != 0.0) {
        fields.insert("declared_fps".into(), fps.into());
    }
    let mut optional = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(key.to_owned(), value);
        }
    };
    optional(
        "requested_plan",
        config.requested_plan.clone().map(Value::from),
    );
    optional(
        "requested_region",
        config.requested_region.clone().map(Value::from),
    );
    optional(
        "processing_timeout",
        config.processing_timeout.map(Value::from),
    );
    fields
}

/// Names without empty ones and repetitions.
pub(super) fn named(names: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        if !name.is_empty() && !kept.contains(name) {
            kept.push(name.clone());
        }
    }
    kept
}

/// Replaces `*`, which an original understands only when it stands alone, by the names in the definition.
pub(super) fn spell_out(names: &[String], outputs: &[Value], image_input: &str) -> Vec<String> {
    let input = format!("$inputs.{image_input}");
    let mut all: Vec<String> = names.iter().filter(|name| *name != "*").cloned().collect();
    for output in outputs {
        let Some(name) = output.get("name").and_then(Value::as_str) else {
            continue;
        };
        let is_input = output.get("selector").and_then(Value::as_str) == Some(input.as_str());
        if !is_input && !all.iter().any(|known| known == name) {
            all.push(name.to_owned());
        }
    }
    all
}
