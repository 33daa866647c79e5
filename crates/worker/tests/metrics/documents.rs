//! `docs/metrics.md` and `docs/grafana.json` against what a worker really says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{checkout, page, worker};

/// Labels that the scraper adds.
const OF_THE_SCRAPER: [&str; 2] = ["instance", "job"];

fn document(name: &str) -> String {
    let path = checkout().join("docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_list_of_metrics_is_what_a_worker_says_and_nothing_else() {
    let said: BTreeMap<String, (String, String)> = page(&worker())
        .0
        .into_iter()
        .map(|(name, family)| {
            let labels: BTreeSet<&String> = family
                .samples
                .keys()
                .flat_map(|(_, labels)| labels.keys())
                .filter(|label| *label != "le")
                .collect();
            let labels: Vec<_> = labels
                .into_iter()
                .map(|label| format!("`{label}`"))
                .collect();
            (name, (family.kind, labels.join(", ")))
        })
        .collect();
    let mut listed = BTreeMap::new();
    for line in document("metrics.md").lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", name, kind, labels, meaning, ""] = cells[..] else {
            continue;
        };
        let Some(name) = name
            .strip_prefix('`')
            .and_then(|name| name.strip_suffix('`'))
        else {
            continue;
        };
        assert!(!meaning.is_empty(), "{line}");
        let twice = listed.insert(name.to_owned(), (kind.to_owned(), labels.to_owned()));
        assert!(twice.is_none(), "{name} is listed twice");
    }
    assert!(listed.len() > 50, "{}", listed.len());
    for (name, facts) in &said {
        assert_eq!(listed.get(name), Some(facts), "{name}");
    }
    for name in listed.keys() {
        assert!(said.contains_key(name), "{name} is listed but not said");
    }
}

#[test]
fn the_list_names_each_value_of_each_label() {
    let free = [
        "engine",
        "ffmpeg",
        "le",
        "model",
        "onnxruntime",
        "task",
        "version",
    ];
    let text = document("metrics.md");
    for family in page(&worker()).0.values() {
        for (_, labels) in family.samples.keys() {
            for (label, value) in labels {
                let listed = free.contains(&&**label) || text.contains(&format!("`{value}`"));
                assert!(listed, "{label}={value} is not listed");
            }
        }
    }
}

/// Everything under a key, wherever it is.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if name == key {
                    found.push(value);
                }
                under(value, key, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| under(value, key, found)),
        _ => {}
    }
}

/// A selector's label, its operator and its value.
fn matchers(text: &str) -> Vec<(String, bool, String)> {
    let one = |matcher: &str| {
        let at = matcher.find(['=', '!']).expect("a matcher has an operator");
        let exact = !matcher.contains("=~") && !matcher.contains("!~");
        let value = matcher.split('"').nth(1).expect("a matcher has a value");
        (matcher[..at].trim().to_owned(), exact, value.to_owned())
    };
    text.split(", ").map(one).collect()
}

#[test]
fn each_metric_label_and_value_that_the_dashboard_names_exists() {
    let page = page(&worker());
    let names = page.names();
    let dashboard: Value = serde_json::from_str(&document("grafana.json")).unwrap();
    let mut queries = Vec::new();
    under(&dashboard["panels"], "expr", &mut queries);
    under(&dashboard["templating"], "definition", &mut queries);
    assert!(queries.len() > 40);
    let mut named = BTreeSet::new();
    for query in queries {
        let query = query.as_str().unwrap();
        let mut of_query: BTreeSet<&str> = OF_THE_SCRAPER.into();
        let mut rest = query;
        while let Some(at) = [rest.find("framewire_"), rest.find("process_")]
            .into_iter()
            .flatten()
            .min()
        {
            rest = &rest[at..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
            let labels = names
                .get(name)
                .unwrap_or_else(|| panic!("{name} of {query} does not exist"));
            named.insert(name);
            of_query.extend(labels.iter().map(String::as_str));
            if let Some(selector) = after.strip_prefix('{') {
                let (selector, _) = selector.split_once('}').expect("a selector ends");
                for (label, exact, value) in matchers(selector) {
                    let ours = labels.contains(&label);
                    assert!(
                        ours || OF_THE_SCRAPER.contains(&&*label),
                        "{label} in {query}"
                    );
                    let exists = |((sample, labels), _): (&(String, _), _)| {
                        let labels: &BTreeMap<String, String> = labels;
                        sample == name && labels.get(&label) == Some(&value)
                    };
                    let samples = || page.0.values().flat_map(|family| &family.samples);
                    assert!(
                        !ours || !exact || samples().any(exists),
                        "{label}={value} in {query}"
                    );
                }
            }
            rest = after;
        }
        for by in query.split("by (").skip(1) {
            let (labels, _) = by.split_once(')').expect("a grouping ends");
            for label in labels.split(", ") {
                assert!(of_query.contains(label), "{label} in {query}");
            }
        }
    }
    assert!(named.len() > 30, "{named:?}");
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let dashboard: Value = serde_json::from_str(&document("grafana.json")).unwrap();
    assert!(
        dashboard["schemaVersion"].as_u64().unwrap() >= 38,
        "Grafana 10"
    );
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "ids are unique");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(
                    x < 24 && taken.insert((x, y)),
                    "{panel} lies on another one"
                );
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(
        variables
            .iter()
            .any(|variable| variable["type"] == "datasource")
    );
}
