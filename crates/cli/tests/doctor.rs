//! `framewire doctor` as a user runs it: the table, the JSON, the last line and the exit status.
//! Not every failure there is; those need networks of their own (`tests/doctor`).

mod common;

use std::collections::BTreeSet;
use std::process::Output;

use common::{framewire, last_line};
use serde_json::Value;

fn doctor(args: &[&str]) -> Output {
    let mut command = framewire();
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(variable);
    }
    let command = command.arg("doctor").args(args);
    command.output().expect("the binary starts")
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("stdout is one JSON document")
}

fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    let steps = report["steps"].as_array().expect("a list of steps");
    let found = steps.iter().find(|step| step["step"] == name);
    found.unwrap_or_else(|| panic!("no step {name} in {report:#}"))
}

fn names(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().expect("a list of steps");
    steps
        .iter()
        .map(|step| step["step"].as_str().expect("a name"))
        .collect()
}

const STEPS: [&str; 17] = [
    "address",
    "http",
    "worker",
    "api_key",
    "clock",
    "stun",
    "turn_udp",
    "turn_tcp",
    "turn_tls",
    "candidates",
    "signalling",
    "ice",
    "dtls",
    "data_channel",
    "throughput_up",
    "throughput_down",
    "video",
];

/// The keys of every object in it, by their paths; of a list, those of its first element. Numbers and texts are what they are.
fn shape(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = format!("{path}.{key}");
                shape(value, &path, keys);
                keys.insert(path);
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                shape(first, &format!("{path}[]"), keys);
            }
        }
        _ => {}
    }
}

fn shape_of(step: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    shape(step, "", &mut keys);
    // Which stages there are, and what was dropped and why, is the session's.
    let is_fixed = |key: &String| !key.contains("stages_ms.") && !key.contains("dropped.");
    keys.into_iter().filter(is_fixed).collect()
}

#[test]
fn a_healthy_worker_has_every_step_in_order_with_figures_and_json_as_documented() {
    let output = doctor(&["--json"]);
    let report = report(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(
        (&report["ok"], &report["api_url"]),
        (&true.into(), &"embedded".into())
    );
    assert_eq!(report["worker"]["kind"], "framewire");
    assert_eq!(names(&report), STEPS);
    for name in STEPS {
        let expected = match name {
            "stun" | "turn_udp" | "turn_tcp" | "turn_tls" => "skipped",
            _ => "ok",
        };
        // A loaded machine may lose datagrams in its socket buffers; that is a finding, and a session works.
        let step = step(&report, name);
        let lossy = step["cause"] == "lossy_path";
        assert!(step["status"] == expected || lossy, "{step:#}");
    }
    for name in ["throughput_up", "throughput_down"] {
        let bytes = step(&report, name)["facts"]["bytes"].as_u64();
        assert!(bytes > Some(1_000_000), "{name}: {bytes:?}");
    }
    assert!(step(&report, "data_channel")["facts"]["rtt_ms"]["n"].as_u64() >= Some(1));
    assert!(step(&report, "video")["facts"]["delivered"].as_u64() >= Some(1));
    assert!(report["seconds"].as_f64() <= Some(20.0), "{report:#}");

    let docs = include_str!("../../../docs/doctor.md");
    let (_, example) = docs.split_once("```json\n").expect("an example");
    let (example, _) = example.split_once("\n```").expect("its end");
    let example: Value = serde_json::from_str(example).expect("the example is JSON");
    assert_eq!(names(&example), STEPS);
    for name in STEPS {
        let (shown, real) = (step(&example, name), step(&report, name));
        assert_eq!(shape_of(shown), shape_of(real), "{name}: {real:#}");
    }
}

#[test]
fn a_closed_port_is_named_and_everything_else_is_skipped() {
    // Nobody listens at port 1: it is for root, and the service it was for is gone.
    let output = doctor(&["--api-url", "http://127.0.0.1:1"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("FAILED  http"), "{text}");
    assert!(text.contains("port_closed: "), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours but on a terminal");
    let last = last_line(&output);
    assert!(last.contains("127.0.0.1:1"), "{last}");
    let output = doctor(&["--api-url", "http://127.0.0.1:1", "--json"]);
    let report = report(&output);
    assert_eq!(report["ok"], false);
    assert_eq!(names(&report), STEPS);
    assert_eq!(step(&report, "http")["cause"], "port_closed");
    assert!(last.contains(step(&report, "http")["problem"].as_str().unwrap()));
    assert_eq!(step(&report, "ice")["status"], "skipped");
}

#[test]
fn a_wrong_address_is_a_finding_and_a_wrong_option_is_not() {
    let output = doctor(&["--json", "--api-url", "worker:9001"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(step(&report(&output), "address")["cause"], "bad_url");
    let output = doctor(&[
        "--ice-servers",
        r#"{"urls": "http://x"}"#,
        "--api-url",
        "http://127.0.0.1:1",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
