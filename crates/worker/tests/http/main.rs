//! The HTTP face of the worker: every status and body, who may talk to it, slow and dead clients.

mod access;
#[path = "../common/mod.rs"]
mod common;
mod lifetime;
mod probe;
mod requests;
mod restarts;

use common::http::{Response, post};
use common::peer::{PATH, offer_sdp};
use common::request;
use framewire_worker::Worker;
use serde_json::Value;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

/// Posts a valid request changed by `change`.
fn ask(worker: &Worker, change: impl FnOnce(&mut Value)) -> Response {
    let mut body = request(&offer_sdp());
    change(&mut body);
    post(worker.local_addr(), PATH, &body)
}
