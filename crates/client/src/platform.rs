//! Questions to the platform's API (and to a worker's list of models) before a session exists.
//! Not here: signalling. Nothing of this is needed for inline workflows and known task types.

use std::future::Future;

use framewire_protocol::TaskType;
use serde_json::Value;

use crate::error::ConfigError;
use crate::http::{ApiUrl, read_bounded};
use crate::ice::IceConfig;
use crate::options::ClientOptions;
use crate::redact;

/// Largest answer read.
const MAX_BODY: usize = 4 << 20;

/// Workers of the platform; only for them a TURN configuration is fetched.
const HOSTED: [&str; 10] = [
    "https://detect.roboflow.com",
    "https://outline.roboflow.com",
    "https://classify.roboflow.com",
    "https://infer.roboflow.com",
    "https://serverless.roboflow.com",
    "https://asyncinfer.roboflow.com",
    "https://serverless.roboflow.one",
    "https://asyncinfer.roboflow.one",
    "https://serverless.roboflow.eu",
    "https://serverless.roboflow-eu.one",
];

/// Asks the platform for the task type of a model. Blocks for at most the lookup timeout.
pub(crate) fn task_type(
    options: &ClientOptions,
    key: Option<&str>,
    model: &str,
) -> Result<TaskType, ConfigError> {
    let failed = |reason: String| ConfigError::TaskTypeLookup {
        model: redact::shorten(model),
        reason: redact::shorten(&redact::without(&reason, key)),
    };
    let mut url = url::Url::parse(&format!("{}/models/v1/external/stat", options.platform_url))
        .map_err(|error| failed(error.to_string()))?;
    url.query_pairs_mut().append_pair("modelId", model);
    let answer = blocking(get_json(
        url.to_string(),
        key.map(str::to_owned),
        options.clone(),
    ))
    .map_err(&failed)?;
    let found = answer
        .get("modelMetadata")
        .and_then(|meta| meta.get("taskType"))
        .and_then(Value::as_str);
    let found = found.ok_or_else(|| failed("the answer names no task type".into()))?;
    Ok(found.parse::<TaskType>()?)
}

/// The task type by the worker's own list of models, if it has one.
pub(crate) fn worker_task_type(
    options: &ClientOptions,
    api: &ApiUrl,
    key: Option<&str>,
    model: &str,
) -> Option<String> {
    let answer = blocking(get_json(
        api.join("models"),
        key.map(str::to_owned),
        options.clone(),
    ))
    .ok()?;
    let list = answer.get("models").unwrap_or(&answer).as_array()?;
    let entry = list
        .iter()
        .find(|entry| entry.get("id").and_then(Value::as_str) == Some(model))?;
    Some(entry.get("task_type")?.as_str()?.to_owned())
}

/// TURN servers of the platform for its own workers; any failure means "none", with a warning.
pub(crate) async fn turn_servers(
    options: &ClientOptions,
    api: &ApiUrl,
    key: Option<&str>,
) -> Option<IceConfig> {
    if !HOSTED.contains(&api.as_str()) {
        return None;
    }
    let url = format!("{}/webrtc_turn_config", options.platform_url);
    let mut options = options.clone();
    options.lookup_timeout = std::time::Duration::from_secs(5);
    let found = get_json(url, key.map(str::to_owned), options).await;
    match found.and_then(|value| IceConfig::parse(&value)) {
        Ok(config) => Some(config),
        Err(reason) => {
            tracing::warn!(
                "no TURN servers from the platform: {}",
                redact::without(&reason, key)
            );
            None
        }
    }
}

async fn get_json(
    url: String,
    key: Option<String>,
    options: ClientOptions,
) -> Result<Value, String> {
    let limit = options.lookup_timeout;
    let work = async {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(redact::http_error)?;
        let mut request = client.get(&url);
        if let Some(key) = &key {
            request = request.bearer_auth(key);
        }
        let mut response = request.send().await.map_err(redact::http_error)?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("HTTP {}", status.as_u16()));
        }
        let (bytes, complete) = read_bounded(&mut response, MAX_BODY)
            .await
            .map_err(redact::http_error)?;
        if !complete {
            return Err(format!("the answer is longer than {MAX_BODY} bytes"));
        }
        serde_json::from_slice(&bytes).map_err(|error| format!("the answer is no JSON ({error})"))
    };
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs_f64())))
}

/// Runs a future to its end on a thread of its own, so that callers inside a runtime work too.
fn blocking<T: Send + 'static>(
    work: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, String> {
    let thread = std::thread::Builder::new()
        .name("framewire-lookup".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            let result = runtime.block_on(work);
            // A name lookup that hangs must not hold us.
            runtime.shutdown_background();
            result
        });
    match thread.map_err(|error| error.to_string())?.join() {
        Ok(result) => result,
        Err(_) => Err("the lookup failed inside".into()),
    }
}
